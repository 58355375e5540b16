"""Data set formats: one file each, all found through the hook ``register_writers``."""

from __future__ import annotations

import re
import stat
import sys
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import numpy as np

from medigan_hub import plugins
from medigan_hub.errors import HubWarning, OutputError, RequestError, shortened
from medigan_hub.files import inside, sha256_inside, write_atomically
from medigan_hub.hookspecs import hookimpl
from medigan_hub.metadata import Input, Output
from medigan_hub.samples import GenerationRequest, SampleBatch

FORMAT = re.compile(r"[a-z][a-z0-9]*([-_.][a-z0-9]+)*")
"""Names that a format may have."""


@dataclass(frozen=True)
class EncodedFile:
    """A file of a data set, or a member of one, ready to be stored."""

    path: str
    """Relative to the data set's folder, with forward slashes."""
    content: bytes
    member: str | None = None
    """Name inside the file, where that is an archive of several samples."""


class Writer(ABC):
    """Writes the samples of one job, in one format, into one folder.

    A format says what it can hold, and turns a sample into files. Those must
    depend on the job and the sample alone, so that the same job makes the same
    bytes, and each must say that it is synthetic (see ``provenance``).
    """

    format: ClassVar[str]
    """Name of the format, as a caller asks for it."""
    holds: ClassVar[str]
    """What the format can hold, in words: "8-bit images of 1 or 3 channels"."""

    def __init__(self, folder: Path, request: GenerationRequest) -> None:
        """Get ready; a format whose library is not installed says so here."""
        self.folder = folder
        self.request = request

    @classmethod
    @abstractmethod
    def can_hold(cls, array: Output) -> bool:
        """Tell whether the format can hold an image or a mask without losing anything.

        An input that samples are made from is asked about as if it was an output.
        """

    @abstractmethod
    def encode(
        self, index: int, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]
    ) -> Mapping[str, EncodedFile]:
        """Return the file of each image, mask and input of one sample.

        Called on several threads at a time; nothing is stored yet.

        Parameters
        ----------
        arrays
            By name, without the first axis: (height, width, channels) or
            (depth, height, width, channels).
        facts
            What the manifest says of the sample beside its files: ``index``,
            and ``labels``, ``conditions`` and ``input`` where there are any.

        Several arrays may share one file: then each is given the same object.
        """

    def store(self, index: int, files: Sequence[EncodedFile]) -> None:
        """Store the files of one sample, each so that it appears under its name when complete.

        Called in the order of the samples, on one thread.
        """
        for file in files:
            write_atomically(self._place(file.path), file.content)

    def _place(self, path: str) -> Path:
        """Return where a file of the data set goes, and make the folders that it lies in there.

        Links must not lead out of the data set's folder.
        """
        place = inside(self.folder, path)
        if place is None:
            raise OutputError(f"{self.folder / path} lies outside {self.folder}; remove the link")
        check_replaceable(place)
        # Not the data set's folder itself: where that is missing, somebody moved it away.
        for parent in reversed(PurePosixPath(path).parents[:-1]):
            inner = self.folder / parent
            if not inner.is_dir():
                if inner.exists():
                    raise OutputError(f"{inner} is a file in the place of a folder; remove it")
                inner.mkdir(exist_ok=True)
        return place

    def close(self) -> None:  # noqa: B027 (most formats leave nothing open)
        """Close what ``store`` left open; there may be more samples to come in a later run."""

    def keep(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """Yield those rows of an earlier run's manifest whose files are there, and whole.

        Called before the first ``store``, with the rows in the order of the samples.
        """
        rows = iter(rows)
        with ThreadPoolExecutor() as threads:
            while some := list(islice(rows, 256)):
                for row, whole in zip(some, threads.map(self._is_whole, some), strict=True):
                    if whole:
                        yield row

    def _is_whole(self, row: Mapping[str, Any]) -> bool:
        files = {(file["path"], file["sha256"]) for file in row["files"].values()}
        return all(sha256_inside(self.folder, name) == expected for name, expected in files)


def check_replaceable(place: Path) -> None:
    """Make sure that a file can be written in a place: what is there, if anything, is a file.

    Raises
    ------
    OutputError
        It is a link, a folder or the like, which nothing of the hub made.
    """
    try:
        mode = place.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFLNK: "link", stat.S_IFDIR: "folder", stat.S_IFIFO: "pipe"}
        kind = kinds.get(stat.S_IFMT(mode), "device")
        raise OutputError(f"{place} is a {kind} in the place of a file; remove it")


