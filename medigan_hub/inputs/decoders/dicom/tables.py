"""Tables in DICOM files, from a stored value to a grey or a colour.

pydicom has them, too. But it takes the bytes of a palette for little endian, offsets of segments
for words where they are bytes, and expands what segments claim without a bound.

Source: DICOM PS3.3, sections C.7.6.3.1.5, C.7.6.3.1.6, C.7.9.2, C.11.1 and C.11.2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from medigan_hub.inputs.decoders.dicom.header import DataSet, Fault

COLOURS = ("Red", "Green", "Blue")
PALETTE = tuple(
    f"{segmented}{colour}PaletteColorLookupTable{what}"
    for colour in COLOURS
    for segmented, what in (("", "Descriptor"), ("", "Data"), ("Segmented", "Data"))
)
"""Keywords of the elements that make up a palette."""
TABLE = ("LUTDescriptor", "LUTData", "LUTExplanation")
"""Keywords of the elements that make up another table."""
BIT_DEPTHS = (8, 10, 12, 14, 16)
"""Bits that the entries of tables of greys have."""
DISCRETE, LINEAR, INDIRECT = 0, 1, 2
"""Segments of a table: entries, a line to an entry, and segments that came before."""


@dataclass(frozen=True)
class Table:
    """Entries for values from ``first`` on; those beyond either end have the entry of that end."""

    first: int
    entries: np.ndarray
    """Whole numbers: uint8 or uint16."""
    bits: int
    """That an entry has, as the file claims."""

    def of(self, values: np.ndarray) -> np.ndarray:
        """Return the entries of whole numbers, or of fractions that are near to them."""
        if values.dtype.kind == "f":
            values = np.rint(values)
        last = self.first + len(self.entries) - 1
        places = np.clip(values, self.first, last).astype(np.int64) - self.first
        return np.asarray(self.entries[places])

    @property
    def white(self) -> int:
        """The entry that is shown white."""
        # Many claim 16 bits where 12 are meant, and some claim 8 and have more.
        least = next(bits for bits in BIT_DEPTHS if int(self.entries.max()) < 2**bits)
        bits = least if self.bits >= 16 else max(self.bits, least)
        return int(2**bits - 1)


def table_of(elements: DataSet, *, signed: bool) -> Table:
    """Return the table of greys in an item; ``signed`` says whether stored values have signs.

    Raises
    ------
    Fault
        It is damaged.
    """
    count, first, bits = _descriptor(elements, "LUTDescriptor", signed=signed)
    return Table(first, _entries(elements, "LUTData", count), bits)


def coloured(stored: np.ndarray, elements: DataSet, *, signed: bool) -> np.ndarray:
    """Return the colours, (height, width, 3) uint8 or uint16, of which the numbers are stored.

    Raises
    ------
    Fault
        The palette is damaged.
    """
    tables = []
    for colour in COLOURS:
        name = f"{colour}PaletteColorLookupTable"
        count, first, bits = _descriptor(elements, f"{name}Descriptor", signed=signed)
        segments = f"Segmented{name}Data"
        if elements.raw(f"{name}Data"):
            entries = _entries(elements, f"{name}Data", count)
        elif elements.raw(segments):
            wide = bits > 8
            data = _words(elements, segments, wide=wide).tolist()
            entries = _expanded(data, count, wide=wide)
        else:
            raise Fault("is damaged: its palette is not there")
        tables.append(Table(first, entries, bits))
    values = np.concatenate([table.entries for table in tables])
    if values.dtype == np.uint16:
        low, high = values & 0xFF, values >> 8
        if not high.any() and tables[0].bits <= 8:
            tables = [Table(each.first, each.entries.astype(np.uint8), 8) for each in tables]
        elif not low.any() or (low == high).all():  # 8 bits, as 16 can hold them
            tables = [Table(each.first, (each.entries >> 8).astype(np.uint8), 8) for each in tables]
    return np.stack([table.of(stored) for table in tables], axis=2)


def _descriptor(elements: DataSet, keyword: str, *, signed: bool) -> tuple[int, int, int]:
    """Return how many entries a table has, the value of the first, and the bits of an entry."""
    values = [int(value) & 0xFFFF for value in elements.numbers(keyword)]
    if len(values) != 3:
        raise Fault(f"is damaged: its {keyword} has {len(values)} values, not 3")
    count, first, bits = values
    count = count or 0x10000
    stated = elements.vr(keyword)
    # Some state no sign where there is one: then the table would end beyond 16 bits.
    has_sign = stated == "SS" or (signed and (stated != "US" or first + count > 0x10000))
    return count, first - 0x10000 if has_sign and first >= 0x8000 else first, bits


def _entries(elements: DataSet, keyword: str, count: int) -> np.ndarray:
    size = len(elements.raw(keyword))
    if size < count:
        raise Fault(f"is damaged: its {keyword} has {size} bytes for {count} entries")
    return _words(elements, keyword, wide=size >= 2 * count)[:count]


def _words(elements: DataSet, keyword: str, *, wide: bool) -> np.ndarray:
    """Return numbers of 16 bits, if they are ``wide``, or of 8, as they lie in an element."""
    raw = elements.raw(keyword)
    raw = raw[: len(raw) // 2 * 2]
    words = np.frombuffer(raw, f"{elements.order}u2").astype(np.uint16)
    if wide:
        return words
    if elements.vr(keyword) == "OW":  # two of them make up a word
        return words.astype("<u2").view(np.uint8)
    return np.frombuffer(elements.raw(keyword), np.uint8)


def _expanded(data: list[int], count: int, *, wide: bool) -> np.ndarray:
    """Return the entries that segments stand for."""
    found: list[int] = []

    def append(place: int, segments: float, *, is_copy: bool) -> None:
        while segments and place + 2 <= len(data) and len(found) < count:
            kind, length = data[place : place + 2]
            size = {DISCRETE: length, LINEAR: 1, INDIRECT: 2 if wide else 4}.get(kind, len(data))
            values = data[place + 2 : place + 2 + size]
            if (
                len(values) < size
                or (kind == LINEAR and not found)
                or (kind == INDIRECT and is_copy)
            ):
                raise Fault("is damaged: its palette has a segment that can't be there")
            if kind == DISCRETE:
                found.extend(values)
            elif kind == LINEAR:
                line = np.linspace(found[-1], values[0], length + 1)[1:]
                found.extend(np.rint(line).astype(int).tolist())
            else:  # as many segments as from so many bytes on
                start = sum(value << ((16 if wide else 8) * n) for n, value in enumerate(values))
                append(start // 2 if wide else start, length, is_copy=True)
            place += 2 + size
            segments -= 1

    append(0, math.inf, is_copy=False)
    if len(found) < count:
        raise Fault(f"is damaged: its palette has {len(found)} entries, not {count}")
    return np.array(found[:count], np.uint16 if wide else np.uint8)
