"""Plugins: found without being imported, and loaded one at a time.

A plugin names itself with an entry point in the group ``medigan_hub.models``
and keeps its ``metadata.json`` beside its ``__init__.py``. Finding plugins
reads nothing but that file; only ``load`` imports a plugin's code.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pluggy
from importlib_metadata import EntryPoint, PathDistribution, distributions

from medigan_hub import hookspecs, metadata
from medigan_hub.errors import HubError, HubWarning, MetadataError, PluginError, shortened
from medigan_hub.files import read_regular
from medigan_hub.hashes import State, is_settled, state_of

if TYPE_CHECKING:
    from importlib_metadata import IDistribution

MODELS = "medigan_hub.models"
EXTENSIONS = "medigan_hub.extensions"
NAME = re.compile(r"[A-Za-z0-9]+([-_.]+[A-Za-z0-9]+)*")
"""Names that a distribution may have."""
FORMAT = re.compile(r"[a-z][a-z0-9]*([-_.][a-z0-9]+)*")
"""Names that a format of files may have."""
MAX_FILE_BYTES = 4 * 2**20
"""Of a file about a distribution."""
MAX_HANDED_OVER = 1000
"""Things that one hook of an extension may hand over."""

_warnings = 0
"""How often this module has warned of something."""
_loaded: dict[str, tuple[Plugin, ModuleType, pluggy.HookRelay]] = {}
"""By model: its plugin, the module that it was loaded from, and its hooks."""
_registered: dict[str, tuple[object, Mapping[str, Any]]] = {}
"""By hook: what was installed then, and what was handed over."""


@dataclass(frozen=True)
class Plugin:
    """An installed plugin whose metadata is valid."""

    metadata: metadata.ModelMetadata
    distribution: str
    """Name of the installed distribution."""
    entry_point: EntryPoint
    folder: Path
    """Folder of the package, with metadata.json and the files that it names."""


@dataclass(frozen=True)
class BrokenPlugin:
    """An installed plugin that can't be used, and why."""

    name: str
    distribution: str
    reason: str

    def __str__(self) -> str:
        return f"plugin {self.name} (distribution {self.distribution}) is not usable: {self.reason}"


def discover() -> tuple[list[Plugin], list[BrokenPlugin]]:
    """Find the installed plugins without importing any of them.

    Where two distributions offer a model of the same name, the one whose
    metadata names it as the model's plugin is kept.
    """
    plugins: dict[str, Plugin] = {}
    broken: list[BrokenPlugin] = []
    for point, distribution in _entry_points(MODELS):
        try:
            found = _read(point, distribution)
        except Exception as error:  # whatever a document, a folder or an importer of others raises
            broken.append(BrokenPlugin(shortened(point.name), distribution, _reason(error)))
            continue
        other = plugins.get(point.name)
        if other is not None:
            rightful = other if other.distribution == other.metadata.plugin else found
            loser = found if rightful is other else other
            broken.append(
                BrokenPlugin(
                    point.name,
                    loser.distribution,
                    f"{rightful.distribution} offers a model of that name too; uninstall one",
                )
            )
            found = rightful
        plugins[point.name] = found
    return [plugins[name] for name in sorted(plugins)], broken


def load(plugin: Plugin) -> pluggy.HookRelay:
    """Import a plugin and return its hooks; once a process, unless it has changed.

    Raises
    ------
    PluginError
        The plugin can't be imported, lacks a hook, or describes itself
        differently from its metadata.json.
    """
    name = plugin.metadata.name
    known = _loaded.get(name)
    if known and known[0] == plugin and known[1] is sys.modules.get(plugin.entry_point.module):
        return known[2]
    manager = _manager()
    _register(manager, plugin.entry_point, plugin.distribution)
    for hook in (manager.hook.model_metadata, manager.hook.generate):
        if not hook.get_hookimpls():
            raise PluginError(f"plugin {name} lacks the hook {hook.name}; {_blame(plugin)}")
    try:
        same = bool(manager.hook.model_metadata() == plugin.metadata.document)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise PluginError(f"plugin {name} can't describe itself: {_reason(error)}") from error
    if not same:
        raise PluginError(
            f"plugin {name} describes itself differently from its metadata.json; {_blame(plugin)}"
        )
    module = sys.modules.get(plugin.entry_point.module)
    if module is not None:
        _loaded[name] = plugin, module, manager.hook
    return manager.hook


