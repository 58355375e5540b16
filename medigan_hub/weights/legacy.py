"""Whole modules in checkpoints as PyTorch wrote them up to version 1.5.

They name the class of a module by a persistent id, ``("module", class, file,
source)``, which PyTorch reads only where it may run code. Here it becomes a
call of ``class_of`` with the same four things, so that a class is all that
is named.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from medigan_hub.errors import WeightsError

MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""The first of the pickles that such a file begins with: a number that PyTorch chose."""
PICKLES = 4
"""Pickles up to and with that of the objects: number, version, system, objects."""
NAME = "medigan_hub.weights.legacy.class_of"


def class_of(*parts: Any) -> Any:
    """Return the class of a module's persistent id."""
    return parts[1]


CLASSES: dict[str, Callable[..., Any]] = {NAME: class_of}


def rewritten(path: Path) -> io.BytesIO | None:
    """Return a checkpoint with its modules' ids as calls of ``class_of``, or None if it has none.

    Raises
    ------
    WeightsError
        The file is damaged.
    """
    with path.open("rb") as stream:
        if stream.read(len(MAGIC)) != MAGIC:
            return None
        stream.seek(0)
        content = stream.read()
    source = io.BytesIO(content)
    try:
        for _ in range(PICKLES - 1):
            for _ in pickletools.genops(source):
                pass
        start = source.tell()
        edits = _edits(source)
    except Exception as error:  # pickletools raises many, for bytes that are no pickle
        raise WeightsError("its pickle is damaged") from error
    if not edits:
        return None
    result, done = io.BytesIO(), 0
    for position, removed, added in edits:
        result.write(content[done : start + position])
        result.write(added)
        done = start + position + removed
    result.write(content[done:])
    result.seek(0)
    return result


def _edits(source: io.BytesIO) -> list[tuple[int, int, bytes]]:
    """Return where a pickle is to be changed: position, bytes to remove, bytes to add."""
    module, _, name = NAME.rpartition(".")
    call = f"c{module}\n{name}\n".encode()
    edits: list[tuple[int, int, bytes]] = []
    marks: list[int] = []
    words: dict[int, Any] = {}  # what the pickle keeps to use again, where it is a word
    first: dict[int, Any] = {}  # what follows on a mark
    last: Any = None
    closed = -1  # mark of the last tuple, if nothing came after it
    begin = source.tell()
    argument: Any
    for code, argument, place in pickletools.genops(source):
        position = (place or 0) - begin
        word = argument if "UNICODE" in code.name or "STRING" in code.name else None
        if code.name in ("BINGET", "LONG_BINGET"):
            word = words.get(argument)
        if marks and marks[-1] not in first and code.name not in ("BINPUT", "LONG_BINPUT"):
            first[marks[-1]] = word
        if code.name == "MARK":
            marks.append(position)
        elif pickletools.markobject in code.stack_before and marks:
            mark = marks.pop()
            closed = mark if code.name == "TUPLE" else -1
            word = None
        elif code.name in ("BINPUT", "LONG_BINPUT"):
            if isinstance(last, (str, bytes)):
                words[argument] = last
            continue
        elif code.name == "BINPERSID":
            if closed >= 0 and first.get(closed) in ("module", b"module"):
                edits += [(closed, 0, call), (position, 1, b"R")]
            closed = -1
        else:
            closed = -1
        last = word
    return sorted(edits)
