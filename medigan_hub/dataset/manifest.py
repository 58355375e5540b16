"""``manifest.jsonl``: the rows of a data set, read with care and put in order."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from medigan_hub.files import replacing

MANIFEST = "manifest.jsonl"
UNFINISHED = "manifest.jsonl.part"

Row: TypeAlias = "Mapping[str, Any]"


def encode(row: Row) -> bytes:
    """Return a row as a line of the manifest."""
    return (json.dumps(row, ensure_ascii=False) + "\n").encode()


def decode(line: bytes) -> Row | None:
    """Return the row in a line; None where it was cut off, or edited into nonsense."""
    try:
        row = json.loads(line)
        files = list(row["files"].values())
        whole = (
            line.endswith(b"\n")
            and files
            and isinstance(row["index"], int)
            and row["index"] >= 0
            and all(isinstance(file["path"], str) for file in files)
            and all(isinstance(file["sha256"], str) for file in files)
            and all(isinstance(file.get("member", ""), str) for file in files)
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return row if whole else None


def rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a file that can be read, in the order of the file; it may be missing."""
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        return
    with stream:
        for line in stream:
            row = decode(line)
            if row is not None:
                yield row


def ordered_rows(folder: Path, names: Sequence[str] = (MANIFEST, UNFINISHED)) -> Iterator[Row]:
    """Yield what a folder's manifests hold, finished or not, in the order of the samples.

    Of several rows of a sample the last counts. Only the places of the rows
    are held in memory, so that the manifest may be of any size.
    """
    streams = []
    numbers, places, sources = array("q"), array("q"), array("b")
    try:
        for name in names:
            try:
                stream = (folder / name).open("rb")
            except FileNotFoundError:
                continue
            streams.append(stream)
            place = 0
            for line in stream:
                row = decode(line)
                if row is not None and row["index"] < 2**63:
                    numbers.append(row["index"])
                    places.append(place)
                    sources.append(len(streams) - 1)
                place += len(line)
        indices = np.array(numbers, np.int64)
        order = np.argsort(indices, kind="stable")
        last = np.ones(len(order), bool)
        last[:-1] = np.diff(indices[order]) > 0
        for which in order[last]:
            stream = streams[sources[which]]
            stream.seek(places[which])
            row = decode(stream.readline())
            if row is not None:
                yield row
    finally:
        for stream in streams:
            stream.close()


def rewrite(folder: Path, wanted: Iterable[Row]) -> list[range]:
    """Make ``wanted``, rows in the order of the samples, the unfinished manifest.

    Returns
    -------
    Which samples those are, as few ranges as say it.
    """
    kept: list[range] = []
    with replacing(folder / UNFINISHED, durably=True) as stream:
        for row in wanted:
            stream.write(encode(row))
            index = row["index"]
            if kept and kept[-1].stop == index:
                kept[-1] = range(kept[-1].start, index + 1)
            else:
                kept.append(range(index, index + 1))
    (folder / MANIFEST).unlink(missing_ok=True)
    return kept


def finish(folder: Path) -> None:
    """Give the manifest its name: every sample has its row."""
    (folder / UNFINISHED).replace(folder / MANIFEST)
