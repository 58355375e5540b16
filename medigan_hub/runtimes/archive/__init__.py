"""Runs the code that was published with a model, in a process and environment of its own.

A plugin translates a request into calls of the published function. ``run`` has
the archive fetched, asks whether its code may run, makes an environment for what
it depends on, and calls the function; ``outputs_of`` maps what that returned to
the declared outputs. The published code never runs in the hub's process, and
nothing is installed beside the hub.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain, groupby
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from medigan_hub import weights
from medigan_hub.errors import OutputError, PluginError, RequestError
from medigan_hub.metadata import ModelMetadata
from medigan_hub.processes import logs
from medigan_hub.runtimes.archive import environments, permission
from medigan_hub.runtimes.archive.client import Worker, time_limit
from medigan_hub.runtimes.archive.results import Item, outputs_of
from medigan_hub.runtimes.base import Runnable, Runtime
from medigan_hub.samples import GenerationRequest, SampleBatch

__all__ = ["ArchiveRuntime", "Call", "outputs_of", "run"]

BLOCK_SAMPLES = 8
"""Samples that one call of published code makes. Blocks begin at multiples of it, whatever
is asked for, so that a sample stays the same however a job is split."""

PUBLISHED = re.compile(r"models/[^/]+(?:/+(.*))?", re.DOTALL)
"""Paths as medigan's list has them: relative to its own folder of models."""


@dataclass(frozen=True, eq=False)
class Call:
    """One call of the published function."""

    indices: tuple[int, ...]
    """The samples that it makes, in the order in which they are returned."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of JSON's types, which come before the published defaults."""
    images: Mapping[str, Sequence[np.ndarray]] = field(default_factory=dict)
    """By argument: uint8 or uint16, (height, width, 1 or 3). They are written as 8-bit
    PNG files, 000000.png and so on, into a folder whose path is the argument."""
    files: bool = False
    """Whether the argument is rather the list of the files' paths."""
    tensors: Mapping[str, np.ndarray] = field(default_factory=dict)
    """By argument: float32, which arrives as a tensor of PyTorch."""


@runtime_checkable
class Translator(Protocol):
    """A plugin that translates requests into calls of the published function."""

    def archive_calls(self, request: GenerationRequest, indices: Sequence[int]) -> Iterator[Call]:
        """Yield the calls that make some samples."""


class ArchiveRuntime(Runtime):
    """Runs published code, which nothing but its permission lets run."""

    name = "archive"
    title = "the code published with the model"

    @classmethod
    def check(cls, device: str, precision: str) -> None:
        if precision != "float32":
            raise RequestError(f"published code has a precision of its own; leave {precision} out")
        if device == "mps":
            raise RequestError("published code runs on cpu or cuda, not on mps")
        if device.startswith("cuda") and not _has_cuda():
            raise RequestError(f"the device {device} is not available; this machine has cpu")

    def generate(self, plugin: Runnable, request: GenerationRequest) -> Iterator[SampleBatch]:
        if not isinstance(plugin, Translator):
            raise PluginError(
                f"the plugin of {plugin.metadata.name} does not say how its published code is "
                "called; it must build on a class for published models"
            )
        # Of several images in a folder, the code may take any for any sample.
        size = 1 if request.inputs else BLOCK_SAMPLES
        blocks = _blocks(request, size)
        first = list(plugin.archive_calls(request, next(blocks)))  # what can't be asked is told now
        rest = chain.from_iterable(plugin.archive_calls(request, each) for each in blocks)
        calls = chain(first, rest)
        return self._batches(plugin, request, calls, size)

    def _batches(
        self, plugin: Runnable, request: GenerationRequest, calls: Iterable[Call], size: int
    ) -> Iterator[SampleBatch]:
        """Yield made samples in order, each for itself, since they may differ in size."""
        wanted, place = request.indices, 0
        block, made = -1, dict[int, dict[str, np.ndarray]]()
        for call, samples in run(plugin.metadata, request, calls, plugin.folder):
            if call.indices[0] // size != block:
                block, made = call.indices[0] // size, {}
            for index, items in zip(call.indices, samples, strict=True):
                made[index] = outputs_of(plugin.metadata, items)
            while place < len(wanted) and wanted[place] in made:
                index = wanted[place]
                arrays = {name: array[np.newaxis] for name, array in made[index].items()}
                arrays |= {name: each[index][np.newaxis] for name, each in request.inputs.items()}
                arrays |= plugin.labels(request, [index])
                yield SampleBatch(np.array([index], dtype=np.int64), arrays)
                place += 1


def _has_cuda() -> bool:
    """Tell whether a driver for NVIDIA's GPUs is here; the hub itself needs no framework to ask."""
    try:
        ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return False
    return True


