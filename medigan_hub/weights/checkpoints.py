"""Files of tensors, read without running code: safetensors, and checkpoints of PyTorch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medigan_hub.errors import WeightsError, require

if TYPE_CHECKING:
    from torch import Tensor

SAFETENSORS = re.compile(rb".{8}\s*\{", re.DOTALL)
"""How such a file begins: the length of its header, and the header, which is JSON."""
MODULES = (
    *("activation.LeakyReLU", "activation.ReLU", "activation.Sigmoid", "activation.Tanh"),
    *("batchnorm.BatchNorm2d", "container.ModuleList", "container.Sequential", "conv.Conv2d"),
    *("conv.ConvTranspose2d", "instancenorm.InstanceNorm2d", "linear.Linear"),
    *("padding.ReflectionPad2d", "padding.ZeroPad2d", "upsampling.Upsample"),
)
"""PyTorch's modules that a pickle of whole networks may name; they are read as shells."""


class Shell:
    """Stands for an object of another class in a pickle: keeps its attributes, and does nothing."""

    def __init__(self, *arguments: Any) -> None:
        """Take whatever the other class takes."""

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.__dict__.update(state)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file, which can hold nothing but tensors.

    Raises
    ------
    WeightsError
        The file has another format, or is damaged.
    """
    safetensors = require("safetensors.torch", extra="torch", purpose=f"reading {path.name}")
    try:
        tensors: dict[str, Tensor] = safetensors.load_file(path)
    except Exception as error:  # safetensors raises a class of its own for every fault
        raise WeightsError(f"{path} is not a readable safetensors file: {error}") from error
    return tensors


def read_checkpoint(path: Path, classes: Mapping[str, type] | None = None) -> Any:
    """Read a checkpoint of PyTorch, or a safetensors file, onto the CPU.

    Checkpoints are pickles, which may name any code. Here they may name what
    makes tensors and plain containers; anything else is refused before it runs.

    Parameters
    ----------
    classes
        Classes that stand for others that the pickle may name, by their full
        names, such as ``{"SinGAN.models.ConvBlock": Shell}``. PyTorch's own
        modules are then read as shells, too.

    Raises
    ------
    WeightsError
        The file names other code, is no checkpoint, or is damaged.
    """
    try:
        with path.open("rb") as stream:
            start = stream.read(16)
    except OSError as error:
        raise WeightsError(f"{path} can't be read: {error.strerror or error}") from error
    if SAFETENSORS.match(start) and not start.startswith((b"PK", b"\x80")):
        return read_tensors(path)
    torch = require("torch", extra="torch", purpose=f"reading {path.name}")
    allowed: list[Any] = [(kind, name) for name, kind in (classes or {}).items()]
    if classes:
        allowed += [(Shell, f"torch.nn.modules.{name}") for name in MODULES]
        allowed.append(set)
    allowed += _of_numpy()
    try:
        with torch.serialization.safe_globals(allowed):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # as many classes as there are ways for a file to be broken
        raise WeightsError(_reason(path, str(error))) from error


def tensors_of(shell: Any) -> dict[str, Tensor]:
    """Return the parameters and buffers of a module that was read as shells, by dotted name.

    Raises
    ------
    WeightsError
        It is no such module.
    """
    from torch import Tensor

    found: dict[str, Tensor] = {}
    parts = [("", shell, 0)]
    while parts:
        prefix, part, depth = parts.pop()
        modules = getattr(part, "_modules", None)
        if not isinstance(part, Shell) or not isinstance(modules, dict) or depth > 50:
            raise WeightsError(
                f"the checkpoint holds a {type(part).__name__} where a network is expected"
            )
        for kind in ("_parameters", "_buffers"):
            for name, tensor in getattr(part, kind, {}).items():
                if isinstance(tensor, Tensor):
                    found[f"{prefix}{name}"] = tensor
        parts += [
            (f"{prefix}{name}.", module, depth + 1)
            for name, module in modules.items()
            if module is not None
        ]
    return found


def _of_numpy() -> list[Any]:
    """Return what makes NumPy's numbers, which lists of amplitudes may hold."""
    import numpy as np

    scalar = np.float64(0).__reduce__()[0]
    kinds = [type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8")]
    return [(scalar, "numpy.core.multiarray.scalar"), scalar, np.dtype, *kinds]


def _reason(path: Path, error: str) -> str:
    """Say in one line what is wrong with a checkpoint."""
    refused = re.search(
        r"(?:GLOBAL|Unsupported global:|disallowed|call(?:s|ing)?) +`?([\w.]+)", error
    )
    if refused is not None and "." in refused[1]:
        return (
            f"{path} is refused: it is a pickle that names {refused[1]}, which is code beyond "
            "tensors; nothing of it was run. Use --runtime archive where the model offers that"
        )
    what = next((line for line in error.splitlines() if line.strip()), "it is empty")
    return f"{path} is no checkpoint of PyTorch that can be read: {' '.join(what.split())[:300]}"
