"""ONNX graphs: whether all that one needs is in its file, found without ONNX.

A tensor of a graph may name another file, or an address in memory, that its numbers
are taken from. Such a file is in no checksum, and may be any; so a graph is taken
whole or not at all. What is read here is the structure of protocol buffers, of which
a file in this format consists.
"""

from __future__ import annotations

import mmap
from pathlib import Path

MAX_FIELDS = 1_000_000
FIELDS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
"""Parts of each kind of part that tensors may lie in, by their numbers in ``onnx.proto``."""
OUTSIDE, PLACE = 13, 14
"""Of a tensor: where outside of the file its numbers are, and that they are there."""
_NUMBER, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5


def graph_fault(path: Path) -> str | None:
    """Say why a graph is not to be loaded, or None.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "x.onnx"
    ...     _ = path.write_bytes(bytes([0x3A, 6, 0x2A, 4, 0x70, 1, 0x10, 1]))
    ...     graph_fault(path)
    'its weights are in another file; save it as one: onnx.save(..., save_as_external_data=False)'
    """
    if path.stat().st_size == 0:
        return "it is empty"
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        try:
            inside = _is_whole(whole)
        except (IndexError, ValueError):
            return "it is damaged"
    if inside:
        return None
    return (
        "its weights are in another file; save it as one: "
        "onnx.save(..., save_as_external_data=False)"
    )


def _is_whole(content: mmap.mmap) -> bool:
    waiting = [("model", 0, len(content))]
    left = MAX_FIELDS
    while waiting:
        kind, place, end = waiting.pop()
        while place < end:
            left -= 1
            key, place = _number(content, place)
            if left < 0 or key >= 2**32:
                raise ValueError
            field, form = key >> 3, key & 7
            if form == _BYTES:
                length, place = _number(content, place)
                if place + length > end:
                    raise ValueError
                if kind == "tensor" and field == OUTSIDE:
                    return False
                if field in FIELDS[kind]:
                    waiting.append((FIELDS[kind][field], place, place + length))
                place += length
            elif form == _NUMBER:
                value, place = _number(content, place)
                if kind == "tensor" and field == PLACE and value:
                    return False
            elif form in (_EIGHT, _FOUR):
                place += 8 if form == _EIGHT else 4
            else:  # which no writer of this format uses
                raise ValueError
        if place != end:
            raise ValueError
    return True


def _number(content: mmap.mmap, place: int) -> tuple[int, int]:
    """Return a whole number of seven bits a byte, and where what follows it begins."""
    value = 0
    for step in range(10):
        byte = content[place + step]
        value |= (byte & 0x7F) << 7 * step
        if byte < 0x80:
            return value, place + step + 1
    raise ValueError
