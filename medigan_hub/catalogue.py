"""The catalogue: every model that the hub knows, and how one is named."""

from __future__ import annotations

import difflib
import warnings
from dataclasses import dataclass

from medigan_hub import plugins
from medigan_hub.errors import HubWarning, PluginError, UnknownModelError
from medigan_hub.metadata import ModelMetadata
from medigan_hub.plugins import Plugin


@dataclass(frozen=True)
class Entry:
    """A model, and the plugin that runs it where one is installed."""

    metadata: ModelMetadata
    plugin: Plugin | None


class Catalogue:
    """The known models, in the order of their names.

    A plugin that can't be used is a ``HubWarning`` that names it; the others
    are listed all the same.
    """

    def __init__(self) -> None:
        found, self._broken = plugins.discover()
        for broken in self._broken:
            warnings.warn(str(broken), HubWarning, stacklevel=2)
        self._entries = {p.metadata.name: Entry(p.metadata, p) for p in found}

    def entries(self) -> list[Entry]:
        """Return all models."""
        return list(self._entries.values())

    def find(self, model: str) -> Entry:
        """Return the model with a name, a medigan id, or the number of a medigan id.

        Raises
        ------
        PluginError
            The model's plugin is installed but can't be used.
        UnknownModelError
            There is no such model; the message offers the closest names.
        """
        for entry in self._entries.values():
            if model in _names(entry.metadata):
                return entry
        for broken in self._broken:
            if broken.name == model:
                raise PluginError(str(broken))
        raise UnknownModelError(f"there is no model {model!r}; {self._offer(model)}")

    def plugin(self, model: str) -> Plugin:
        """Return the installed plugin of a model.

        Raises
        ------
        PluginError
            The plugin is not installed, or can't be used.
        UnknownModelError
            There is no such model.
        """
        entry = self.find(model)
        if entry.plugin is None:
            raise PluginError(
                f"{entry.metadata.name} is not installed: pip install {entry.metadata.plugin}"
            )
        return entry.plugin

    def _offer(self, model: str) -> str:
        names = [name for entry in self._entries.values() for name in _names(entry.metadata)]
        by_fold = {_fold(name): name for name in names}
        close = difflib.get_close_matches(_fold(model), by_fold, n=3, cutoff=0.5)
        if close:
            return "close to it: " + ", ".join(by_fold[fold] for fold in close)
        if not names:
            return "no plugin is installed: pip install medigan-model-cyclegan-dbt"
        return "see them with: medigan list"


def _names(model: ModelMetadata) -> tuple[str, ...]:
    if model.medigan_id is None:
        return (model.name,)
    number = model.medigan_id[:5]
    return model.name, model.medigan_id, number, str(int(number))


def _fold(name: str) -> str:
    return name.casefold().replace("_", "-")