@hookimpl
def register_writers() -> Iterable[type[Writer]]:
    """Register the formats that the hub itself brings."""
    from medigan_hub.writers.dicom import DicomWriter
    from medigan_hub.writers.nifti import NiftiWriter
    from medigan_hub.writers.npz import NpzWriter
    from medigan_hub.writers.png import PngWriter
    from medigan_hub.writers.webdataset import WebdatasetWriter

    return [PngWriter, NpzWriter, NiftiWriter, DicomWriter, WebdatasetWriter]


def names() -> list[str]:
    """Return the names of all formats: the hub's own, then those of extensions.

    >>> names()[:2]
    ['png', 'npz']
    """
    return list(_known())


def able(request: GenerationRequest) -> list[str]:
    """Return the names of the formats that can hold the samples of a job, ordered as ``names``.

    Inputs count as far as they are known: those that the caller gave, or that
    came with the weights. What a plugin makes itself is checked when it is written.
    """
    return _able(_arrays(request))


def find(format_name: str, request: GenerationRequest) -> type[Writer]:
    """Return the writer of a format that can hold the samples of a job.

    Raises
    ------
    RequestError
        There is no such format, or it can't hold them; the message lists
        those that can.
    """
    known = _known()
    if format_name not in known:
        raise RequestError(f"there is no format {format_name!r}; use {_either(known)}")
    _check(known[format_name], _arrays(request), request)
    return known[format_name]


def check_inputs(writer: type[Writer], request: GenerationRequest, batch: SampleBatch) -> None:
    """Make sure that a format can hold the inputs that a plugin made itself, as they came.

    Raises
    ------
    RequestError
        It can't; the message lists the formats that can.
    """
    arrays = [
        _as_output(entry, str(batch.arrays[entry.name].dtype))
        for entry in request.metadata.inputs
        if entry.name in batch.arrays
    ]
    _check(writer, arrays, request)


def _known() -> dict[str, type[Writer]]:
    known: dict[str, type[Writer]] = {}
    for distribution, hooks in plugins.extensions(sys.modules[__name__]):
        for writer in plugins.handed_over(distribution, hooks.register_writers):
            fault = _fault(writer, known)
            if fault is None:
                known[writer.format] = writer
            else:
                words = f"extension {distribution} offers {shortened(writer)}: {fault}"
                warnings.warn(f"{words}; tell its authors", HubWarning, stacklevel=1)
    return known


def _fault(writer: Any, known: Mapping[str, type[Writer]]) -> str | None:
    """Say why what an extension offers is no further format; None where it is one."""
    if not (isinstance(writer, type) and issubclass(writer, Writer)):
        return "it is no subclass of Writer"
    name = getattr(writer, "format", None)
    if not isinstance(name, str) or FORMAT.fullmatch(name) is None:
        return f"its format is called {shortened(name)!r}; a name is lower case, as png is"
    if not isinstance(getattr(writer, "holds", None), str):
        return "it does not say what it holds"
    if known.get(name, writer) is not writer:
        return f"the format {name} is there already"
    return None


def _arrays(request: GenerationRequest) -> list[Output]:
    """Return the images, masks and known inputs that a sample of a job has."""
    arrays = [output for output in request.metadata.outputs if output.kind != "label"]
    for entry in request.metadata.inputs:
        if entry.name in request.inputs:
            arrays += [
                _as_output(entry, each) for each in sorted(request.inputs[entry.name].dtypes)
            ]
    return arrays


def _able(arrays: Sequence[Output]) -> list[str]:
    return [name for name, writer in _known().items() if all(map(writer.can_hold, arrays))]


def _check(writer: type[Writer], arrays: Sequence[Output], request: GenerationRequest) -> None:
    for array in arrays:
        if not writer.can_hold(array):
            others = _able(arrays)
            shape = " x ".join("any" if size is None else str(size) for size in array.shape)
            raise RequestError(
                f"{writer.format} can't hold the {array.name} of {request.metadata.name}, "
                f"{array.dtype} of {shape}: it holds {writer.holds}; "
                + (f"use {_either(others)}" if others else "no other format does either")
            )


def _as_output(entry: Input, dtype: str) -> Output:
    """Return an input as if it was an output, as it is written like one."""
    shape = (None, None, len(entry.channels))
    return Output(entry.name, entry.kind, shape, dtype, (0, np.iinfo(dtype).max))


def _either(names: Iterable[str]) -> str:
    *rest, last = sorted(names)
    return f"{', '.join(rest)} or {last}" if rest else last
