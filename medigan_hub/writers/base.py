"""What writes the samples of a job in one file format: the contract, and what all formats share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import numpy as np

from medigan_hub.errors import OutputError
from medigan_hub.files import check_replaceable, inside, write_atomically
from medigan_hub.hashes import sha256_inside
from medigan_hub.metadata import Output
from medigan_hub.samples import GenerationRequest


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
    unit: ClassVar[str] = "array"
    """What a file holds: an ``array``, a ``sample``, or a ``shard`` of several samples. The
    constructor of a format of shards takes ``shard_size``, how many, as well."""

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
            and ``labels``, ``conditions``, ``input``, ``split`` and so on where there are any;
            ``spacing_mm`` of rows and columns is the input's.

        Several arrays may share one file: then each is given the same object.
        """

    def spacing(
        self, name: str, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]
    ) -> Sequence[float] | None:
        """Return the distance of rows and columns in mm that an array has from its input's file.

        None where that is not known, or the array does not have the input's size.
        """
        model = self.request.metadata
        given = [arrays[entry.name] for entry in model.inputs if entry.name in arrays]
        if "spacing_mm" not in facts or not given or arrays[name].ndim != 3:
            return None
        free = any(
            output.name == name and output.shape[:2] == (None, None) and output.spacing is None
            for output in model.outputs
        )
        is_input = any(entry.name == name for entry in model.inputs)
        if (free or is_input) and arrays[name].shape[:2] == given[0].shape[:2]:
            return list(facts["spacing_mm"])
        return None

    def levels(self, name: str, array: np.ndarray) -> tuple[float, float] | None:
        """Return what is black and white in an image of a sample; None in a mask, where nothing is.

        An output says so in the metadata; an input uses all of its type.
        """
        for output in self.request.metadata.outputs:
            if output.name == name:
                return output.range if output.kind == "image" else None
        return 0, np.iinfo(array.dtype).max

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
