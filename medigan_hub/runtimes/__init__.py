"""What executes models, by name; extensions may bring further runtimes (``register_runtimes``)."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from medigan_hub import plugins
from medigan_hub.errors import PluginError, RequestError, shortened
from medigan_hub.hookspecs import hookimpl
from medigan_hub.metadata import ModelMetadata
from medigan_hub.runtimes.base import Network, NetworkRuntime, Runtime, Session

__all__ = ["Network", "NetworkRuntime", "Runtime", "Session", "choose", "find", "title"]

NAME = re.compile(r"[a-z][a-z0-9_]*")


@hookimpl
def register_runtimes() -> Iterable[type[Runtime]]:
    """Return the hub's own runtimes."""
    from medigan_hub.runtimes.archive import ArchiveRuntime
    from medigan_hub.runtimes.numpy import NumpyRuntime
    from medigan_hub.runtimes.onnx import OnnxRuntime
    from medigan_hub.runtimes.tensorflow import TensorflowRuntime
    from medigan_hub.runtimes.torch import TorchRuntime

    return TorchRuntime, TensorflowRuntime, OnnxRuntime, NumpyRuntime, ArchiveRuntime


@cache
def _builtin() -> Mapping[str, type[Runtime]]:
    return {runtime.name: runtime for runtime in register_runtimes()}


def find(name: str) -> type[Runtime]:
    """Return the runtime of a name: one of the hub's own, or one that an extension brings.

    Raises
    ------
    RequestError
        There is none of this name here.
    """
    own = _builtin()
    if name in own:  # without a look at what is installed, which takes longer
        return own[name]
    known = plugins.registered(sys.modules[__name__], "register_runtimes", "runtime", _name)
    if name not in known:
        raise RequestError(
            f"there is no runtime {name!r} here; there are {', '.join(sorted(known))}, and "
            "another one comes with an extension package"
        )
    found: type[Runtime] = known[name]
    return found


def _name(runtime: Any) -> str:
    """Return the name of a runtime; a ``PluginError`` says why it is none."""
    if not (isinstance(runtime, type) and issubclass(runtime, Runtime)):
        raise PluginError("it is no subclass of Runtime")
    name = getattr(runtime, "name", None)
    if not isinstance(name, str) or NAME.fullmatch(name) is None:
        raise PluginError(f"its name is {shortened(name)!r}; a name is lower case, as torch is")
    if not isinstance(getattr(runtime, "title", None), str):
        raise PluginError("it has no title, which says in words what executes the network")
    return name


def title(name: str) -> str:
    """Return what a runtime is called in words: its name, where it is not known here."""
    try:
        return find(name).title
    except RequestError:
        return name


def choose(model: ModelMetadata, wanted: str) -> type[Runtime]:
    """Return the runtime that makes a model's samples.

    ``auto`` is the first that the model has weights for and whose framework is
    installed. Published code runs where it is asked for, or where there is
    nothing else: it needs a permission and an environment of its own.

    Raises
    ------
    RequestError
        The model has no weights for it, or it is not known here.
    MissingDependencyError
        What it needs, or for ``auto`` the first, is not installed.
    """
    if wanted != "auto":
        model.weights_for(wanted)
        runtime = find(wanted)
        missing = runtime.missing()
        if missing is not None:
            raise missing
        return runtime
    first = None
    for name in model.runtimes:
        if name == "archive" and first is not None:
            continue
        runtime = find(name)
        missing = runtime.missing()
        if missing is None:
            return runtime
        first = first or missing
    raise first or RequestError(f"{model.name} has no weights")
