"""``manifest.jsonl``: the rows of a data set, read with care and put in order.

While it is unfinished, and no seal vouches for it, a row ends with a checksum: the
first 16 digits of the SHA-256 of the data set's header (see ``header.digest``) and
of the line up to there. A row that was changed, or is of another job, shows by it.
That is against accident alone: whoever means to can compute it, too.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np

from medigan_hub.errors import OutputError
from medigan_hub.files import open_inside, replacing

MANIFEST = "manifest.jsonl"
UNFINISHED = "manifest.jsonl.part"
CHECKSUM = "checksum"
MARK = f', "{CHECKSUM}": "'.encode()
MAX_LINE_BYTES = 2**22
"""Bytes in a line; a longer one is no row."""
FEW_ROWS = 100
"""Rows that tell whose a manifest is."""

Row: TypeAlias = "Mapping[str, Any]"


def encode(row: Row, key: str) -> bytes:
    """Return a row as a line of the unfinished manifest.

    ``key`` is the digest of the data set's header.

    Raises
    ------
    OutputError
        Its labels or conditions are too large for a manifest.
    """
    content = json.dumps(row, ensure_ascii=False).encode()[:-1]
    line = content + MARK + _checksum(content, key) + b'"}\n'
    if len(line) > MAX_LINE_BYTES:
        raise OutputError(
            f"sample {row['index']} can't be listed: its row would have {len(line)} bytes, and "
            f"{MAX_LINE_BYTES} are possible; a label can't have so many values"
        )
    return line


def decode(line: bytes) -> Row | None:
    """Return the row in a line; None where it was cut off, or edited into nonsense."""
    try:
        row = json.loads(line)
        files = list(row["files"].values())
        whole = (
            line.endswith(b"\n")
            and files
            and type(row["index"]) is int
            and 0 <= row["index"] < 2**63
            and all(isinstance(file["path"], str) for file in files)
            and all(isinstance(file["sha256"], str) for file in files)
            and all(isinstance(file.get("member", ""), str) for file in files)
            and all(type(file.get("size", 0)) is int for file in files)
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    row.pop(CHECKSUM, None)
    return row if whole else None


def is_whole(line: bytes, key: str) -> bool:
    """Tell whether a line is as ``encode`` made it, for the data set with this digest."""
    content, mark, checksum = line.rpartition(MARK)
    return bool(mark) and checksum == _checksum(content, key) + b'"}\n'


def lines(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a manifest with their places; one that is too long is cut off."""
    place = 0
    while line := stream.readline(MAX_LINE_BYTES):
        yield place, line
        while line and not line.endswith(b"\n"):
            place += len(line)
            line = stream.readline(MAX_LINE_BYTES)
        place += len(line)


def rows(folder: Path, name: str) -> Iterator[Row]:
    """Yield the rows of a manifest that can be read, in the order of the file; it may be missing.

    ``name`` says which; what is read of the unfinished one may not be whole.
    """
    for _, line in _lines(folder, name):
        row = decode(line)
        if row is not None:
            yield row


def whole_rows(folder: Path, name: str, key: str, *, vouched: bool) -> Iterator[Row]:
    """Yield the rows of a manifest that are as they were written.

    Those of the finished one are so if something vouches for it (``vouched``).
    """
    for _, line in _lines(folder, name):
        row = decode(line) if _counts(line, name, key, vouched=vouched) else None
        if row is not None:
            yield row


def is_of(folder: Path, key: str) -> bool:
    """Tell whether a folder's unfinished manifest was written for the data set with this digest."""
    return any(is_whole(line, key) for _, line in islice(_lines(folder, UNFINISHED), FEW_ROWS))


def _lines(folder: Path, name: str) -> Iterator[tuple[int, bytes]]:
    stream = open_inside(folder, name)
    if stream is not None:
        with stream:
            yield from lines(stream)


def _counts(line: bytes, name: str, key: str, *, vouched: bool) -> bool:
    return vouched if name == MANIFEST else is_whole(line, key)


def ordered_rows(
    folder: Path, key: str, names: Sequence[str] = (MANIFEST, UNFINISHED), *, vouched: bool = False
) -> Iterator[Row]:
    """Yield the rows of a folder's manifests that are whole, in the order of the samples.

    Of several rows of a sample the last counts. Only the places of the rows are
    held in memory, so that the manifest may be of any size. See ``whole_rows``.
    """
    streams: list[BinaryIO] = []
    numbers, places, sources = array("q"), array("q"), array("b")
    try:
        for name in names:
            stream = open_inside(folder, name)
            if stream is None:
                continue
            streams.append(stream)
            for place, line in lines(stream):
                if _counts(line, name, key, vouched=vouched):
                    row = decode(line)
                    if row is not None:
                        numbers.append(row["index"])
                        places.append(place)
                        sources.append(len(streams) - 1)
        indices = np.array(numbers, np.int64)
        order = np.argsort(indices, kind="stable")
        last = np.ones(len(order), bool)
        last[:-1] = np.diff(indices[order]) > 0
        for which in order[last]:
            stream = streams[sources[which]]
            stream.seek(places[which])
            row = decode(stream.readline(MAX_LINE_BYTES))
            if row is not None:
                yield row
    finally:
        for stream in streams:
            stream.close()


def rewrite(folder: Path, key: str, wanted: Iterable[Row]) -> list[range]:
    """Make ``wanted``, rows in the order of the samples, the unfinished manifest.

    The finished one stays.

    Returns
    -------
    Which samples those are, as few ranges as say it.
    """
    with replacing(folder / UNFINISHED, durably=True) as stream:

        def written() -> Iterator[int]:
            for row in wanted:
                stream.write(encode(row, key))
                yield row["index"]

        return runs(written())


def runs(indices: Iterable[int]) -> list[range]:
    """Return indices, in order, as few ranges as say it.

    >>> runs([0, 1, 5])
    [range(0, 2), range(5, 6)]
    """
    found: list[range] = []
    for index in indices:
        if found and found[-1].stop == index:
            found[-1] = range(found[-1].start, index + 1)
        else:
            found.append(range(index, index + 1))
    return found


def finish(folder: Path) -> None:
    """Write the finished manifest, without checksums: every sample has its row.

    The unfinished one stays until something vouches for this one.
    """
    with replacing(folder / MANIFEST, durably=True) as stream:
        for _, line in _lines(folder, UNFINISHED):
            stream.write(line.rpartition(MARK)[0] + b"}\n")


def _checksum(content: bytes, key: str) -> bytes:
    return hashlib.sha256(key.encode() + content).hexdigest()[:16].encode()