def registered(
    builtin: ModuleType, hook: str, kind: str, name_of: Callable[[Any], str]
) -> Mapping[str, Any]:
    """Return by name what one of the hub's own parts, then every extension, offers through a hook.

    What can't be used is a ``HubWarning``. Where there is none, the answer is
    remembered for as long as nothing is installed or removed.

    Parameters
    ----------
    kind
        What a message calls it, such as ``format``.
    name_of
        Returns the name of a thing, or raises a ``PluginError`` that says why it is not
        what the hook asks for.
    """
    state, before = _installed(), _warnings
    known = _registered.get(hook)
    if known and state is not None and known[0] == state:
        return known[1]
    found: dict[str, Any] = {}
    for distribution, hooks in extensions(builtin):
        for thing in handed_over(distribution, getattr(hooks, hook)):
            try:
                name = name_of(thing)
                if found.setdefault(name, thing) is not thing:
                    raise PluginError(f"the {kind} {name} is there already")
            except Exception as error:  # of the thing's own, too, when it is looked at
                offer = f"extension {distribution} offers {shortened(thing)}"
                _warn(f"{offer}: {_reason(error)}; tell its authors")
    if _warnings == before:
        _registered[hook] = state, found
    return found


def format_of(thing: Any) -> str:
    """Return the name of the format of files that a thing reads or writes.

    Raises
    ------
    PluginError
        It names none, or not as formats are named.
    """
    name = getattr(thing, "format", None)
    if not isinstance(name, str) or FORMAT.fullmatch(name) is None:
        raise PluginError(
            f"its format is called {shortened(name)!r}; a name is lower case, as png is"
        )
    return name


def extensions(builtin: object) -> Iterator[tuple[str, pluggy.HookRelay]]:
    """Yield the hooks of one of the hub's own parts, then of every installed extension.

    Each comes with the name of its distribution. An extension that can't be
    imported is a ``HubWarning``.
    """
    manager = _manager()
    manager.register(builtin)
    yield "medigan-hub", manager.hook
    for point, distribution in _entry_points(EXTENSIONS):
        manager = _manager()
        try:
            _register(manager, point, distribution)
        except HubError as error:
            _warn(f"extension {error}")
        else:
            yield distribution, manager.hook


def handed_over(distribution: str, hook: Callable[[], Iterable[Iterable[Any]]]) -> list[Any]:
    """Return what a hook of an extension hands over; where it fails, nothing and a ``HubWarning``.

    >>> handed_over("medigan-hub", lambda: [["a", "b"], ["c"]])
    ['a', 'b', 'c']
    """
    try:
        return list(islice((each for some in hook() for each in some), MAX_HANDED_OVER))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        name = getattr(hook, "name", "a hook")
        _warn(
            f"extension {distribution} can't be used: its {name} fails: {_reason(error)}; "
            "tell its authors, or uninstall it"
        )
        return []


def _installed() -> object:
    """Return what changes when something is installed or removed; None where that can't be told.

    As ``importlib.metadata`` does it, a folder is known by when its entries changed.
    """
    if not all(isinstance(place, str) for place in sys.path):
        return None
    states: list[State | None] = []
    for place in sys.path:
        try:
            states.append(state_of(Path(place)))
        except (OSError, ValueError):  # it is not there, or has a null character
            states.append(None)
    if not all(state is None or is_settled(state) for state in states):
        return None
    return tuple(sys.path), tuple(sys.meta_path), states


def _manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    return manager


def _register(manager: pluggy.PluginManager, point: EntryPoint, distribution: str) -> None:
    try:
        manager.register(point.load(), point.name)
        manager.check_pending()
    except (HubError, KeyboardInterrupt):
        raise
    except BaseException as error:  # an import may also exit, or raise what is no Exception
        raise PluginError(
            f"{shortened(point.name)} (distribution {distribution}) can't be imported: "
            f"{_reason(error)}; reinstall it, or tell its authors"
        ) from error


