"""The header of a DICOM file, and where its pixels lie: nothing else of it is taken into memory.

pydicom finds the elements. It believes what a file claims, so the file is ``_Bounded``; and what
it thinks of values it says by warnings, which are errors where a program wants it so, and which no
thread can silence for itself alone: so values are taken as they lie in the file.

Source: DICOM PS3.5, sections 6.2 and 7, and annex A; PS3.10, section 7.
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

from medigan_hub.errors import shortened

if TYPE_CHECKING:
    from pydicom import Dataset

DEFLATED = "1.2.840.10008.1.2.1.99"
NATIVE = frozenset(("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", DEFLATED, "1.2.840.10008.1.2.2"))
"""Transfer syntaxes in which pixels lie as they are."""
META = ("TransferSyntaxUID", "MediaStorageSOPClassUID")
CHARACTER_SET = 0x00080005
PIXELS = frozenset((0x7FE00008, 0x7FE00009, 0x7FE00010))
"""Elements with pixels: of 4 and of 8 bytes in floating point, and whole numbers."""
UNDEFINED = 0xFFFFFFFF
NUMBERS = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "FL": "f", "FD": "d"}
"""Types of binary numbers, as ``struct`` has them."""
LONG_VRS = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"))
"""Types of elements that state their length in four bytes."""
MAX_READS = 1_000_000
"""Of a header: some for each element."""
MAX_INFLATED_BYTES = 64 * 2**20
"""Of a file that is compressed as a whole."""


class Fault(Exception):  # noqa: N818 (the decoder says it in words)
    """What is wrong with a file, as a message goes on after its name: ``is damaged: ...``."""


class DataSet:
    """Elements by their keywords, as numbers and words; what is empty counts as absent."""

    def __init__(self, elements: Dataset, order: str) -> None:
        found: Iterable[Any] = elements.values()
        for each in found:
            if each.is_raw and each.length not in (len(each.value or b""), UNDEFINED):
                raise Fault("is damaged: it is cut off")
        self._elements = elements
        self._items: dict[str, list[DataSet]] = {}
        self.order = order
        """``<`` for little endian, ``>`` for big."""

    def vr(self, keyword: str) -> str:
        """Return the type that the file states for an element, if it does."""
        return getattr(self._element(keyword), "VR", None) or ""

    def raw(self, keyword: str) -> bytes:
        """Return an element as it lies in the file."""
        element = self._element(keyword)
        return (getattr(element, "is_raw", False) and element.value) or b""

    def items(self, keyword: str) -> list[DataSet]:
        """Return the items of a sequence."""
        if keyword not in self._items:
            found = self._parsed(self._element(keyword))
            self._items[keyword] = [DataSet(each, self.order) for each in found]
        return self._items[keyword]

    def texts(self, keyword: str) -> list[str]:
        """Return the words in an element, without what pads them."""
        raw = self.raw(keyword).strip(b" \0")
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            text = raw.decode("latin-1")
        return [each.strip(" \0") for each in text.split("\\")] if text else []

    def text(self, keyword: str) -> str:
        """Return the first word in an element."""
        return next(iter(self.texts(keyword)), "")

    def numbers(self, keyword: str, *, signed: bool | None = None) -> list[float]:
        """Return the numbers in an element; ``signed`` overrules what it says of itself.

        Raises
        ------
        Fault
            One of them is no finite number.
        """
        from pydicom.datadict import dictionary_VR

        vr, raw = self.vr(keyword), self.raw(keyword)
        if vr not in (*NUMBERS, "DS", "IS"):
            vr = dictionary_VR(keyword)[:2]  # of ``US or SS``, the first
        code = NUMBERS.get(vr)
        values: list[float]
        if code:
            if signed is not None and code in "Hh":
                code = "h" if signed else "H"
            count = len(raw) // struct.calcsize(f"={code}")
            values = list(struct.unpack_from(f"{self.order}{count}{code}", raw))
        else:
            try:
                values = [float(each) for each in self.texts(keyword) if each]
            except ValueError:
                values = [math.nan]
        if not all(map(math.isfinite, values)):
            found = values if code else shortened(raw.decode("latin-1"), 60)
            raise Fault(f"is damaged: its {keyword} is {found}")
        return values

    def number(self, keyword: str, default: float) -> float:
        """Return the first number in an element."""
        return next(iter(self.numbers(keyword)), default)

    def _element(self, keyword: str) -> Any:
        return self._elements.get_item(keyword, keep_deferred=True)

    def _parsed(self, element: Any) -> Iterable[Dataset]:
        from pydicom.charset import default_encoding
        from pydicom.filereader import read_sequence

        if not getattr(element, "is_raw", False):  # without a length, it had to be parsed
            return () if element is None else cast("Iterable[Dataset]", element.value)
        raw = element.value or b""
        implicit = element.is_implicit_VR or element.VR in (None, "UN")
        with faults(), _Bounded(io.BytesIO(raw), len(raw)) as stream:
            return read_sequence(stream, implicit, self.order == "<", len(raw), default_encoding)


class Body(NamedTuple):
    """Where an element lies in a file, such as the pixels; in bytes, its value alone."""

    tag: int
    vr: str
    offset: int
    length: int
    fragments: tuple[int, ...] | None = None
    """Where each piece begins, with its head, if they are compressed; the first is a table."""


@dataclass(frozen=True)
class Header:
    """What a file says of itself, in its first part and beyond, and where its pixels are."""

    meta: DataSet
    elements: DataSet
    body: Body | None

    @property
    def syntax(self) -> str:
        """UID of the transfer syntax, or empty."""
        return self.meta.text("TransferSyntaxUID")


class _Bounded(io.BufferedReader):
    """A stream that takes no more memory than it has bytes, and is not read for ever."""

    def __init__(self, raw: io.RawIOBase | io.BytesIO, size: int) -> None:
        super().__init__(cast("io.RawIOBase", raw))
        self._size = size
        self._left = MAX_READS

    def read(self, size: int | None = -1, /) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise Fault("has a header of too many elements, which is not read")
        return super().read(self._size if size is None else min(size, self._size))

    def seek(self, offset: int, whence: int = 0, /) -> int:
        place = super().seek(offset, whence)
        if place > self._size:
            raise Fault("is damaged: it is cut off")
        return place


def begins(start: bytes) -> bool:
    """Tell whether a file has DICOM's mark, or else begins with two elements of a DICOM header.

    Every file is looked at so: also where pydicom is not installed.

    >>> begins(bytes.fromhex("0800050043530000 0800080043530000"))
    True
    >>> begins(b"Dear colleague, here is the image.")
    False
    """
    if start[128:132] == b"DICM":
        return True
    for order, implicit in (("<", False), ("<", True), (">", False)):
        try:
            first, vr, place = _head(start, 0, order, implicit=implicit)
            if first >> 16 not in (2, 8) or first & 0xFFFF > 0xFF or place > 140:
                continue
            second, next_vr, _ = _head(start, place, order, implicit=implicit)
        except struct.error:
            continue
        if first < second < 0x00110000 and (implicit or (vr + next_vr).isalpha()):
            return True
    return False


def _head(start: bytes, place: int, order: str, *, implicit: bool) -> tuple[int, str, int]:
    """Return the tag of an element, its type (where it is stated), and where the next begins."""
    group, number, stated, length = struct.unpack_from(f"{order}HH2sH", start, place)
    vr = stated.decode("latin-1")
    if implicit or vr in LONG_VRS:
        place += 0 if implicit else 4
        (length,) = struct.unpack_from(f"{order}L", start, place + 4)
    return group << 16 | number, vr, place + 8 + length


@contextmanager
def faults() -> Iterator[None]:
    """Say in words what pydicom finds wrong with a file: it has no errors of its own for that."""
    try:
        yield
    except Exception as error:
        # Of an item that can't be read pydicom makes an OSError, whatever the reason was.
        is_item = isinstance(error, OSError) and error.errno is None
        reason = (is_item and error.__context__) or error
        if isinstance(reason, (EOFError, struct.error)):
            raise Fault("is damaged: it is cut off") from None
        if isinstance(reason, RecursionError):
            raise Fault("is damaged: its sequences lie too deep within each other") from None
        if isinstance(reason, (ValueError, KeyError, TypeError, NotImplementedError, Warning)):
            raise Fault(f"is damaged: {shortened(str(reason), 100)}") from error
        raise reason from None


@contextmanager
def opened(path: Path) -> Iterator[tuple[BinaryIO, DataSet]]:
    """Open a file where its data set begins, and yield what precedes that, too.

    A file that is compressed as a whole is as if it were not.

    Raises
    ------
    Fault
        It is damaged.
    """
    size = path.stat().st_size
    with path.open("rb", buffering=0) as file, _Bounded(file, size) as stream:
        start = stream.read(132)
        stream.seek(132 if start[128:] == b"DICM" else 0)
        with faults():
            meta, _ = _until(lambda tag: tag >> 16 != 2, stream, *_form(stream), META)
        if meta.text("TransferSyntaxUID") == DEFLATED:
            inflated = _inflated(stream.read(size))
            with _Bounded(io.BytesIO(inflated), len(inflated)) as inner:
                yield inner, meta
        else:
            yield stream, meta


def header_of(path: Path, wanted: Iterable[str]) -> Header:
    """Return those elements of a file that have one of the keywords, and all in their sequences.

    Raises
    ------
    Fault
        It is damaged.
    """
    from pydicom.encaps import parse_fragments

    with opened(path) as (stream, meta), faults():
        order, implicit = _form(stream)
        elements, body = _until(PIXELS.__contains__, stream, order, implicit, wanted)
        if body and body.length == UNDEFINED:
            stream.seek(body.offset)
            pieces = parse_fragments(stream, endianness=order)[1]
            body = body._replace(fragments=tuple(pieces))
        elif body:
            stream.seek(body.offset + body.length)  # where it is, if the file is whole
        return Header(meta, elements, body)


def _form(stream: BinaryIO) -> tuple[str, bool]:
    """Return the order of bytes, and whether elements leave out their types, by the next of them.

    How elements lie in a file counts, not what it says of that. The first group is a low one.
    """
    start = stream.read(6)
    stream.seek(-len(start), io.SEEK_CUR)
    is_big = start[:1] == b"\0" and start[1:2] != b"\0"
    return ">" if is_big else "<", not (start[4:].isalpha() and start[4:].isupper())


def _until(
    ends: Callable[[int], bool],
    stream: BinaryIO,
    order: str,
    implicit: bool,
    wanted: Iterable[str],
) -> tuple[DataSet, Body | None]:
    """Return the wanted elements up to one at which to end, where the stream is then; and that."""
    from pydicom import Dataset
    from pydicom.filereader import data_element_generator
    from pydicom.tag import Tag

    tags: list[Any] = [Tag(each) for each in wanted]
    found: dict[Any, Any] = {}
    last: Body | None = None

    def stop(tag: int, vr: str | None, length: int) -> bool:
        nonlocal last
        if tag == CHARACTER_SET or ends(tag):
            last = Body(tag, vr or "", stream.tell(), length)
            return True
        return False

    while True:
        last = None
        generator = data_element_generator(stream, implicit, order == "<", stop, specific_tags=tags)
        found.update((each.tag, each) for each in generator)
        if last is None or last.tag != CHARACTER_SET:
            return DataSet(Dataset(found), order), last
        stream.seek(last.offset + last.length)  # past it: pydicom would warn of what is odd


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
