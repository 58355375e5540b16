"""The stored pixels of one frame of a DICOM file: no other frame is read for it.

Source: DICOM PS3.5, section 8 and annex A.4; PS3.3, section C.7.6.3.1.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np

from medigan_hub.inputs.decoders.dicom import codecs
from medigan_hub.inputs.decoders.dicom.elements import DataSet, Fault
from medigan_hub.inputs.decoders.dicom.layout import YBR, Layout
from medigan_hub.inputs.decoders.dicom.parsing import Body, Header, opened

WANTED = ("ExtendedOffsetTable", "ExtendedOffsetTableLengths")
"""Keywords of elements that say where the frames are."""
STARTS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51")
"""With what a compressed frame begins."""


def pixels_of(path: Path, header: Header, body: Body, layout: Layout, frame: int) -> np.ndarray:
    """Return a frame: (height, width), or (height, width, 3) in red, green and blue.

    Numbers are those that the file means, whatever lies in the bits beside theirs.

    Raises
    ------
    Fault
        It is damaged.
    """
    with opened(path) as (stream, *_):
        if body.fragments is None:
            values, kind = _native(stream, body, layout, frame, header.elements.order), layout.kind
        else:
            data = _joined(stream, body.fragments, header.elements, layout.frames, frame)
            values, kind = codecs.decoded(data, header.syntax, layout, path)
    if body.fragments is None or header.syntax == codecs.RUN_LENGTHS:
        values = _without_spare_bits(values, layout)
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    return _rgb(values, layout.stored) if kind in YBR else values


def _native(stream: BinaryIO, body: Body, layout: Layout, frame: int, order: str) -> np.ndarray:
    first = frame * layout.frame_bits
    start, stop = first // 8, math.ceil((first + layout.frame_bits) / 8)
    # In words of two bytes, of which the last comes first, a byte may lie beside its place.
    swapped = order == ">" and body.vr == "OW" and layout.allocated <= 8
    begin = start - start % 2 if swapped else start
    end = stop + stop % 2 if swapped else stop
    stream.seek(body.offset + begin)
    data = stream.read(min(end, body.length) - begin)
    if swapped:
        data = np.frombuffer(data[: len(data) // 2 * 2], ">u2").astype("<u2").tobytes()
    data = data[start - begin : stop - begin]
    if len(data) < stop - start:
        raise Fault("is damaged: it is cut off")
    if layout.allocated == 1:
        bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
        values = bits[first - 8 * start :][: layout.frame_bits].astype(bool)
    else:
        values = np.frombuffer(bytearray(data), layout.dtype)
    height, width = layout.height, layout.width
    if layout.samples == 1:
        return values.reshape(height, width)
    if layout.kind == "YBR_FULL_422":
        pairs = values.reshape(height, width // 2, 4)
        colours = pairs[:, :, np.newaxis, 2:].repeat(2, axis=2)
        both = np.concatenate([pairs[:, :, :2, np.newaxis], colours], axis=3)
        return both.reshape(height, width, 3)
    if layout.is_planar:
        return np.moveaxis(values.reshape(3, height, width), 0, 2)
    return values.reshape(height, width, 3)


def _without_spare_bits(values: np.ndarray, layout: Layout) -> np.ndarray:
    """Return whole numbers without what lies before and behind their bits, such as overlays."""
    left, right = layout.allocated - 1 - layout.high, layout.allocated - layout.stored
    if values.dtype.kind not in "iu" or not right:
        return values
    return np.asarray((values << left) >> right)


def _joined(
    stream: BinaryIO,
    fragments: tuple[tuple[int, int], ...],
    elements: DataSet,
    frames: int,
    frame: int,
) -> bytes:
    """Return what is compressed of a frame, which may lie in several pieces."""
    (table, table_length), *pieces = fragments
    begin = table + table_length
    if frames == 1:
        chosen = pieces
    elif len(pieces) == frames:
        chosen = [pieces[frame]]
    else:
        starts = _offsets(elements.raw("ExtendedOffsetTable"), "Q", elements.order)
        if not starts:
            stream.seek(table)
            starts = _offsets(stream.read(table_length), "L", elements.order)
        if not starts:
            starts = [place - 8 - begin for place, _ in pieces if _is_start(stream, place)]
        if len(starts) != frames:
            raise Fault(f"is damaged: it has {frames} frames, and doesn't say where they begin")
        after = starts[frame + 1] if frame + 1 < frames else math.inf
        chosen = [each for each in pieces if starts[frame] <= each[0] - 8 - begin < after]
    found = []
    for place, length in chosen:
        stream.seek(place)
        found.append(stream.read(length))
    return b"".join(found)


def _offsets(raw: bytes, code: str, order: str) -> list[int]:
    count = len(raw) // struct.calcsize(f"={code}")
    return list(struct.unpack_from(f"{order}{count}{code}", raw))


def _is_start(stream: BinaryIO, place: int) -> bool:
    stream.seek(place)
    return stream.read(4).startswith(STARTS)


def _rgb(values: np.ndarray, bits: int) -> np.ndarray:
    """Return luminance and two colour differences as red, green and blue.

    Source: DICOM PS3.3, section C.7.6.3.1.2, from ITU-R BT.601.
    """
    half, most = 2 ** (bits - 1), 2**bits - 1
    luminance, blue, red = np.moveaxis(values.astype(np.float64), 2, 0)
    blue -= half
    red -= half
    colours = [
        luminance + 1.402 * red,
        luminance - (0.114 * 1.772 * blue + 0.299 * 1.402 * red) / 0.587,
        luminance + 1.772 * blue,
    ]
    stacked: np.ndarray = np.clip(np.rint(np.stack(colours, axis=2)), 0, most)
    return stacked.astype(values.dtype)