def _blocks(request: GenerationRequest, size: int) -> Iterator[range]:
    """Yield the blocks of samples that hold what is asked for."""
    for block, _ in groupby(request.indices, lambda index: index // size):
        members = range(block * size, (block + 1) * size)
        if request.given_latents is not None:
            members = members[: len(request.given_latents) - members.start]
        yield members


def run(
    model: ModelMetadata,
    request: GenerationRequest,
    calls: Iterable[Call],
    plugin: Path | None = None,
) -> Generator[tuple[Call, list[list[Item]]]]:
    """Make some calls in one process, each when it is asked for; yield each with its samples.

    A sample is what the function returned for it: a list of arrays, numbers or
    words. What it draws at random depends on the request's seed and on the
    call's first sample alone. The process, with all that it started, ends with
    the iteration, or with the hub. An archive that is bundled lies in the
    folder of the ``plugin``.

    Raises
    ------
    NetworkError, WeightsError
        The archive can't be fetched, or is not what was published.
    PluginError
        The environment can't be made; or the function fails, doesn't answer in
        time, or returns what is no list of samples.
    RequestError
        Nobody has allowed the published code to run; or the device or a
        setting is not possible.
    """
    if model.archive is None:
        raise PluginError(f"{model.name} has no published code to run")
    limit = time_limit()
    unpacked = _unpacked(model, request, plugin)
    python = environments.environment(model.archive.dependencies, _say)
    with _working_folder() as folder:
        # A copy, since the code may write beside its own files, and what is in the cache
        # must stay as it was published.
        code = folder / "models" / (Path(model.archive.package).name.strip(".") or "package")
        try:
            shutil.copytree(unpacked, code, symlinks=True, copy_function=shutil.copyfile)
        except (OSError, shutil.Error) as error:
            reason = logs.one_line(str(error))
            raise OutputError(
                f"the archive of {model.name} can't be copied to {folder}: {reason}; "
                "TMPDIR may name a folder with more room"
            ) from error
        with Worker(
            model,
            python,
            folder,
            code,
            seed=request.seed,
            device=request.execution.device,
            limit=limit,
        ) as worker:
            for number, call in enumerate(calls):
                place = folder / f"call-{number}"
                place.mkdir()
                message = {
                    "arguments": _arguments(model, call, code, place),
                    "tensors": _tensors(call, place),
                    "seed": f"{request.seed} {call.indices[0]}",
                    "results": str(place / "results"),
                }
                found = worker.call(message, place / "results", len(call.indices))
                shutil.rmtree(place, ignore_errors=True)
                yield call, found


def _unpacked(model: ModelMetadata, request: GenerationRequest, plugin: Path | None) -> Path:
    """Return the folder of the archive's code, once that may run."""
    (file,) = model.weights_for("archive").files
    if plugin is None or file.is_remote:
        permission.check(model, file, request, weights.fetch(model, file).sha256)
        return weights.unpack(model, file=file)
    weights.bundled(model, plugin, file)
    permission.check(model, file, request, file.sha256 or "")
    return weights.unpack(model, plugin, file)


def _arguments(model: ModelMetadata, call: Call, code: Path, place: Path) -> dict[str, Any]:
    """Return the arguments of a call but the tensors; input images are written into ``place``."""
    assert model.archive is not None  # noqa: S101 (for the type checker)
    output = place / "output"
    output.mkdir()
    published = {name: _located(each, code) for name, each in model.archive.arguments.items()}
    return {
        "model_file": str(code / (model.weights_for("archive").files[0].member or "")),
        "num_samples": len(call.indices),
        "output_path": str(output),
        "save_images": False,
        **published,
        **call.arguments,
        **{name: _pictures(call, name, place) for name in call.images},
    }


def _located(value: Any, code: Path) -> Any:
    """Return a default with paths in medigan's folder of models as paths in the archive's copy.

    >>> _located(["models/00004_X/images", 3], Path("/copy"))
    ['/copy/images', 3]
    """
    if isinstance(value, (list, tuple)):
        return [_located(each, code) for each in value]
    found = PUBLISHED.fullmatch(value) if isinstance(value, str) else None
    return str(code / (found[1] or "")) if found else value


def _pictures(call: Call, name: str, place: Path) -> str | list[str]:
    from PIL import Image

    folder = place / "inputs" / name
    folder.mkdir(parents=True)
    paths = []
    for position, image in enumerate(call.images[name]):
        if image.dtype != np.uint8:  # uint16 of the whole range: 65535 becomes 255
            image = np.rint(image / 257).astype(np.uint8)
        path = folder / f"{position:06d}.png"
        Image.fromarray(image[:, :, 0] if image.shape[-1] == 1 else image).save(path)
        paths.append(str(path))
    return paths if call.files else str(folder)


def _tensors(call: Call, place: Path) -> dict[str, str]:
    paths = {name: str(place / f"{name}.npy") for name in call.tensors}
    for name, array in call.tensors.items():
        np.save(paths[name], array.astype(np.float32), allow_pickle=False)
    return paths


@contextmanager
def _working_folder() -> Iterator[Path]:
    """Make a folder for one job, and remove it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="medigan-archive-"))
    owner = os.getpid()
    try:
        yield folder
    finally:
        if os.getpid() == owner:  # not a copy in a process that was forked meanwhile
            shutil.rmtree(folder, ignore_errors=True)


def _say(line: str) -> None:
    if sys.stderr is not None:
        with suppress(OSError, ValueError):
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()
