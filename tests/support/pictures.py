"""Pictures written by hand, as the standards have them: no library's reading is taken for right.

Sources: TIFF 6.0 (Aldus, 1992), PNG (W3C, third edition).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

import numpy as np

PNG = b"\x89PNG\r\n\x1a\n"
SHORT, LONG = 3, 4
ADAM7 = (
    (0, 0, 8, 8),
    (0, 4, 8, 8),
    (4, 0, 8, 4),
    (0, 2, 4, 4),
    (2, 0, 4, 2),
    (0, 1, 2, 2),
    (1, 0, 2, 1),
)
"""Of each pass: first row and column, and the steps between them."""


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Return what is stored of an upright picture, so that ``orientation`` (of TIFF, EXIF) is true.

    The tag says where row 0 and column 0 of what is stored are to be seen.
    """
    if orientation > 4:  # row 0 is seen at a side
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 6, 7):
        pixels = pixels[::-1]
    if orientation in (2, 3, 7, 8):
        pixels = pixels[:, ::-1]
    return pixels


def packed(pixels: np.ndarray, bits: int, order: str = ">") -> bytes:
    """Return rows of values, each row beginning with a new byte; the highest bit comes first."""
    rows = pixels.reshape(len(pixels), -1)
    if bits % 8 == 0:
        return rows.astype(rows.dtype.newbyteorder(order)).tobytes()
    places = np.arange(bits - 1, -1, -1)
    single = (rows[:, :, np.newaxis].astype(np.int64) >> places & 1).astype(np.uint8)
    return np.packbits(single.reshape(len(rows), -1), axis=1).tobytes()


def exif(orientation: int) -> bytes:
    """Return an EXIF block that says how a picture is turned, and nothing else."""
    entry = struct.pack("<HHIHH", 274, SHORT, 1, orientation, 0)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", 1) + entry + bytes(4)


def chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def png(
    pixels: np.ndarray,
    bits: int = 8,
    colour: int = 0,
    *,
    before: Mapping[bytes, bytes] | None = None,
    interlaced: bool = False,
) -> bytes:
    """Return a PNG of stored values, (height, width) or with channels; ``colour`` is its type."""
    height, width = pixels.shape[:2]
    parts = (
        [pixels[row::down, column::right] for row, column, down, right in ADAM7]
        if interlaced
        else [pixels]
    )
    rows = b"".join(
        b"\0" + packed(row[np.newaxis], bits) for part in parts if part.size for row in part
    )
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced)
    more = b"".join(chunk(kind, content) for kind, content in (before or {}).items())
    end = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return PNG + chunk(b"IHDR", header) + more + end


def _packbits(content: bytes) -> bytes:
    parts = [content[place : place + 128] for place in range(0, len(content), 128)]
    return b"".join(bytes([len(part) - 1]) + part for part in parts)


def _lzw(content: bytes) -> bytes:
    """Return LZW of 9 bits: the table is cleared before it grows out of them (page 60)."""
    codes = [256]
    for place, value in enumerate(content):
        if place and place % 200 == 0:
            codes.append(256)
        codes.append(value)
    return packed(np.array([[*codes, 257]]), 9)


COMPRESSIONS = {
    "none": (1, bytes),
    "lzw": (5, _lzw),
    "deflate": (8, zlib.compress),
    "packbits": (32773, _packbits),
}


def tiff(
    *pages: np.ndarray,
    bits: int = 8,
    photometric: int = 1,
    order: str = "<",
    orientation: int | None = None,
    compression: str = "none",
    rows: int | None = None,
    tile: int | None = None,
    planar: bool = False,
    sample_format: int | None = None,
    big: bool = False,
    tags: Mapping[int, tuple[int, ...]] | None = None,
) -> bytes:
    """Return a TIFF of stored values, (height, width) or with channels, a page each.

    ``rows`` are those of a strip, ``tile`` is the side of a tile, ``tags`` are further ones.
    """
    mark, offset_type, offset_form = (43, 16, "Q") if big else (42, LONG, "I")
    head = struct.pack(f"{order}2sH", b"II" if order == "<" else b"MM", mark)
    head += struct.pack(f"{order}HHQ", 8, 0, 16) if big else struct.pack(f"{order}I", 8)
    content = bytearray(head)
    link = len(content) - (8 if big else 4)
    method, compress = COMPRESSIONS[compression]
    for pixels in pages:
        height, width, *rest = pixels.shape
        planes = [pixels[:, :, channel] for channel in range(rest[0])] if planar else [pixels]
        parts = []
        for plane in planes:
            if tile is None:
                step = rows or height
                parts += [plane[top : top + step] for top in range(0, height, step)]
                continue
            wide = [(0, -height % tile), (0, -width % tile)] + [(0, 0)] * (plane.ndim - 2)
            filled = np.pad(plane, wide)
            parts += [
                filled[top : top + tile, left : left + tile]
                for top in range(0, height, tile)
                for left in range(0, width, tile)
            ]
        places, sizes = [], []
        for part in parts:
            stored = compress(packed(part, bits, order))
            places.append(len(content))
            sizes.append(len(stored))
            content += stored + b"\0" * (len(stored) % 2)
        samples = rest[0] if rest else 1
        entries: dict[int, tuple[int, tuple[int, ...]]] = {
            256: (LONG, (width,)),
            257: (LONG, (height,)),
            258: (SHORT, (bits,) * samples),
            259: (SHORT, (method,)),
            262: (SHORT, (photometric,)),
            277: (SHORT, (samples,)),
            284: (SHORT, (2 if planar else 1,)),
        }
        if tile is None:
            entries |= {
                273: (offset_type, tuple(places)),
                278: (LONG, (rows or height,)),
                279: (LONG, tuple(sizes)),
            }
        else:
            entries |= {
                322: (LONG, (tile,)),
                323: (LONG, (tile,)),
                324: (offset_type, tuple(places)),
                325: (LONG, tuple(sizes)),
            }
        if orientation is not None:
            entries[274] = (SHORT, (orientation,))
        if sample_format is not None:
            entries[339] = (SHORT, (sample_format,) * samples)
        entries |= {tag: (SHORT, values) for tag, values in (tags or {}).items()}
        link = _add_page(content, link, entries, order, offset_form, big=big)
    return bytes(content)


def _add_page(
    content: bytearray,
    link: int,
    entries: Mapping[int, tuple[int, tuple[int, ...]]],
    order: str,
    offset_form: str,
    *,
    big: bool,
) -> int:
    """Add a directory, to which ``link`` is to point; return where its own link stands."""
    forms = {SHORT: "H", LONG: "I", 16: "Q"}
    room = 8 if big else 4
    found = []
    for tag, (kind, values) in sorted(entries.items()):
        stored = struct.pack(f"{order}{len(values)}{forms[kind]}", *values)
        if len(stored) > room:
            place = len(content)
            content += stored + b"\0" * (len(stored) % 2)
            stored = struct.pack(f"{order}{offset_form}", place)
        found.append(
            struct.pack(f"{order}HH{offset_form}", tag, kind, len(values))
            + stored.ljust(room, b"\0")
        )
    struct.pack_into(f"{order}{offset_form}", content, link, len(content))
    content += struct.pack(f"{order}{'Q' if big else 'H'}", len(found)) + b"".join(found)
    content += bytes(room)
    return len(content) - room
