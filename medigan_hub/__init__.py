"""medigan-hub: find, run and judge generative models of medical images.

>>> from medigan_hub import Hub
>>> hub = Hub()

Names are resolved when they are used, so that importing the package costs
nothing: no framework, no plugin and no optional dependency is loaded. What is
loaded later reports to nobody (see ``silence``).
"""

from __future__ import annotations

import importlib

from medigan_hub import silence
from medigan_hub._version import __version__

TYPE_CHECKING = False  # typing's own would have to be imported, which takes longer than all else
if TYPE_CHECKING:
    from typing import Any

    from medigan_hub.errors import (
        HubError,
        HubNote,
        HubWarning,
        Interrupted,
        MetadataError,
        MissingDependencyError,
        NetworkError,
        OutputError,
        PluginError,
        RequestError,
        UnknownModelError,
        WeightsError,
    )
    from medigan_hub.hookspecs import hookimpl
    from medigan_hub.hub import Hub
    from medigan_hub.metadata import ModelMetadata
    from medigan_hub.samples import GenerationRequest, SampleBatch

_HOMES = {
    "Hub": "hub",
    "GenerationRequest": "samples",
    "ModelMetadata": "metadata",
    "SampleBatch": "samples",
    "hookimpl": "hookspecs",
    "HubError": "errors",
    "HubNote": "errors",
    "HubWarning": "errors",
    "Interrupted": "errors",
    "MetadataError": "errors",
    "MissingDependencyError": "errors",
    "NetworkError": "errors",
    "OutputError": "errors",
    "PluginError": "errors",
    "RequestError": "errors",
    "UnknownModelError": "errors",
    "WeightsError": "errors",
}

__all__ = [
    "GenerationRequest",
    "Hub",
    "HubError",
    "HubNote",
    "HubWarning",
    "Interrupted",
    "MetadataError",
    "MissingDependencyError",
    "ModelMetadata",
    "NetworkError",
    "OutputError",
    "PluginError",
    "RequestError",
    "SampleBatch",
    "UnknownModelError",
    "WeightsError",
    "__version__",
    "hookimpl",
]

silence.keep()


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
