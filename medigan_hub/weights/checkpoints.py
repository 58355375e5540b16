"""Parameters in files, read without running code."""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medigan_hub.errors import WeightsError, require
from medigan_hub.weights import legacy, scalars

if TYPE_CHECKING:
    from torch import Tensor

LONGEST_HEADER = 100 * 2**20
_lock = threading.Lock()


class Shell:
    """Stands for an object of a class that is not loaded: it holds attributes, and does nothing."""

    def __init__(self, *arguments: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        if isinstance(state, Mapping):
            self.__dict__.update({str(name): value for name, value in state.items()})


def tensors_of(module: object) -> dict[str, Tensor]:
    """Return the parameters and buffers of a ``Shell`` that stands for a PyTorch module.

    They have the names that the module's ``state_dict`` would give them, such
    as ``main.0.weight``.

    Raises
    ------
    WeightsError
        It stands for no module.

    >>> tensors_of(Shell())
    Traceback (most recent call last):
    ...
    medigan_hub.errors.WeightsError: the checkpoint holds Shell, and not a module of PyTorch
    """
    return dict(_tensors(module, "", ()))


def _tensors(module: object, prefix: str, above: tuple[int, ...]) -> Iterator[tuple[str, Tensor]]:
    import torch

    state = vars(module) if isinstance(module, Shell) else {}
    parameters, buffers, modules = map(state.get, ("_parameters", "_buffers", "_modules"))
    if (
        not (isinstance(parameters, dict) and isinstance(buffers, dict))
        or not isinstance(modules, dict)
        or id(module) in above
    ):
        raise WeightsError(
            f"the checkpoint holds {type(module).__name__}, and not a module of PyTorch"
        )
    passing = state.get("_non_persistent_buffers_set", ())
    kept = {name: tensor for name, tensor in buffers.items() if name not in passing}
    for name, tensor in {**parameters, **kept}.items():
        if isinstance(tensor, torch.Tensor):
            yield f"{prefix}{name}", tensor.detach()
    for name, child in modules.items():
        if child is not None:
            yield from _tensors(child, f"{prefix}{name}.", (*above, id(module)))


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


def read_checkpoint(path: Path, classes: Mapping[str, Callable[..., Any]] | None = None) -> Any:
    """Read what ``torch.save`` wrote, or a safetensors file, whatever its name; no code is run.

    A checkpoint is a pickle, which can name any function to be called. Only
    those that make tensors, numbers and containers are; NumPy's numbers and
    arrays are made by the hub.

    Parameters
    ----------
    path
        The file.
    classes
        What else the pickle may name, such as ``SinGAN.models.ConvBlock``, and the
        hub's own class that is made in its place, such as ``Shell``. With any,
        PyTorch's own layers become a ``Shell``.

    Returns
    -------
    Any
        What was saved, with its tensors on the CPU.

    Raises
    ------
    WeightsError
        The file names something else, is damaged, or is no checkpoint.
    """
    if _is_safetensors(path):
        return read_tensors(path)
    torch = require("torch", extra="torch", purpose=f"reading {path.name}")
    known = dict(scalars.CLASSES)
    if classes:
        known |= {**_layers(), **legacy.CLASSES, **classes}
    allowed = [(made, name) for name, made in known.items()]
    try:
        source = legacy.rewritten(path) if classes else None
        with _lock, warnings.catch_warnings(), torch.serialization.safe_globals(allowed):
            warnings.simplefilter("ignore")  # of pickles that are older than PyTorch
            return torch.load(source or path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise WeightsError(f"the checkpoint {path} is missing") from error
    except Exception as error:  # a damaged pickle may make torch raise anything
        raise _fault(path, error) from error


def _layers() -> dict[str, Callable[..., Any]]:
    """Return what stands for PyTorch's own layers, by their full names."""
    import torch

    layers = (value for value in vars(torch.nn).values() if isinstance(value, type))
    found = {
        f"{layer.__module__}.{layer.__qualname__}": Shell
        for layer in layers
        if issubclass(layer, torch.nn.Module)
    }
    # Modules that were saved before PyTorch 1.4 hold what this returned.
    return {**found, "torch.nn.backends.thnn._get_thnn_function_backend": Shell}


def _is_safetensors(path: Path) -> bool:
    """Tell whether a file begins as safetensors does: with its header's length, and a brace."""
    try:
        with path.open("rb") as stream:
            start = stream.read(9)
    except OSError as error:
        raise WeightsError(f"the checkpoint {path} can't be read: {error.strerror}") from error
    return start[8:] == b"{" and int.from_bytes(start[:8], "little") <= LONGEST_HEADER


def _fault(path: Path, error: Exception) -> WeightsError:
    """Say in one line what is wrong with a checkpoint."""
    text = str(error)
    found = re.search(r"GLOBAL (\S+)", text) or re.search(
        r"unrecognized function <[a-z-]+ (?:function )?'?([\w.]+)", text
    )
    if found is not None:
        return WeightsError(
            f"{path} is refused: to be read it would run {found[1][:200]}, which is none of what "
            "checkpoints need; the published code of the model may read it: --runtime archive"
        )
    # PyTorch's own text has its advice before, and the reason behind, these words.
    reason = text.rpartition("WeightsUnpickler error:")[2].strip() or type(error).__name__
    reason = re.split(r"\s*[\n;]|(?<=\w)\. ", reason)[0][:200]
    return WeightsError(
        f"{path} is not a checkpoint that can be read: {reason}; it may be damaged: remove it, "
        "and fetch it again"
    )
