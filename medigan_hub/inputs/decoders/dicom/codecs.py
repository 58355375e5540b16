"""Compressed pixels of DICOM files: JPEG, JPEG-LS, JPEG 2000 (also HTJ2K) and run lengths.

imagecodecs decompresses them. Before it does, the head of what is compressed is held against
that of the file: else a few bytes could ask for any amount of memory. pydicom's decoders don't
look, and log what fails with a traceback.

Source: DICOM PS3.5, section 8.2 and annexes A.4 and G; ITU-T T.81, annex B (JPEG), T.87, annex C
(JPEG-LS) and T.800, annex A (JPEG 2000).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from medigan_hub.errors import require, shortened
from medigan_hub.inputs.decoders.dicom.header import Fault
from medigan_hub.inputs.decoders.dicom.layout import TRANSFORMED, Layout

RUN_LENGTHS = "1.2.840.10008.1.2.5"
JPEG = "1.2.840.10008.1.2.4."
CODECS = {
    RUN_LENGTHS: "packbits",
    **{JPEG + number: "jpeg8" for number in ("50", "51", "57", "70")},
    **{JPEG + number: "jpegls" for number in ("80", "81")},
    **{JPEG + number: "jpeg2k" for number in ("90", "91", "201", "202", "203")},
}
"""What decompresses the pixels, by the transfer syntax."""

FRAMES = {0xC0: "jpeg8", 0xC1: "jpeg8", 0xC3: "jpeg8", 0xF7: "jpegls"}
"""Markers at which a frame begins, of the kinds that DICOM allows: not in several passes."""
LOSSLESS = 0xC3
BEGIN_OF_SCAN, ADOBE, JFIF = 0xDA, 0xEE, 0xE0
CODESTREAM = b"\xff\x4f\xff\x51"
"""With what the codestream of JPEG 2000 begins: two markers."""
JP2 = b"\0\0\0\x0cjP  "
MAX_PADDING_BYTES = 16
"""Behind a part that is compressed by run lengths, when it is decompressed."""
MAX_TILES = 4096
"""Of an image of JPEG 2000: each takes memory, however small it is."""
SPACES = {1: 1, 3: 2}
"""Spaces of colours by their samples, as libjpeg numbers them; from one to itself is no step."""


class Head(NamedTuple):
    """What compressed pixels say of themselves."""

    height: int
    width: int
    samples: int
    bits: int
    """Of a sample."""
    kind: str = ""
    """The space of its colours, where it is said: ``RGB`` or ``YBR_FULL``."""
    is_lossless: bool = False
    """Whether it is of JPEG's lossless kind."""


def decoded(data: bytes, syntax: str, layout: Layout, path: Path) -> tuple[np.ndarray, str]:
    """Return a frame that is compressed, (height, width) or with 3 samples, and what they are.

    Raises
    ------
    Fault
        It is damaged.
    MissingDependencyError
        What decompresses it is not installed.
    """
    library = require("imagecodecs", extra="dicom", purpose=f"reading {path.name}")
    codec = CODECS[syntax]
    try:
        if codec == "packbits":
            return _run_lengths(data, layout, library.packbits_decode), layout.kind
        decode = getattr(library, f"{codec}_decode")
        if codec == "jpeg2k":
            head, data = _of_jpeg2k(data)
            _check(head, layout)
            # What it made of red, green and blue, it takes back; other colours it does not know.
            kind = "RGB" if layout.kind in TRANSFORMED else layout.kind
            return _with_signs(decode(data), head, layout), kind
        head = _of_jpeg(data, codec)
        _check(head, layout)
        options = {"colorspace": SPACES[layout.samples], "outcolorspace": SPACES[layout.samples]}
        values = decode(data, **(options if codec == "jpeg8" else {}))
        return _with_signs(values, head, layout), head.kind or layout.kind
    except (Fault, ImportError, MemoryError):
        raise
    except Exception as error:  # each codec has errors of its own
        reason = shortened(str(error).strip().partition("\n")[0], 100)
        raise Fault(f"is damaged: its pixels can't be decompressed ({reason})") from error


def _check(head: Head, layout: Layout) -> None:
    """Make sure that compressed pixels are as many as the file claims."""
    size = (layout.height, layout.width, layout.samples)
    if head[:3] != size or not 1 <= head.bits <= layout.allocated:
        found, claimed = (" x ".join(map(str, each)) for each in (head[:3], size))
        raise Fault(
            f"is damaged: its compressed pixels are {found} of {head.bits} bits, and its header "
            f"claims {claimed} of {layout.allocated}"
        )


