"""Elements of a DICOM header, by their keywords: as numbers, as words, as sequences.

pydicom has them, too. But what it thinks of a file it says by warnings, which are errors where a
program wants it so, and which no thread can silence for itself alone.

Source: DICOM PS3.5, section 6.2.
"""

from __future__ import annotations

import math
import struct
from typing import Any, NamedTuple

from medigan_hub.errors import shortened

NUMBERS = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "FL": "f", "FD": "d"}
"""Types of binary numbers, as ``struct`` has them."""


class Fault(Exception):  # noqa: N818 (the decoder says it in words)
    """What is wrong with a file, as a message goes on after its name: ``is damaged: ...``."""


class Element(NamedTuple):
    """A value, as it lies in the file, or the items of a sequence; ``vr`` is empty if unsaid."""

    vr: str
    value: Any


class DataSet:
    """Elements by their keywords, as numbers and words; what is empty counts as absent."""

    def __init__(self, elements: dict[int, Element], order: str) -> None:
        self._elements = elements
        self.order = order
        """``<`` for little endian, ``>`` for big."""

    def vr(self, keyword: str) -> str:
        """Return the type that the file states for an element."""
        return self._element(keyword).vr

    def raw(self, keyword: str) -> bytes:
        """Return an element as it lies in the file."""
        value = self._element(keyword).value
        return value if isinstance(value, bytes) else b""

    def items(self, keyword: str) -> list[DataSet]:
        """Return the items of a sequence."""
        value = self._element(keyword).value
        return value if isinstance(value, list) else []

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
        vr, raw = self.vr(keyword), self.raw(keyword)
        code = NUMBERS.get(vr) or (
            "" if vr in ("DS", "IS") else NUMBERS.get(usual_vr(tag_of(keyword)))
        )
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
            found = values if code else shortened(self.raw(keyword).decode("latin-1"), 60)
            raise Fault(f"is damaged: its {keyword} is {found}")
        return values

    def number(self, keyword: str, default: float) -> float:
        """Return the first number in an element."""
        return next(iter(self.numbers(keyword)), default)

    def _element(self, keyword: str) -> Element:
        return self._elements.get(tag_of(keyword), Element("", b""))


def tag_of(keyword: str) -> int:
    """Return the number of an element."""
    from pydicom.datadict import tag_for_keyword

    return tag_for_keyword(keyword) or 0


def usual_vr(tag: int) -> str:
    """Return the type that an element has by the standard; of ``US or SS``, the first."""
    from pydicom.datadict import dictionary_VR

    return dictionary_VR(tag)[:2]
