"""Plugins: found without being imported, and loaded one at a time.

A plugin names itself with an entry point in the group ``medigan_hub.models``
and keeps its ``metadata.json`` beside its ``__init__.py``. Finding plugins
reads nothing but that file; only ``load`` imports a plugin's code.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pluggy
from importlib_metadata import EntryPoint, entry_points

from medigan_hub import hookspecs, metadata
from medigan_hub.errors import HubError, HubWarning, MetadataError, PluginError

MODELS = "medigan_hub.models"
EXTENSIONS = "medigan_hub.extensions"


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
    for point in sorted(entry_points(group=MODELS), key=_distribution):
        try:
            found = _read(point)
        except HubError as error:
            broken.append(BrokenPlugin(point.name, _distribution(point), str(error)))
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
    """Import a plugin and return its hooks.

    Raises
    ------
    PluginError
        The plugin can't be imported, lacks a hook, or describes itself
        differently from its metadata.json.
    """
    name = plugin.metadata.name
    manager = _manager()
    _register(manager, plugin.entry_point, plugin.distribution)
    for hook in (manager.hook.model_metadata, manager.hook.generate):
        if not hook.get_hookimpls():
            raise PluginError(f"plugin {name} lacks the hook {hook.name}; {_blame(plugin)}")
    try:
        described = manager.hook.model_metadata()
    except Exception as error:
        raise PluginError(f"plugin {name} can't describe itself: {error!r}") from error
    if described != plugin.metadata.document:
        raise PluginError(
            f"plugin {name} describes itself differently from its metadata.json; {_blame(plugin)}"
        )
    return manager.hook


def extensions(builtin: object) -> Iterator[tuple[str, pluggy.HookRelay]]:
    """Yield the hooks of one of the hub's own parts, then of every installed extension.

    Each comes with the name of its distribution. An extension that can't be
    imported is a ``HubWarning``.
    """
    manager = _manager()
    manager.register(builtin)
    yield "medigan-hub", manager.hook
    for point in sorted(entry_points(group=EXTENSIONS), key=_distribution):
        manager = _manager()
        try:
            _register(manager, point, _distribution(point))
        except HubError as error:
            warnings.warn(f"extension {error}", HubWarning, stacklevel=2)
        else:
            yield _distribution(point), manager.hook


def _manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    return manager


def _register(manager: pluggy.PluginManager, point: EntryPoint, distribution: str) -> None:
    try:
        manager.register(point.load(), point.name)
        manager.check_pending()
    except HubError:
        raise
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"{point.name} (distribution {distribution}) can't be imported: "
            f"{type(error).__name__}: {error}; reinstall it, or tell its authors"
        ) from error


def _read(point: EntryPoint) -> Plugin:
    try:
        module = point.module
    except (AssertionError, AttributeError, ValueError):
        raise PluginError(
            f"its entry point is {point.value!r}; it must be package or package:object"
        ) from None
    folder = _folder(module)
    model = metadata.load(folder / "metadata.json")
    if model.name != point.name:
        raise MetadataError(
            f"its entry point is named {point.name}, but its metadata.json names {model.name}"
        )
    return Plugin(model, _distribution(point), point, folder)


def _folder(module: str) -> Path:
    """Return the folder of a package, found without importing it."""
    top, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise PluginError(f"its package {top} is not installed; reinstall it")
    return Path(next(iter(spec.submodule_search_locations))).joinpath(*rest)


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "unknown"


def _blame(plugin: Plugin) -> str:
    return f"tell the authors of {plugin.distribution}"
