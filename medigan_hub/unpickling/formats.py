"""Where in a file its pickle stands, and where the numbers of its tensors.

``torch.save`` writes a zip archive, in which nothing is compressed; up to version
1.5 it wrote pickles one after the other, and the numbers behind them.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterable
from typing import Any, BinaryIO

from medigan_hub.unpickling.machine import ITEM, Machine, Node, Source, UnreadableError

ZIP = b"PK\x03\x04"
LEGACY = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""The first pickle of the old format: a number that PyTorch chose."""
VERSION = 1001
PICKLE = "data.pkl"
HEADER = struct.Struct("<4s22xHH")
"""A file's own header in a zip archive: mark, length of its name, length of what follows."""


def describe(stream: BinaryIO, size: int, classes: Iterable[str]) -> dict[str, Any]:
    """Return what a checkpoint holds, in a form that JSON can hold.

    Parameters
    ----------
    stream
        The file, whose ``size`` is in bytes; its tensors are not read.
    classes
        Full names of the classes that become shells.

    Raises
    ------
    RefusedError, UnreadableError
        As ``Machine`` does, or the file has another format.
    """
    start = stream.read(len(LEGACY))
    if start[: len(ZIP)] == ZIP:
        return _modern(stream, size, classes)
    if start == LEGACY:
        return _legacy(stream, size - len(LEGACY), classes)
    raise UnreadableError("it has none of the formats of torch.save")


def _modern(stream: BinaryIO, size: int, classes: Iterable[str]) -> dict[str, Any]:
    try:
        entries = zipfile.ZipFile(stream).infolist()  # which reads the list alone
    except (
        zipfile.BadZipFile,
        ValueError,
        struct.error,
        OverflowError,
        OSError,
        EOFError,
    ) as error:
        raise UnreadableError("its zip archive is damaged") from error
    except (NotImplementedError, RuntimeError) as error:
        raise UnreadableError("its zip archive is none of torch.save") from error
    parts: dict[str, zipfile.ZipInfo] = {}
    for entry in entries:
        _, _, name = entry.orig_filename.partition("/")
        if parts.setdefault(name, entry) is not entry:
            raise UnreadableError("two parts of it have one name")
    if PICKLE not in parts:
        raise UnreadableError("its zip archive has no data.pkl")
    if "constants.pkl" in parts:
        raise UnreadableError("it is a program of TorchScript")

    def place(name: str) -> tuple[int, int]:
        if name not in parts:
            raise UnreadableError("it lacks the numbers of a tensor")
        return _place(stream, size, parts[name])

    known: dict[str, Node] = {}

    def storage(machine: Machine, key: str, dtype: str) -> Node:
        if key not in known:
            now = stream.tell()
            known[key] = machine.node("bytes in file", *place(f"data/{key}"), dtype)
            stream.seek(now)
        return known[key]

    order = "little"
    if "byteorder" in parts:
        begin, length = place("byteorder")
        stream.seek(begin)
        order = stream.read(min(length, 10)).decode("latin-1")
    begin, length = place(PICKLE)
    stream.seek(begin)
    machine = Machine(Source(stream, length), classes, storage)
    return _packed(machine, machine.load(), order)


def _place(stream: BinaryIO, size: int, entry: zipfile.ZipInfo) -> tuple[int, int]:
    """Return where what a zip archive has under a name begins, and how long it is."""
    if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 0x41:
        raise UnreadableError("it is compressed or encrypted, which torch.save never does")
    if entry.compress_size != entry.file_size or not 0 <= entry.header_offset <= size - HEADER.size:
        raise UnreadableError("its zip archive is damaged")
    stream.seek(entry.header_offset)
    mark, name, extra = HEADER.unpack(stream.read(HEADER.size))
    begin = entry.header_offset + HEADER.size + name + extra
    if mark != ZIP or begin + entry.file_size > size:
        raise UnreadableError("its zip archive is damaged")
    return begin, entry.file_size


def _legacy(stream: BinaryIO, left: int, classes: Iterable[str]) -> dict[str, Any]:
    known: dict[str, Node] = {}
    source = Source(stream, left)

    def storage(machine: Machine, key: str, dtype: str) -> Node:
        if key not in known:
            known[key] = machine.node("bytes in file", 0, 0, dtype)
        return known[key]

    machine = Machine(source, classes, storage)
    if machine.load() != VERSION:
        raise UnreadableError("it has an unknown version of its format")
    machine.load()  # about the system that it was saved on
    result = machine.load()
    keys = machine.load()
    if not (isinstance(keys, Node) and keys.kind == "list"):
        raise UnreadableError("it has no list of what its tensors are made of")
    for key in keys.parts:
        node = known.pop(str(key) if isinstance(key, int) else machine.word(key), None)
        if node is None:
            raise UnreadableError("it has numbers of no tensor")
        (count,) = struct.unpack("<q", source.read(8))
        node.parts[:2] = stream.tell(), count * ITEM[node.parts[2]]
        source.skip(node.parts[1])
    return _packed(machine, result, "little")


def _packed(machine: Machine, result: Any, order: str) -> dict[str, Any]:
    """Return the nodes that a result is made of, in the order in which they were made."""
    if order not in ("little", "big"):
        raise UnreadableError("it has numbers of an unknown byte order")
    needed: set[int] = set()
    waiting = [result]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Node) and value.place not in needed:
            needed.add(value.place)
            waiting += value.parts
    kept = [machine.nodes[place] for place in sorted(needed)]
    places = {node.place: place for place, node in enumerate(kept)}

    def packed(value: Any) -> Any:
        if isinstance(value, Node):
            return [places[value.place]]
        return value

    nodes = [[node.kind, *map(packed, node.parts)] for node in kept]
    return {"nodes": nodes, "result": packed(result), "order": order}
