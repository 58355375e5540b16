"""How pixels lie in a DICOM file, as its header claims, and whether the file can hold them.

Source: DICOM PS3.3, section C.7.6.3; PS3.5, section 8.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from medigan_hub.errors import shortened
from medigan_hub.inputs.decoders.dicom.header import NATIVE, Body, DataSet, Fault, Header

FLOATS = {0x7FE00008: "f4", 0x7FE00009: "f8"}
"""Types of pixels in floating point, by the elements that hold them."""
ALLOCATED = (1, 8, 16, 32)
"""Bits that a whole number may take up."""
GREY = frozenset(("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"))
YBR = frozenset(("YBR_FULL", "YBR_FULL_422"))
TRANSFORMED = frozenset(("YBR_ICT", "YBR_RCT"))
"""What JPEG 2000 makes of red, green and blue, and takes back by itself."""
COLOURS = frozenset(("RGB", *YBR, *TRANSFORMED))
WANTED = (
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PlanarConfiguration"),
)
"""Keywords of the elements that say it."""


@dataclass(frozen=True)
class Layout:
    """The size and the form of pixels that can be read."""

    frames: int
    height: int
    width: int
    samples: int
    """Of a pixel: 1, or 3 for colours."""
    kind: str
    """The ``photometric interpretation``: what the samples stand for."""
    allocated: int
    """Bits that a sample takes up."""
    stored: int
    """Bits of them that it has."""
    high: int
    """The place of its first bit, counted from the last one that it takes up."""
    dtype: np.dtype
    """Of a sample as it is stored; of a single bit, uint8."""
    is_planar: bool
    """Whether all of the red precedes all of the green."""

    @property
    def frame_bits(self) -> int:
        """How many bits a frame takes up that is not compressed."""
        # Of two neighbours in YBR_FULL_422, both luminances are there, and one colour.
        samples = 2 if self.kind == "YBR_FULL_422" else self.samples
        return self.height * self.width * samples * self.allocated

    @property
    def size(self) -> str:
        """Words for how much it is."""
        frames = f"{self.frames} frames of " if self.frames > 1 else ""
        return f"{frames}{self.height} x {self.width} pixels"


def layout_of(header: Header, body: Body) -> Layout:
    """Return how the pixels lie in a file, which can hold as many.

    Raises
    ------
    Fault
        It can't, or they are of a form that is not read.
    """
    elements = header.elements
    frames = _whole(elements, "NumberOfFrames", 1)
    height, width = _whole(elements, "Rows", 0), _whole(elements, "Columns", 0)
    if frames < 1:
        raise Fault(f"is damaged: it claims {frames} frames")
    if min(height, width) < 1:
        raise Fault(f"is damaged: it claims {height} x {width} pixels")
    samples = _whole(elements, "SamplesPerPixel", 1)
    usual = "MONOCHROME2" if samples == 1 else "RGB"
    kind = elements.text("PhotometricInterpretation").upper() or usual
    if kind not in {1: GREY, 3: COLOURS}.get(samples, ()):
        raise Fault(
            f"has {samples} samples a pixel, called {shortened(kind, 40)}, which is not read; "
            "save it in RGB or in grey"
        )
    number = FLOATS.get(body.tag)
    if number:
        allocated = stored = 8 * np.dtype(number).itemsize
        high = stored - 1
    else:
        allocated = _whole(elements, "BitsAllocated", 0)
        stored = _whole(elements, "BitsStored", allocated)
        high = _whole(elements, "HighBit", stored - 1)
        if allocated not in ALLOCATED:
            raise Fault(f"has pixels of {allocated} bits, which are not read; save it with 8 or 16")
        if not 1 <= stored <= high + 1 <= allocated:
            raise Fault(f"is damaged: it claims {stored} bits, the first at {high}, in {allocated}")
        is_signed = allocated > 1 and _whole(elements, "PixelRepresentation", 0)
        number = f"{'i' if is_signed else 'u'}{max(allocated // 8, 1)}"
    found = Layout(
        frames,
        height,
        width,
        samples,
        kind,
        allocated,
        stored,
        high,
        np.dtype(f"{elements.order}{number}"),
        is_planar=bool(_whole(elements, "PlanarConfiguration", 0)),
    )
    if body.fragments is None:
        _check_native(found, header.syntax, body.length)
    elif found.frames > len(body.fragments) - 1:
        raise Fault(
            f"is damaged: it claims {found.size}, and has {max(len(body.fragments) - 1, 0)} pieces "
            "of compressed pixels"
        )
    return found


def _whole(elements: DataSet, keyword: str, default: int) -> int:
    return int(elements.number(keyword, default))


def _check_native(layout: Layout, syntax: str, length: int) -> None:
    """Refuse pixels that the file can't hold as they are."""
    if syntax and syntax not in NATIVE:
        named = shortened(syntax, 70)
        raise Fault(f"can't be read: in the transfer syntax {named} its pixels would be compressed")
    if layout.kind in TRANSFORMED or (layout.kind == "YBR_FULL_422" and layout.width % 2):
        raise Fault(f"is damaged: it claims {layout.kind}, which its pixels can't be")
    if math.ceil(layout.frames * layout.frame_bits / 8) > length:
        raise Fault(f"is damaged: it claims {layout.size}, more than its {length} bytes can hold")
    if layout.kind == "YBR_FULL_422" and 2 * length >= 3 * layout.frames * layout.frame_bits // 8:
        raise Fault("is damaged: it claims YBR_FULL_422, and is RGB or YBR_FULL by its size")
