"""WebDataset: tar files of many samples each, which training jobs read from front to back.

A sample's members share its number as their key: ``000003.image.png``, and
``000003.json`` with what the manifest says of it. An unfinished shard is
``000000.tar.part``.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from medigan_hub import provenance
from medigan_hub.files import PART, open_inside
from medigan_hub.metadata import Output
from medigan_hub.samples import GenerationRequest
from medigan_hub.writers import png, shards
from medigan_hub.writers.base import EncodedFile, Writer

FACTS = "_facts"
"""Name in the manifest of the member with a sample's facts; no output's begins so."""


class WebdatasetWriter(Writer):
    """Arrays are PNG where that can hold them, and ``.npy`` otherwise."""

    format = "webdataset"
    holds = "every array"
    unit = "shard"

    def __init__(self, folder: Path, request: GenerationRequest, shard_size: int) -> None:
        super().__init__(folder, request)
        self._size = shard_size
        self._first, self._end = request.indices[0], request.indices[-1] + 1
        self._shard: tuple[Path, BinaryIO] | None = None
        self._ends: dict[Path, int] = {}
        """Where the kept part of an unfinished shard ends, in bytes."""

    @classmethod
    def can_hold(cls, array: Output) -> bool:
        return True

    def encode(
        self, index: int, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]
    ) -> Mapping[str, EncodedFile]:
        shard = _name(index // self._size)
        files = {}
        words = {}
        for name, array in arrays.items():
            words[name] = provenance.sample_text(self.request, index, name)
            fits = array.ndim == 3 and (str(array.dtype), array.shape[-1]) in png.FITTING
            levels = self.levels(name, array) if fits else None
            content = png.encode(array, words[name], levels) if fits else _npy(array)
            member = f"{index:06d}.{name}.{'png' if fits else 'npy'}"
            files[name] = EncodedFile(shard, content, member)
        text = json.dumps({**facts, "arrays": words}, ensure_ascii=False)
        files[FACTS] = EncodedFile(shard, text.encode(), f"{index:06d}.json")
        return files

    def store(self, index: int, files: Sequence[EncodedFile]) -> None:
        path = self._place(files[0].path)
        if self._shard is None or self._shard[0] != path:
            self.close()
            self._shard = path, self._open(path)
        stream = self._shard[1]
        for file in files:
            stream.write(shards.entry(file.member or "", file.content))
        stream.flush()
        if index + 1 == self._stop(index // self._size):
            _complete(stream, path)
            self._shard = None

    def close(self) -> None:
        if self._shard is not None:
            self._shard[1].close()
            self._shard = None

    def keep(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """Yield the samples that each shard begins with, and cut off what follows them.

        A shard is written from front to back, so that one which is damaged in
        its middle loses what comes after.
        """
        for number, group in groupby(rows, key=lambda row: row["index"] // self._size):
            path, part = self._place(_name(number)), self._place(_name(number) + PART)
            if path.exists():
                path.replace(part)
            opened = open_inside(self.folder, _name(number) + PART)
            if opened is None:
                continue
            following, end = max(number * self._size, self._first), 0
            with opened as stream:
                members = shards.members(stream)
                for row in group:
                    expected = [
                        (file["path"], file.get("member"), file["sha256"])
                        for file in row["files"].values()
                    ]
                    found = list(islice(members, len(expected)))
                    present = [(_name(number), member.name, member.sha256) for member in found]
                    if row["index"] != following or present != expected:
                        break
                    following, end = following + 1, found[-1].end
                    yield row
            self._ends[path] = end
            if following == self._stop(number):
                with self._open(path) as stream:
                    _complete(stream, path)

    def _open(self, path: Path) -> BinaryIO:
        """Open an unfinished shard after what was kept of it."""
        part = self._place(f"shards/{path.name}{PART}")
        end = self._ends.get(path, 0)
        # Bytes are added to the end, wherever that is: somebody else's cut shows in the size.
        stream = part.open("ab")
        stream.truncate(end)
        return stream

    def _stop(self, number: int) -> int:
        """Return the index after the last sample of a shard."""
        return min((number + 1) * self._size, self._end)


def _name(number: int) -> str:
    return f"shards/{number:06d}.tar"


def _part(path: Path) -> Path:
    return path.with_name(path.name + PART)


def _complete(stream: BinaryIO, path: Path) -> None:
    """End a shard as tar files end, and give it its name."""
    stream.write(shards.END)
    stream.close()
    _part(path).replace(path)


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()