def _with_signs(values: np.ndarray, head: Head, layout: Layout) -> np.ndarray:
    """Return numbers with signs or without, as the file has them, whatever the codec took them for.

    A codec may deliver all red before all green.
    """
    if layout.samples == 3 and values.shape[:1] == (3,) != values.shape[2:]:
        values = np.moveaxis(values, 0, 2)
    shape = (layout.height, layout.width, layout.samples)[: 2 if layout.samples == 1 else 3]
    if values.shape != shape:
        raise Fault(f"is damaged: its compressed pixels have the shape {values.shape}, not {shape}")
    # Without loss, what is beyond the bits of the file is no part of a number.
    bits = min(head.bits, layout.stored) if head.is_lossless else head.bits
    spare = 8 * values.dtype.itemsize - bits
    values = np.ascontiguousarray(values)
    values = values.view(f"{layout.dtype.kind}{values.dtype.itemsize}")
    return np.asarray((values << spare) >> spare) if spare else values


def _of_jpeg(data: bytes, codec: str) -> Head:
    """Return what the marker says at which a frame of JPEG or JPEG-LS begins."""
    if data[:2] != b"\xff\xd8":
        raise Fault("is damaged: its compressed pixels are not JPEG's")
    if not data.rstrip(b"\0\xff").endswith(b"\xff\xd9"):
        raise Fault("is damaged: its compressed pixels are cut off")
    place, kind = 2, ""
    while place + 4 <= len(data):
        mark, marker, length = struct.unpack_from(">BBH", data, place)
        if mark == marker == 0xFF:  # the first of them pads
            place += 1
            continue
        content = data[place + 4 : place + 2 + length]
        if mark != 0xFF or marker == BEGIN_OF_SCAN or length < 2:
            break
        if marker == JFIF and content.startswith(b"JFIF"):
            kind = "YBR_FULL"
        elif marker == ADOBE and content.startswith(b"Adobe") and len(content) > 11:
            kind = kind or ("YBR_FULL" if content[11] else "RGB")
        elif FRAMES.get(marker) == codec and len(content) >= 6:
            bits, height, width, samples = struct.unpack_from(">BHHB", content)
            if content[6::3].upper() == b"RGB":
                kind = "RGB"
            kind = kind if samples == 3 else ""
            return Head(height, width, samples, bits, kind, marker == LOSSLESS)
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            break
        place += 2 + length
    raise Fault("is damaged: its compressed pixels begin with no frame that DICOM allows")


def _of_jpeg2k(data: bytes) -> tuple[Head, bytes]:
    """Return what the second marker of JPEG 2000 says, and the codestream without its file."""
    if data.startswith(JP2):
        data = data[max(data.find(CODESTREAM), 0) :]
    if not data.startswith(CODESTREAM) or len(data) < 42:
        raise Fault("is damaged: its compressed pixels are not JPEG 2000's")
    right, bottom, left, top, width, height, _, _, samples = struct.unpack_from(">8LH", data, 8)
    kinds = [data[place : place + 3] for place in (42, 45, 48)[:samples]]
    if any(each[:1] != kinds[0][:1] or each[1:] != b"\1\1" for each in kinds):
        raise Fault("has pixels whose samples differ in size, which are not read")
    tiles = -(-right // max(width, 1)) * -(-bottom // max(height, 1))
    if tiles > MAX_TILES:
        raise Fault(f"has pixels in {tiles} tiles, and at most {MAX_TILES} are read")
    bits = (kinds[0][0] & 0x7F) + 1 if kinds else 0
    return Head(bottom - top, right - left, samples, bits), data


def _run_lengths(data: bytes, layout: Layout, decode: Callable[..., bytes]) -> np.ndarray:
    """Return what is compressed in a part for each byte of a sample, the highest first."""
    size, width = layout.height * layout.width, layout.allocated // 8
    count, *starts = struct.unpack_from("<16L", data.ljust(64, b"\0"))
    if count != layout.samples * width or not width:
        raise Fault(f"is damaged: its pixels of {layout.allocated} bits are in {count} parts")
    parts = np.empty((layout.samples, size, width), np.uint8)
    for number, (start, end) in enumerate(pairwise([*starts[:count], len(data)])):
        part = np.frombuffer(decode(data[start:end], out=size + MAX_PADDING_BYTES), np.uint8)
        if len(part) < size:
            raise Fault("is damaged: its compressed pixels are cut off")
        parts[number // width, :, number % width] = part[:size]
    values = parts.view(f">{layout.dtype.kind}{width}").reshape(-1, layout.height, layout.width)
    return values[0] if layout.samples == 1 else np.moveaxis(values, 0, 2)
