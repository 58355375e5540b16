"""The images of a data set of the hub, in whatever format it is."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from medigan_hub.dataset import header, manifest
from medigan_hub.errors import RequestError, named, shortened
from medigan_hub.evaluation.sources.base import Item, declared, told
from medigan_hub.evaluation.sources.found import ahead
from medigan_hub.evaluation.sources.samples import Samples
from medigan_hub.files import open_inside
from medigan_hub.hashes import sha256_inside
from medigan_hub.inputs import decoders
from medigan_hub.reading import Reading
from medigan_hub.writers import nifti

MAX_FILE_BYTES = 2**30
"""Of a file, or a member of a shard, that is read as a whole."""


class _File(NamedTuple):
    """Where an image is."""

    path: str
    sha256: str
    member: str | None


class DataSet(Samples):
    """What a finished data set of the hub holds of one output: its images, or their masks.

    Every file is held against the manifest when it is read, as the manifest was against the seal.
    """

    def __init__(
        self, folder: Path, title: str, document: Mapping[str, Any], output: Mapping[str, Any]
    ) -> None:
        super().__init__(title, document, output)
        self._folder = folder
        self._members: dict[str, Mapping[str, tuple[int, int]]] = {}
        self._samples: list[Item] = []
        self._files: list[_File] = []
        for row in manifest.rows(folder, manifest.MANIFEST):
            file = row["files"].get(output["name"])
            if file is not None:
                self._files.append(_File(file["path"], file["sha256"], file.get("member")))
                self._samples.append(_sample(row, self._files[-1]))
        if not self._files or len(self._files) != document.get("count"):
            raise RequestError(f"the manifest of {title} is not whole; see medigan verify {title}")

    @classmethod
    def of(cls, folder: Path, title: str) -> DataSet:
        """Return the images of the data set in a folder.

        Raises
        ------
        RequestError
            It is unfinished or damaged, or holds no images.
        """
        found = header.read(folder)
        if found is None:
            raise RequestError(
                f"{title} holds no data set that can be read: medigan verify {title}"
            )
        if found.document.get("format") == header.CACHE:
            raise RequestError(
                f"{title} is where a data loader keeps samples, and no data set; make one with "
                "medigan generate"
            )
        if not found.seal:
            raise RequestError(
                f"the data set {title} is not finished; go on with the command that made it and "
                f"{named('resume', True)}"
            )
        sums = {header.HEADER: header.digest(found.document)}
        sums[manifest.MANIFEST] = sha256_inside(folder, manifest.MANIFEST) or ""
        for name, digest in sums.items():
            if found.seal.get(name) != digest:
                raise RequestError(
                    f"{name} of {title} is not what was written; see medigan verify {title}"
                )
        outputs = [each for each in found.document.get("outputs", ()) if each["kind"] == "image"]
        if not outputs:
            raise RequestError(f"the data set {title} holds no images; name another one")
        return cls(folder, title, found.document, outputs[0])

    def other(self, output: str) -> DataSet:
        document = self.header or {}
        return DataSet(self._folder, self.title, document, declared(document, output, self.title))

    @property
    def samples(self) -> Sequence[Item]:
        return self._samples

    @cached_property
    def key(self) -> str:
        """SHA-256 of all that decides the images."""
        known = hashlib.sha256(json.dumps(self._output, sort_keys=True).encode())
        for item in self._samples:
            known.update(item.digest.encode() + b"\n")
        return known.hexdigest()

    def arrays(self, start: int) -> Iterator[np.ndarray]:
        yield from ahead(self._read, range(start, len(self._files)))

    def _read(self, place: int) -> np.ndarray:
        file = self._files[place]
        name = file.member or file.path
        content = self._content(file)
        if hashlib.sha256(content).hexdigest() != file.sha256:
            raise RequestError(
                f"{name} of {self.title} is not what was written; see medigan verify {self.title}"
            )
        with decoders.faults_in_words(self._folder / name):
            array = self._decoded(name, content)
        wanted = self._output["shape"]
        if len(wanted) == 4 and array.ndim == 3:
            array = array[np.newaxis]  # which NIfTI does not tell from a slice
        if len(array.shape) != len(wanted) or any(
            side not in (None, found) for side, found in zip(wanted, array.shape, strict=True)
        ):
            raise RequestError(
                f"{name} of {self.title} has the shape {array.shape}, and the data set declares "
                f"{shortened(wanted)}; see medigan verify {self.title}"
            )
        return array

    def _decoded(self, name: str, content: bytes) -> np.ndarray:
        """Return the values in a file as the model made them, whatever is black and white."""
        if name.endswith(".npy"):
            return np.asarray(np.load(io.BytesIO(content), allow_pickle=False))
        if name.endswith(".npz"):
            with np.load(io.BytesIO(content), allow_pickle=False) as held:
                return np.asarray(held[self._output["name"]])
        if name.endswith(".nii.gz"):
            return nifti.array(content)
        if name.endswith(".png"):
            from PIL import Image

            with Image.open(io.BytesIO(content)) as picture:
                pixels = np.asarray(picture)
        else:
            opened = decoders.opened(self._folder / name, Reading())
            pixels = decoders.picture(opened, 0, Reading()).pixels
        return pixels if pixels.ndim > 2 else pixels[:, :, np.newaxis]

    def _content(self, file: _File) -> bytes:
        stream = open_inside(self._folder, file.path)
        if stream is None:
            raise RequestError(
                f"{file.path} of {self.title} is missing; see medigan verify {self.title}"
            )
        with stream:
            if file.member is None:
                return stream.read(MAX_FILE_BYTES)
            place, size = self._within(file, stream)
            stream.seek(place)
            return stream.read(min(size, MAX_FILE_BYTES))

    def _within(self, file: _File, stream: BinaryIO) -> tuple[int, int]:
        """Return where in a shard a member is, and how long."""
        if file.path not in self._members:
            try:
                with tarfile.open(fileobj=stream) as archive:
                    found = {each.name: (each.offset_data, each.size) for each in archive}
            except tarfile.TarError:
                found = {}
            self._members = {file.path: found}  # of one shard at a time
        return self._members[file.path].get(file.member or "", (0, 0))


def _sample(row: manifest.Row, file: _File) -> Item:
    name = file.member or file.path
    inputs = row.get("inputs") or {"": row.get("input")}
    group = next(iter(inputs.values())) or name
    return Item(name, file.sha256, told(row), str(group))
