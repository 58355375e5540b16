"""The catalogue: every model that the hub knows, and how one is named.

Beside this file lies one document a model, ``<name>.json``.
"""

from __future__ import annotations

import difflib
import re
import warnings
from dataclasses import dataclass

from medigan_hub import plugins
from medigan_hub.catalogue import sources
from medigan_hub.errors import HubWarning, PluginError, UnknownModelError
from medigan_hub.metadata import ModelMetadata
from medigan_hub.plugins import Plugin


@dataclass(frozen=True)
class Entry:
    """A model, and the plugin that runs it where one is installed."""

    metadata: ModelMetadata
    plugin: Plugin | None
    origin: str
    """Where the document is from: the plugin's distribution, a path or a URL."""


class Catalogue:
    """The known models, in the order of their names.

    An installed plugin's own document takes the place of any other of the same
    name or medigan id; of other documents the newer version does. A document
    or plugin that can't be used, or is behind a newer one, is a ``HubWarning``
    that names it; the others are listed all the same.
    """

    def __init__(self) -> None:
        self._known: dict[str, Entry] = {}
        self._by_medigan_id: dict[str, Entry] = {}
        for model, origin in sources.models():
            self._add(Entry(model, None, origin))
        found, self._broken = plugins.discover()
        for broken in self._broken:
            _warn(str(broken))
        for plugin in found:
            self._add_installed(plugin)
        self._entries = [self._known[name] for name in sorted(self._known)]
        self._by_name: dict[str, Entry] = {}
        for entry in self._entries:
            for name in _names(entry.metadata):
                self._by_name.setdefault(name, entry)

    def entries(self) -> list[Entry]:
        """Return all models."""
        return list(self._entries)

    def find(self, model: str) -> Entry:
        """Return the model with a name, a medigan id, or the number of a medigan id.

        Raises
        ------
        PluginError
            The model's plugin is installed but can't be used.
        UnknownModelError
            There is no such model; the message offers the closest names.
        """
        if model in self._by_name:
            return self._by_name[model]
        self._raise_if_broken(model)
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
            self._raise_if_broken(entry.metadata.name)
            name = entry.metadata.name
            raise PluginError(f"{name} is not installed: medigan install {name}")
        return entry.plugin

    def _add(self, entry: Entry) -> None:
        other = self._same(entry.metadata)
        if other is not None:
            if other.metadata.document == entry.metadata.document:
                return
            same_name = other.metadata.name == entry.metadata.name
            if not same_name or not _is_older(other.metadata, entry.metadata):
                _warn(
                    f"{entry.metadata.name} {entry.metadata.version} in {entry.origin} is left "
                    f"out: {other.metadata.name} {other.metadata.version} in {other.origin} has "
                    "its name or medigan id; rename it, or raise its version"
                )
                return
            self._remove(other)
        self._put(entry)

    def _add_installed(self, plugin: Plugin) -> None:
        model = plugin.metadata
        while (other := self._same(model)) is not None:
            if other.plugin is not None:
                _warn(
                    f"{other.metadata.name} and {model.name} are both installed as "
                    f"{model.medigan_id}; call the second by its name, or uninstall one"
                )
                break
            if other.metadata.name == model.name and _is_older(model, other.metadata):
                _warn(
                    f"{plugin.distribution} has version {model.version} of {model.name}, and "
                    f"{other.metadata.version} is known: medigan install {model.name} --upgrade"
                )
            self._remove(other)
        self._put(Entry(model, plugin, plugin.distribution))

    def _same(self, model: ModelMetadata) -> Entry | None:
        return self._known.get(model.name) or self._by_medigan_id.get(model.medigan_id or "")

    def _put(self, entry: Entry) -> None:
        self._known[entry.metadata.name] = entry
        if entry.metadata.medigan_id is not None:
            self._by_medigan_id[entry.metadata.medigan_id] = entry

    def _remove(self, entry: Entry) -> None:
        del self._known[entry.metadata.name]
        self._by_medigan_id.pop(entry.metadata.medigan_id or "", None)

    def _raise_if_broken(self, name: str) -> None:
        for broken in self._broken:
            if broken.name == name:
                raise PluginError(str(broken))

    def _offer(self, model: str) -> str:
        by_fold = {_fold(name): name for name in self._by_name if not name.isdecimal()}
        close = difflib.get_close_matches(_fold(model), by_fold, n=3, cutoff=0.5)
        if close:
            return "close to it: " + ", ".join(by_fold[fold] for fold in close)
        return "see them with: medigan list"


def _names(model: ModelMetadata) -> tuple[str, ...]:
    if model.medigan_id is None:
        return (model.name,)
    number = model.medigan_id[:5]
    return model.name, model.medigan_id, number, str(int(number))


def _is_older(model: ModelMetadata, other: ModelMetadata) -> bool:
    return _version(model) < _version(other)


def _version(model: ModelMetadata) -> tuple[list[int], bool]:
    """Return what versions are ordered by: the three numbers, and that none comes before them."""
    numbers = [int(number) for number in re.findall(r"\d+", model.version)[:3]]
    return numbers, "-" not in model.version


def _fold(name: str) -> str:
    return name.casefold().replace("_", "-")


def _warn(message: str) -> None:
    warnings.warn(message, HubWarning, stacklevel=3)
