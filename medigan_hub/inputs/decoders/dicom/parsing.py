"""The header of a DICOM file, and where its pixels lie: nothing else of it is taken into memory.

Source: DICOM PS3.5, section 7 and annex A; PS3.10, section 7.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from medigan_hub.inputs.decoders.dicom.elements import DataSet, Element, Fault, tag_of, usual_vr

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
NATIVE = frozenset((IMPLICIT, EXPLICIT, DEFLATED, BIG_ENDIAN))
"""Transfer syntaxes in which pixels lie as they are."""
MEDIA_CLASS, TRANSFER_SYNTAX = 0x00020002, 0x00020010
PIXELS = frozenset((0x7FE00008, 0x7FE00009, 0x7FE00010))
"""Elements with pixels: of 4 and of 8 bytes in floating point, and whole numbers."""
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
UNDEFINED = 0xFFFFFFFF
LONG_VRS = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"))
"""Types of elements that state their length in four bytes."""
SHORT_VRS = frozenset(
    (
        *("AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO"),
        *("LT", "PN", "SH", "SL", "SS", "ST", "TM", "UI", "UL", "US"),
    )
)

MAX_DEPTH = 32
"""Of sequences within each other."""
MAX_ELEMENTS = 500_000
MAX_INFLATED_BYTES = 64 * 2**20
"""Of a file that is compressed as a whole."""


@dataclass(frozen=True)
class Body:
    """Where the pixels lie in a file, in bytes."""

    tag: int
    vr: str
    offset: int
    length: int
    fragments: tuple[tuple[int, int], ...] | None = None
    """Offset and length of each piece, where they are compressed; the first is a table."""


@dataclass(frozen=True)
class Header:
    """What a file says of itself, and where its pixels are."""

    syntax: str
    """UID of the transfer syntax, or empty."""
    media: str
    """UID of what the file holds, as its first part has it, or empty."""
    elements: DataSet
    body: Body | None


class Source(NamedTuple):
    """An open file, at the beginning of its data set."""

    stream: BinaryIO
    size: int
    syntax: str
    media: str


def begins(start: bytes) -> bool:
    """Tell whether a file has DICOM's mark, or else begins with two elements of a DICOM header.

    >>> begins(bytes.fromhex("0800050043530000 0800080043530000"))
    True
    >>> begins(b"Dear colleague, here is the image.")
    False
    """
    if start[128:132] == b"DICM":
        return True
    for order, implicit in (("<", False), ("<", True), (">", False)):
        reader = _Reader(io.BytesIO(start), len(start))
        try:
            first, vr, length = reader.head(order, implicit)
            if first >> 16 not in (2, 8) or first & 0xFFFF > 0xFF or length > 128:
                continue
            reader.skip(length)
            second, next_vr, _ = reader.head(order, implicit)
        except Fault:
            continue
        if first < second < 0x00110000 and (implicit or {vr, next_vr} <= LONG_VRS | SHORT_VRS):
            return True
    return False


@contextmanager
def opened(path: Path) -> Iterator[Source]:
    """Open a file; one that is compressed as a whole is as if it were not.

    Raises
    ------
    Fault
        It is damaged.
    """
    with path.open("rb") as stream:
        size = path.stat().st_size
        syntax, media = _Reader(stream, size).uids()
        if syntax == DEFLATED:
            inflated = _inflated(stream.read())
            yield Source(io.BytesIO(inflated), len(inflated), syntax, media)
        else:
            yield Source(stream, size, syntax, media)


def header_of(path: Path, wanted: Iterable[str]) -> Header:
    """Return those elements of a file that have one of the keywords, also within sequences.

    Raises
    ------
    Fault
        It is damaged.
    """
    with opened(path) as (stream, size, syntax, media):
        reader = _Reader(stream, size, frozenset(map(tag_of, wanted)))
        return Header(syntax, media, reader.data_set(size), reader.body)


def _inflated(content: bytes) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inflated = inflater.decompress(content, MAX_INFLATED_BYTES)
    except zlib.error as error:
        raise Fault(f"is damaged: {error}") from None
    if inflater.unconsumed_tail:
        most = MAX_INFLATED_BYTES // 2**20
        raise Fault(f"is compressed as a whole, to more than {most} MiB; save it otherwise")
    if not inflater.eof:
        raise Fault("is damaged: it is cut off")
    return inflated


class _Reader:
    """Goes through a file from element to element, and takes up those that are wanted."""

    def __init__(self, stream: BinaryIO, size: int, wanted: frozenset[int] = frozenset()) -> None:
        self._stream = stream
        self._size = size
        self._wanted = wanted
        self._left = MAX_ELEMENTS
        self.body: Body | None = None

    def uids(self) -> tuple[str, str]:
        """Go past what precedes the data set; return the transfer syntax, and the class of it."""
        start = self._stream.read(132)
        self._stream.seek(132 if start[128:] == b"DICM" else 0)
        found = {TRANSFER_SYNTAX: "", MEDIA_CLASS: ""}
        implicit = not self._is_explicit()
        while self._size - self._stream.tell() >= 8:
            here = self._stream.tell()
            tag, _, length = self.head("<", implicit)
            if tag >> 16 != 2:
                self._stream.seek(here)
                break
            if tag in found:
                found[tag] = self.take(length).decode("latin-1").strip(" \0")
            else:
                self.skip(length)
        return found[TRANSFER_SYNTAX], found[MEDIA_CLASS]

    def data_set(self, end: int) -> DataSet:
        """Return the elements up to the pixels, or to the end.

        How they lie in the file counts, not what it says of that.
        """
        here = self._stream.tell()
        start = self._stream.read(2)
        self._stream.seek(here)
        # The first group is a low one.
        order = ">" if start[:1] == b"\0" and start[1:] != b"\0" else "<"
        return self._elements(end, order, implicit=not self._is_explicit(), depth=0)

    def _elements(self, end: int, order: str, *, implicit: bool, depth: int) -> DataSet:
        if depth > MAX_DEPTH:
            raise Fault(f"is damaged: its sequences lie more than {MAX_DEPTH} deep")
        found: dict[int, Element] = {}
        while end - self._stream.tell() >= 8:
            tag, vr, length = self.head(order, implicit)
            if tag == ITEM_END:
                break
            if tag in PIXELS and not depth:
                self.body = self._body(tag, vr, length, order)
                break
            wanted = tag in self._wanted
            if vr in ("OB", "OW") and length == UNDEFINED:
                self._fragments(order)
            elif length == UNDEFINED or (wanted and "SQ" in (vr, usual_vr(tag))):
                # A sequence of unknown type is written as if types were not stated.
                bare = implicit or vr == "UN"
                items = self._items(length, order, implicit=bare, depth=depth + 1)
                if wanted:
                    found[tag] = Element("SQ", items)
            elif wanted:
                found[tag] = Element(vr, self.take(length))
            else:
                self.skip(length)
        return DataSet(found, order)

    def head(self, order: str, implicit: bool) -> tuple[int, str, int]:
        """Return the tag of the element that follows, its type (if it is stated) and its length."""
        self._left -= 1
        if self._left < 0:
            raise Fault(f"has a header of more than {MAX_ELEMENTS} elements, which is not read")
        start = self.take(8)
        group, number = struct.unpack_from(f"{order}HH", start)
        tag = group << 16 | number
        vr = start[4:6].decode("latin-1")
        if implicit or group == 0xFFFE or not (vr.isascii() and vr.isalpha() and vr.isupper()):
            return tag, "", struct.unpack_from(f"{order}L", start, 4)[0]
        if vr in LONG_VRS:
            return tag, vr, struct.unpack(f"{order}L", self.take(4))[0]
        return tag, vr, struct.unpack_from(f"{order}H", start, 6)[0]

    def take(self, length: int) -> bytes:
        """Return the next bytes."""
        self._check(length)
        return self._stream.read(length)

    def skip(self, length: int) -> None:
        """Go past the next bytes."""
        self._check(length)
        self._stream.seek(length, io.SEEK_CUR)

    def _check(self, length: int) -> None:
        if length > self._size - self._stream.tell():
            raise Fault("is damaged: it is cut off")

    def _is_explicit(self) -> bool:
        """Tell whether the element that follows states its type."""
        here = self._stream.tell()
        start = self._stream.read(6)
        self._stream.seek(here)
        return start[4:].decode("latin-1") in LONG_VRS | SHORT_VRS

    def _items(self, length: int, order: str, *, implicit: bool, depth: int) -> list[DataSet]:
        """Return the items of a sequence."""
        start = self._stream.tell()
        end = self._size if length == UNDEFINED else start + length
        self._check(end - start)
        found = []
        while end - self._stream.tell() >= 8:
            tag, _, size = self.head(order, implicit=True)
            if tag == SEQUENCE_END:
                break
            if tag != ITEM:
                raise Fault("is damaged: an item of a sequence does not begin where it should")
            here = self._stream.tell()
            inner = self._size if size == UNDEFINED else here + size
            self._check(inner - here)
            # Where types are stated, an item may still do without.
            bare = implicit or not self._is_explicit()
            found.append(self._elements(inner, order, implicit=bare, depth=depth))
            if size != UNDEFINED:
                self._stream.seek(inner)
        return found

    def _body(self, tag: int, vr: str, length: int, order: str) -> Body:
        offset = self._stream.tell()
        if length == UNDEFINED:
            fragments = self._fragments(order)
            return Body(tag, vr, offset, self._stream.tell() - offset, fragments)
        self._check(length)
        return Body(tag, vr, offset, length)

    def _fragments(self, order: str) -> tuple[tuple[int, int], ...]:
        """Return where the pieces of compressed pixels lie."""
        found = []
        while self._size - self._stream.tell() >= 8:
            tag, _, size = self.head(order, implicit=True)
            if tag == SEQUENCE_END:
                break
            if tag != ITEM:
                raise Fault("is damaged: its compressed pixels do not begin where they should")
            found.append((self._stream.tell(), size))
            self.skip(size)
        return tuple(found)
