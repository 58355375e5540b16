"""The catalogue: every model that the hub knows, and how one is named.

Beside this file lies one document a model, ``<name>.json``.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

from medigan_hub import plugins
from medigan_hub.catalogue import sources
from medigan_hub.errors import HubWarning, PluginError, UnknownModelError, close_to
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
    name or medigan id. Of two other documents of one plugin the newer version
    is taken; one that claims another's name or medigan id is left out. What is
    left out, can't be used or is behind a newer version is a ``HubWarning``
    that names it; the others are listed all the same.
    """

    def __init__(self) -> None:
        self._by_name: dict[str, Entry] = {}
        for model, origin in sources.models():
            self._add(Entry(model, None, origin))
        found, self._broken = plugins.discover()
        for broken in self._broken:
            _warn(str(broken))
        for plugin in found:
            self._add_installed(plugin)
        # An entry stands under all of its names; under its own, once.
        entries = {name: e for name, e in self._by_name.items() if name == e.metadata.name}
        self._entries = [entries[name] for name in sorted(entries)]

    def entries(self) -> list[Entry]:
        """Return all models."""
        return list(self._entries)

    def find(self, model: str | int) -> Entry:
        """Return the model with a name, a medigan id, or the number of a medigan id.

        Raises
        ------
        PluginError
            The model's plugin is installed but can't be used.
        UnknownModelError
            There is no such model; the message offers the closest names.
        """
        name = str(model)
        if name in self._by_name:
            return self._by_name[name]
        self._raise_if_broken(name)
        close = close_to(name, (known for known in self._by_name if not known.isdecimal()))
        offer = f"close to it: {', '.join(close)}" if close else "see them with: medigan list"
        raise UnknownModelError(f"there is no model {name!r}; {offer}")

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
        model = entry.metadata
        others = self._others(model)
        if any(other.metadata.document == model.document for other in others):
            return
        for other in others:
            known = other.metadata
            same = (known.name, known.plugin) == (model.name, model.plugin)
            if not same or known.medigan_id not in (None, model.medigan_id):
                _warn(
                    f"{model.name} in {entry.origin} is left out: {known.name} in {other.origin} "
                    "has its name or medigan id already; rename it"
                )
                return
            if not _is_older(known, model):
                _warn(
                    f"{model.name} {model.version} in {entry.origin} is left out: version "
                    f"{known.version} in {other.origin} is taken; raise its version"
                )
                return
            self._remove(other)
        self._put(entry)

    def _add_installed(self, plugin: Plugin) -> None:
        model = plugin.metadata
        for other in self._others(model):
            if other.plugin is not None:
                _warn(
                    f"{other.metadata.name} and {model.name} are both installed as "
                    f"{model.medigan_id}; call the second by its name, or uninstall one"
                )
                continue
            if other.metadata.name == model.name and _is_older(model, other.metadata):
                _warn(
                    f"{plugin.distribution} has version {model.version} of {model.name}, and "
                    f"{other.metadata.version} is known: medigan install {model.name} --upgrade"
                )
            self._remove(other)
        self._put(Entry(model, plugin, plugin.distribution))

    def _others(self, model: ModelMetadata) -> list[Entry]:
        """Return the models so far that go by one of the names of this one."""
        found = {id(e): e for name in _names(model) if (e := self._by_name.get(name)) is not None}
        return list(found.values())

    def _put(self, entry: Entry) -> None:
        for name in _names(entry.metadata):
            self._by_name.setdefault(name, entry)

    def _remove(self, entry: Entry) -> None:
        for name in _names(entry.metadata):
            if self._by_name.get(name) is entry:
                del self._by_name[name]

    def _raise_if_broken(self, name: str) -> None:
        for broken in self._broken:
            if broken.name == name:
                raise PluginError(str(broken))


def _names(model: ModelMetadata) -> tuple[str, ...]:
    if model.medigan_id is None:
        return (model.name,)
    number = model.medigan_id[:5]
    return model.name, model.medigan_id, number, str(int(number))


def _is_older(model: ModelMetadata, other: ModelMetadata) -> bool:
    if model.version == other.version:
        return False
    from packaging.version import InvalidVersion, Version

    def version(text: str) -> Version:
        try:
            return Version(text)
        except InvalidVersion:  # a suffix that is none of pip's: before all that are
            numbers = text[: len(text) - len(text.lstrip("0123456789."))].split(".")
            return Version(f"{'.'.join(numbers[:3])}.dev0")

    return version(model.version) < version(other.version)


def _warn(message: str) -> None:
    warnings.warn(message, HubWarning, stacklevel=3)
