"""What executes models, by name; extensions may bring further runtimes (``register_runtimes``)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from medigan_hub import plugins
from medigan_hub.errors import RequestError
from medigan_hub.hookspecs import hookimpl
from medigan_hub.metadata import ModelMetadata
from medigan_hub.runtimes.base import Network, NetworkRuntime, Runtime, Session

__all__ = ["Network", "NetworkRuntime", "Runtime", "Session", "choose", "find", "title"]


class _Builtin:
    @hookimpl
    def register_runtimes(self) -> Iterable[type[Runtime]]:
        from medigan_hub.runtimes.archive import ArchiveRuntime
        from medigan_hub.runtimes.numpy import NumpyRuntime
        from medigan_hub.runtimes.onnx import OnnxRuntime
        from medigan_hub.runtimes.tensorflow import TensorflowRuntime
        from medigan_hub.runtimes.torch import TorchRuntime

        return TorchRuntime, TensorflowRuntime, OnnxRuntime, NumpyRuntime, ArchiveRuntime


@cache
def builtin() -> dict[str, type[Runtime]]:
    """Return the hub's own runtimes by their names."""
    return {runtime.name: runtime for runtime in _Builtin().register_runtimes()}


def find(name: str) -> type[Runtime]:
    """Return the runtime of a name: one of the hub's own, or one that an extension brings.

    Raises
    ------
    RequestError
        There is none of this name here.
    """
    known = builtin()
    if name in known:
        return known[name]
    for distribution, hook in plugins.extensions(_Builtin()):
        for runtime in plugins.handed_over(distribution, hook.register_runtimes):
            if isinstance(runtime, type) and issubclass(runtime, Runtime):
                known = {runtime.name: runtime, **known}
    if name not in known:
        raise RequestError(
            f"there is no runtime {name!r} here; there are {', '.join(sorted(known))}, and "
            "another one comes with an extension package"
        )
    return known[name]


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
