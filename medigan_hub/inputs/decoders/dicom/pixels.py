"""The stored pixels of one frame of a DICOM file: no other frame is read for it.

pydicom takes out those that are not compressed, and finds the pieces of those that are. Which of
these make up a frame is found here: ``pydicom.encaps`` looks for it anew for each frame, believes
tables that can't be, and warns.

Source: DICOM PS3.5, section 8 and annex A.4; PS3.3, section C.7.6.3.1.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from medigan_hub.inputs.decoders.dicom import codecs
from medigan_hub.inputs.decoders.dicom.header import Body, DataSet, Fault, Header, faults, opened
from medigan_hub.inputs.decoders.dicom.layout import YBR, Layout

WANTED = ("ExtendedOffsetTable",)
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
    with opened(path) as (stream, _), faults():
        if body.fragments is None:
            values, kind = _native(stream, body, layout, frame, header.elements.order), layout.kind
        else:
            data = _joined(stream, body.fragments, header.elements, layout.frames, frame)
    if body.fragments is not None:
        values, kind = codecs.decoded(data, header.syntax, layout, path)
    if body.fragments is None or header.syntax == codecs.RUN_LENGTHS:
        values = _without_spare_bits(values, layout)
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    return _rgb(values) if kind in YBR else values


def _native(stream: BinaryIO, body: Body, layout: Layout, frame: int, order: str) -> np.ndarray:
    from pydicom import uid
    from pydicom.datadict import keyword_for_tag
    from pydicom.pixels.decoders.base import get_decoder

    if layout.allocated == 1:  # of a frame that begins within a byte, pydicom may lose the end
        first, count = frame * layout.frame_bits, layout.frame_bits
        stream.seek(body.offset + first // 8)
        data = np.frombuffer(stream.read(math.ceil((first % 8 + count) / 8)), np.uint8)
        bits = np.unpackbits(data, bitorder="little")[first % 8 :][:count]
        return bits.astype(bool).reshape(layout.height, layout.width)
    syntax = uid.ExplicitVRLittleEndian if order == "<" else uid.ExplicitVRBigEndian
    options: dict[str, Any] = {
        "number_of_frames": layout.frames,
        "rows": layout.height,
        "columns": layout.width,
        "samples_per_pixel": layout.samples,
        "photometric_interpretation": layout.kind,
        "planar_configuration": int(layout.is_planar),
        "bits_allocated": layout.allocated,
        "bits_stored": layout.stored,
        "pixel_representation": int(layout.dtype.kind == "i"),
        "pixel_keyword": keyword_for_tag(body.tag),
        "pixel_vr": body.vr,
        "correct_unused_bits": False,  # which takes what lies behind a number for a part of it
    }
    stream.seek(body.offset)
    decoder = get_decoder(syntax)
    values, _ = decoder.as_array(stream, index=frame, raw=True, validate=False, **options)
    return values


def _without_spare_bits(values: np.ndarray, layout: Layout) -> np.ndarray:
    """Return whole numbers without what lies before and behind their bits, such as overlays."""
    left, right = layout.allocated - 1 - layout.high, layout.allocated - layout.stored
    if values.dtype.kind not in "iu" or not right:
        return values
    return np.asarray((values << left) >> right)


def _joined(
    stream: BinaryIO, fragments: tuple[int, ...], elements: DataSet, frames: int, frame: int
) -> bytes:
    """Return what is compressed of a frame, which may lie in several pieces."""
    from pydicom.encaps import generate_fragments, parse_basic_offsets

    order = elements.order
    table, *pieces = fragments
    if frames == 1:
        chosen = pieces
    elif len(pieces) == frames:
        chosen = [pieces[frame]]
    else:
        starts = np.frombuffer(elements.raw("ExtendedOffsetTable"), f"{order}u8").tolist()
        if not starts:
            stream.seek(table)
            starts = parse_basic_offsets(stream, endianness=order)
        if not starts:
            starts = [place - pieces[0] for place in pieces if _is_start(stream, place)]
        if len(starts) != frames:
            raise Fault(f"is damaged: it has {frames} frames, and doesn't say where they begin")
        after = starts[frame + 1] if frame + 1 < frames else math.inf
        chosen = [place for place in pieces if starts[frame] <= place - pieces[0] < after]
    found = []
    for place in chosen:
        stream.seek(place)
        found.append(next(generate_fragments(stream, endianness=order), b""))
    return b"".join(found)


def _is_start(stream: BinaryIO, place: int) -> bool:
    stream.seek(place + 8)
    return stream.read(4).startswith(STARTS)


def _rgb(values: np.ndarray) -> np.ndarray:
    """Return luminance and two colour differences as red, green and blue."""
    from pydicom.pixels.processing import convert_color_space

    if values.dtype != np.uint8:
        raise Fault(f"has colours in YBR of {values.dtype}, which are not read; save it in RGB")
    return convert_color_space(values, "YBR_FULL", "RGB")