def _entry_points(group: str) -> list[tuple[EntryPoint, str]]:
    """Return the entry points of a group with the name of their distribution, ordered by that.

    A distribution that can't be read is a ``HubWarning``. Of several with one
    name the first counts, as it does when Python imports.
    """
    found: dict[str, list[tuple[EntryPoint, str]]] = {}
    unreadable = dict[str, str]()
    for distribution, where, name in _distributions():
        if name in found or where in unreadable:
            continue
        try:
            found[name] = _points_of(distribution, group)
        except Exception as error:
            unreadable[where] = _reason(error)
    for where, reason in unreadable.items():
        _warn(
            f"distribution {shortened(where)} can't be read: {reason}; "
            "reinstall it, or remove that folder"
        )
    points = (point for some in found.values() for point in some)
    return sorted(points, key=lambda point: point[1])


def _distributions() -> Iterator[tuple[IDistribution, str, str]]:
    """Yield each distribution with where it lies and what that says of its name."""
    try:
        for distribution in distributions():
            # There is no public way to ask where a distribution lies; pip does this, too.
            path = getattr(distribution, "_path", None)
            if path is None:  # of somebody's own importer
                yield distribution, repr(distribution), repr(distribution)
                continue
            folder = Path(str(path))
            folder = folder.parent if folder.name.upper() == "EGG-INFO" else folder
            name = re.sub(r"[-_.]+", "-", folder.stem.partition("-")[0]).lower()
            careful = type(distribution) is PathDistribution and isinstance(path, Path)
            yield _InFolder(path) if careful else distribution, str(path), name
    except Exception as error:  # an entry of sys.path, or an importer, that nobody can ask
        _warn(f"not all that is installed can be listed: {_reason(error)}; look at sys.path")


class _InFolder(PathDistribution):
    """A distribution of whose files none is waited for, and none is too large to be read."""

    def read_text(self, filename: str | os.PathLike[str]) -> str | None:
        try:
            return read_regular(Path(str(self._path), filename), MAX_FILE_BYTES).decode()
        except (FileNotFoundError, NotADirectoryError):
            return None


def _points_of(distribution: IDistribution, group: str) -> list[tuple[EntryPoint, str]]:
    points = [point for point in distribution.entry_points if point.group == group]
    if not points:
        return []
    try:
        name = distribution.name
    except Exception as error:
        raise PluginError(f"it has no METADATA with a name ({_reason(error)})") from error
    if not isinstance(name, str) or len(name) > 200 or NAME.fullmatch(name) is None:
        raise PluginError(f"its name is {shortened(name)!r}, and no distribution may be called so")
    return [(point, name) for point in points]


def _reason(error: BaseException) -> str:
    """Say what was raised, on one line of some length."""
    if isinstance(error, HubError):
        return shortened(error, 1000)
    if isinstance(error, OSError) and error.strerror:
        return shortened(error.strerror)
    return f"{type(error).__name__}: {shortened(error)}"


def _read(point: EntryPoint, distribution: str) -> Plugin:
    try:
        module = point.module
    except (AssertionError, AttributeError, ValueError):
        raise PluginError(
            f"its entry point is {shortened(point.value)!r}; it must be package or package:object"
        ) from None
    folder = _folder(module)
    model = metadata.load(folder / "metadata.json")
    if model.name != point.name:
        raise MetadataError(
            f"its entry point is named {shortened(point.name)}, "
            f"but its metadata.json names {model.name}"
        )
    return Plugin(model, distribution, point, folder)


def _folder(module: str) -> Path:
    """Return the folder of a package, found without importing it."""
    top, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except Exception:  # of whatever importer there is
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise PluginError(f"its package {shortened(top)} is not installed; reinstall it")
    return Path(next(iter(spec.submodule_search_locations))).joinpath(*rest)


def _blame(plugin: Plugin) -> str:
    return f"tell the authors of {plugin.distribution}"


def _warn(message: str) -> None:
    global _warnings
    _warnings += 1
    # Each from this one line, so that Python tells what several commands meet but once.
    warnings.warn(message, HubWarning, stacklevel=1)
