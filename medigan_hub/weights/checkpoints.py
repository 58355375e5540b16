"""Parameters in files, read without running code."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any, BinaryIO

from medigan_hub.errors import WeightsError, named, require
from medigan_hub.unpickling import child
from medigan_hub.variables import for_others
from medigan_hub.weights.rebuilding import ImpossibleError, Shell, rebuild

if TYPE_CHECKING:
    from torch import Tensor

MAX_HEADER_BYTES = 100 * 2**20
MAX_WAIT_SECONDS = 60
"""Seconds after which a process is ended that reads a pickle; it needs far less."""
MAX_MODULES, MAX_MODULE_DEPTH = 20_000, 100
"""Modules in one, each as often as it is used, and how deep one lies in another."""


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
    import torch

    found: dict[str, Tensor] = {}
    # Modules that wait, the next one last: names before it, and the modules that it lies in.
    waiting: list[tuple[str, object, tuple[int, ...]]] = [("", module, ())]
    for _ in range(MAX_MODULES):
        if not waiting:
            return found
        prefix, part, above = waiting.pop()
        state = vars(part) if isinstance(part, Shell) else {}
        parameters, buffers, modules = map(state.get, ("_parameters", "_buffers", "_modules"))
        if (
            not (isinstance(parameters, dict) and isinstance(buffers, dict))
            or not isinstance(modules, dict)
            or id(part) in above
            or len(above) > MAX_MODULE_DEPTH
            or len(waiting) + len(modules) > MAX_MODULES
        ):
            raise WeightsError(
                f"the checkpoint holds {type(part).__name__}, and not a module of PyTorch"
            )
        passing = state.get("_non_persistent_buffers_set")
        passing = passing if isinstance(passing, set) else set()
        kept = {name: tensor for name, tensor in buffers.items() if name not in passing}
        for name, tensor in {**parameters, **kept}.items():
            if isinstance(tensor, torch.Tensor):
                found[f"{prefix}{name}"] = tensor.detach()
        waiting += [
            (f"{prefix}{name}.", child, (*above, id(part)))
            for name, child in reversed(modules.items())
            if child is not None
        ]
    raise WeightsError(f"the checkpoint holds a module with over {MAX_MODULES} others in it")


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


def read_checkpoint(path: Path, classes: Mapping[str, type[Shell]] | None = None) -> Any:
    """Read what ``torch.save`` wrote, or a safetensors file, whatever its name; no code is run.

    A checkpoint is a pickle, which can name any function to be called. None is:
    a process that can do nothing else finds out which tensors, numbers and
    containers it describes, and the hub makes those once it has checked them.

    Parameters
    ----------
    path
        The file.
    classes
        What else the pickle may name, such as ``SinGAN.models.ConvBlock``, and the
        hub's own class that is made in its place, without arguments, such as
        ``Shell``. With any, PyTorch's own layers become a ``Shell``.

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
    known = dict(classes or {})
    with path.open("rb") as stream, TemporaryFile() as answer:
        process = _started(stream, answer, known)
        try:
            # Meanwhile, as it takes longer.
            require("torch", extra="torch", purpose=f"reading {path.name}")
            status = process.wait(MAX_WAIT_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise _hostile(path) from error
        finally:
            process.kill()
            process.wait()
        size = os.fstat(stream.fileno()).st_size
        if status != 0 or answer.seek(0, os.SEEK_END) > child.longest_answer(size):
            raise _hostile(path)
        answer.seek(0)
        try:
            return _made(json.loads(answer.read()), path, stream, size, known)
        except WeightsError:
            raise
        except Exception as error:  # PyTorch and NumPy raise many, for what can't be made
            reason = str(error) if isinstance(error, ImpossibleError) else type(error).__name__
            raise _damaged(path, reason) from error


def _started(
    stream: BinaryIO, answer: IO[bytes], classes: Mapping[str, type[Shell]]
) -> subprocess.Popen[bytes]:
    """Start the process that describes a checkpoint."""
    # It has no paths but those of Python itself and of the hub, which comes last.
    start = (
        f"import sys; sys.path.append({str(Path(child.__file__).parents[2])!r}); "
        f"from {child.__name__} import main; main()"
    )
    command = [sys.executable, "-I", "-S", "-X", "utf8", "-c", start, str(os.getpid()), *classes]
    return subprocess.Popen(  # noqa: S603 (this Python, with a program that stands here)
        command, stdin=stream, stdout=answer, stderr=subprocess.DEVNULL, env=for_others()
    )


def _made(
    description: Mapping[str, Any],
    path: Path,
    stream: BinaryIO,
    size: int,
    classes: Mapping[str, type[Shell]],
) -> Any:
    """Return what a description is of, or raise what it says is wrong."""
    if "refused" in description:
        raise WeightsError(
            f"{path} is refused: to be read it would run {_plain(description['refused'])}, which "
            "is none of what checkpoints need; the published code of the model may read it: "
            f"{named('runtime', 'archive')}"
        )
    if "fault" in description:
        raise _damaged(path, description["fault"])
    return rebuild(description, stream, size, classes)


def _is_safetensors(path: Path) -> bool:
    """Tell whether a file begins as safetensors does: with its header's length, and a brace."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for
            raise WeightsError(f"the checkpoint {path} is no file")
        with path.open("rb") as stream:
            start = stream.read(9)
    except OSError as error:
        raise WeightsError(f"the checkpoint {path} can't be read: {error.strerror}") from error
    return start[8:] == b"{" and int.from_bytes(start[:8], "little") <= MAX_HEADER_BYTES


def _damaged(path: Path, reason: str) -> WeightsError:
    """Say in one line what is wrong with a checkpoint."""
    return WeightsError(
        f"{path} is not a checkpoint that can be read: {_plain(reason)}; it may be damaged: "
        "remove it, and fetch it again"
    )


def _hostile(path: Path) -> WeightsError:
    return WeightsError(
        f"{path} is damaged or hostile: reading it takes more time or memory than a file of its "
        "size may; remove it, and fetch it again"
    )


def _plain(text: str) -> str:
    """Return the beginning of a text that a file may have chosen, without control characters."""
    return "".join(letter for letter in text if letter.isprintable())[:200]
