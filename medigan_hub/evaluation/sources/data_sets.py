"""The images of a data set of the hub, in whatever format it is."""

from __future__ import annotations

import hashlib
import io
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from medigan_hub import inputs
from medigan_hub.dataset import header, manifest
from medigan_hub.errors import RequestError, named
from medigan_hub.evaluation.sources.base import ImageSet, Item, shown
from medigan_hub.evaluation.sources.found import ahead
from medigan_hub.files import open_inside

MAX_FILE_BYTES = 2**30
"""Of a file, or a member of a shard, that is read as a whole."""


class DataSet(ImageSet):
    """What a finished data set of the hub holds of its first image output.

    Every file is held against the manifest when it is read.
    """

    is_synthetic = True

    def __init__(
        self, folder: Path, title: str, document: Mapping[str, Any], output: Mapping[str, Any]
    ) -> None:
        self.title = title
        self.facts = {
            key: document.get(key) for key in ("model", "version", "seed", "weights_sha256")
        }
        self._folder = folder
        self._output = output
        self._rows = list(manifest.rows(folder, manifest.MANIFEST))
        count = document.get("count")
        if len(self._rows) != count or any(
            output["name"] not in row["files"] for row in self._rows
        ):
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
        if not found.seal:
            raise RequestError(
                f"the data set {title} is not finished; go on with the command that made it and "
                f"{named('resume', True)}"
            )
        outputs = [each for each in found.document.get("outputs", ()) if each["kind"] == "image"]
        if not outputs:
            raise RequestError(f"the data set {title} holds no images; name another one")
        return cls(folder, title, found.document, outputs[0])

    @cached_property
    def items(self) -> Sequence[Item]:
        """What is known of each image, without reading it."""
        return [self._item(row) for row in self._rows]

    def _item(self, row: manifest.Row) -> Item:
        file = row["files"][self._output["name"]]
        told = {**row.get("conditions", {}), **row.get("labels", {})}
        facts = {key: str(value) for key, value in told.items() if np.ndim(value) == 0}
        if row.get("split") is not None:
            facts["split"] = str(row["split"])
        given = row.get("input")
        if isinstance(given, str):
            facts["input"] = given
            if row.get("frame") is not None:
                facts["frame"] = str(row["frame"])
        name = file.get("member") or file["path"]
        return Item(name, file["sha256"], facts, group=name if given is None else str(given))

    @cached_property
    def key(self) -> str:
        """SHA-256 of all that decides the images."""
        told = hashlib.sha256(str(self._output["name"]).encode())
        for item in self.items:
            told.update(item.digest.encode() + b"\n")
        return told.hexdigest()

    def images(self, start: int = 0) -> Iterator[np.ndarray]:
        yield from ahead(self._read, range(start, len(self._rows)))

    def spacing(self, place: int) -> tuple[float, float] | None:
        declared = self._output.get("spacing_mm")
        return (declared[0], declared[1]) if declared and len(declared) == 2 else None

    def _read(self, place: int) -> np.ndarray:
        file = self._rows[place]["files"][self._output["name"]]
        name = file["path"]
        content = self._content(file)
        if hashlib.sha256(content).hexdigest() != file["sha256"]:
            raise RequestError(
                f"{name} of {self.title} is not what was written; see medigan verify {self.title}"
            )
        suffix = (file.get("member") or name).partition(".")[2].rpartition(".")[2]
        if name.endswith(".npz") or suffix == "npy":
            with np.load(io.BytesIO(content), allow_pickle=False) as held:
                array = held if isinstance(held, np.ndarray) else held[self._output["name"]]
                return shown(array, self._output["range"])
        # Decoders read files.
        with tempfile.NamedTemporaryFile(suffix=f".{suffix}") as stream:
            stream.write(content)
            stream.flush()
            return inputs.read(stream.name)

    def _content(self, file: Mapping[str, Any]) -> bytes:
        stream = open_inside(self._folder, file["path"])
        if stream is None:
            raise RequestError(
                f"{file['path']} of {self.title} is missing; see medigan verify {self.title}"
            )
        with stream:
            if "member" not in file:
                return stream.read(MAX_FILE_BYTES)
            with tarfile.open(fileobj=stream) as archive:
                held = archive.extractfile(file["member"])
                assert held is not None  # noqa: S101
                return held.read(MAX_FILE_BYTES)
