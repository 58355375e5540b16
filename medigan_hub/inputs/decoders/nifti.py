"""NIfTI: the slices of a volume, or a single one, read by nibabel.

How slices lie is what the affine says: axial ones are seen from the feet, front up; coronal
and sagittal ones have the head up, sagittal ones the front at the left. So DICOM shows them. They
are counted towards the head, the front and the right, so that two volumes of one body go together.
A file that says nothing of space is cut along its third axis, columns along its first. One whose
affine is the identity was saved from an array by hand, and has that array's rows and columns.
"""

from __future__ import annotations

import gzip
import logging
import math
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np

from medigan_hub.errors import RequestError, named, require
from medigan_hub.hashes import State, state_of
from medigan_hub.inputs.decoders.base import Decoder, Frames, NoImage, Picture
from medigan_hub.reading import AXES, STORED_AXES, Reading

HEADERS = {348: (344, (b"n+1\0", b"ni1\0")), 540: (4, (b"n+2\0", b"ni2\0"))}
"""By the length of the header that a file begins with: where its kind stands, and the kinds."""
GZIP = b"\x1f\x8b"
MOST_EXPANDED = 1032
"""Bytes that one byte of a gzip file can become. Source: https://zlib.net/zlib_tech.html."""
MAX_KEPT_BYTES = 2**29
"""Bytes of a compressed volume that is kept unpacked while its slices are asked for."""
UNITS = {1: 1000.0, 2: 1.0, 3: 0.001}
"""Units of space in mm, by their codes: metres, millimetres and micrometres."""
ROWS_COLUMNS = {0: ((2, -1), (1, -1)), 1: ((2, -1), (0, -1)), 2: ((1, -1), (0, -1))}
"""By the axis that is cut (towards right, front, head): the axes of rows and columns, turned."""


class NiftiDecoder(Decoder):
    """Values as they are scaled; the header's ``cal_min`` and ``cal_max`` are black and white."""

    format = "nifti"
    called = "NIfTI"
    suffixes = (".nii", ".nii.gz")

    def knows(self, start: bytes) -> bool:
        if start.startswith(GZIP):
            try:
                start = zlib.decompressobj(31).decompress(start, 352)
            except zlib.error:
                return False
        return _kind(start) is not None

    def frames(self, path: Path, reading: Reading) -> Frames:
        with _stream(path) as stream:
            cut = _cut(path, _image(path, stream), reading)
        height, width = (cut.shape[axis] for axis, _ in cut.rows_columns)
        return Frames(cut.shape[cut.axis], height, width)

    def read(self, path: Path, frame: int, reading: Reading) -> Picture:
        with _stream(path) as stream:
            image = _image(path, stream)
            cut = _cut(path, image, reading)
            place = cut.shape[cut.axis] - 1 - frame if cut.is_counted_down else frame
            where = tuple(place if axis == cut.axis else slice(None) for axis in range(3))
            where += (0,) * (len(image.shape[3:4]))
            where = where[: len(image.shape)]
            data = np.asanyarray(_values(path, image)[where])
            sides = [size for axis, size in enumerate(cut.shape) if axis != cut.axis]
            data = data.reshape(*sides, *data.shape[2:])  # a slice may be a single row
            header = image.header
        if data.dtype.names:  # colours: one value each
            if len(data.dtype.names) > 3 and data[data.dtype.names[3]].min() < 255:
                raise RequestError(f"{path} has voxels that can be seen through; save it as RGB")
            data = np.stack([data[name] for name in data.dtype.names[:3]], axis=-1)
        rows, columns = cut.rows_columns
        if rows[0] > columns[0]:
            data = data.swapaxes(0, 1)
        data = data[:: rows[1], :: columns[1]]
        low, high = float(header["cal_min"]), float(header["cal_max"])
        measured = data.dtype != np.uint8 and data.dtype != np.bool_
        told = (low, high) if measured and high > low else None
        words = [*([cut.words] if cut.words else []), *image.extra["remarks"]]
        if isinstance(reading.window, tuple):
            told = None
        elif told is not None and ((data < low) | (data > high)).any():
            words.append(f"cal_min {low:.6g} as black and cal_max {high:.6g} as white")
        padding = None
        if data.dtype.kind == "f" and not np.isfinite(data).all():
            padding = ~np.isfinite(data)
            padding = padding.any(axis=2) if padding.ndim == 3 else padding
        spacing = tuple(float(cut.spacing[axis]) for axis, _ in cut.rows_columns)
        is_volume = cut.shape[cut.axis] > 1
        return Picture(
            np.ascontiguousarray(data),
            levels=told,
            is_measured=measured,
            padding=padding,
            spacing=(spacing[0], spacing[1]) if min(spacing) > 0 else None,
            taken=", ".join(words),
            obeys=frozenset({"slice_axis"} if is_volume else ()),
        )


@dataclass(frozen=True)
class _Cut:
    """How a volume is cut."""

    shape: tuple[int, int, int]
    axis: int
    """The stored axis along which the slices are counted."""
    rows_columns: tuple[tuple[int, int], tuple[int, int]]
    """The stored axes of the rows and of the columns, each with 1 or -1 where it is turned."""
    spacing: tuple[float, ...]
    """In mm, by the stored axes; 0 where it is not known."""
    words: str
    is_counted_down: bool = False
    """Whether the first slice is the last that is stored."""


def _kind(start: bytes) -> bytes | None:
    if len(start) < 8:
        return None
    for order in "<>":
        (length,) = struct.unpack(f"{order}i", start[:4])
        if length in HEADERS:
            place, kinds = HEADERS[length]
            kind = start[place : place + 4]
            return kind if kind in kinds else None
    return None


def _stream(path: Path) -> gzip.GzipFile | BinaryIO:
    with path.open("rb") as stream:
        packed = stream.read(2) == GZIP
    return gzip.open(path, "rb") if packed else path.open("rb")


def _image(path: Path, stream: gzip.GzipFile | BinaryIO) -> Any:
    """Return a volume of which no more than the header was read, and which can be there."""
    nibabel = require("nibabel", extra="nifti", purpose=f"reading {path.name}")
    kind = _kind(stream.read(352))
    stream.seek(0)
    if kind is None:
        raise NoImage
    if kind.startswith(b"ni"):
        raise RequestError(f"{path} is the header of two files; save it as one (.nii)")
    image_type = nibabel.Nifti1Image if kind == b"n+1\0" else nibabel.Nifti2Image
    try:
        with _remarks() as remarks:
            image = image_type.from_stream(stream)
    except Exception as error:
        raise RequestError(f"{path} is damaged: {str(error).splitlines()[0][:200]}") from error
    image.extra["remarks"] = remarks
    size = path.stat().st_size
    room = size * MOST_EXPANDED if isinstance(stream, gzip.GzipFile) else size
    shape = tuple(image.shape)
    needed = int(image.dataobj.offset) + math.prod(shape) * image.get_data_dtype().itemsize
    if 0 in shape or min(shape, default=0) < 0 or needed > room:
        raise RequestError(
            f"{path} is damaged: it claims {' x '.join(map(str, shape))} voxels, "
            f"and holds at most {room} bytes"
        )
    return image


class _Listener(logging.Filter):
    """Keeps what nibabel says of a header: it would go to the terminal, for each slice again."""

    heard: ClassVar[ContextVar[list[str] | None]] = ContextVar("heard", default=None)

    def filter(self, record: logging.LogRecord) -> bool:
        heard = self.heard.get()
        if heard is not None:
            heard.append(record.getMessage())
        return heard is None


@contextmanager
def _remarks() -> Iterator[list[str]]:
    """Gather what nibabel mended in a header, in its words; others' use of it is left alone."""
    logger = logging.getLogger("nibabel.global")
    if not any(isinstance(each, _Listener) for each in logger.filters):
        logger.addFilter(_Listener())
    remarks: list[str] = []
    token = _Listener.heard.set(remarks)
    try:
        yield remarks
    finally:
        _Listener.heard.reset(token)


def _values(path: Path, image: Any) -> Any:
    """Return what slices are taken of: the file, or what of it was unpacked before."""
    scaled = (image.dataobj.slope, image.dataobj.inter) != (1, 0)
    size = math.prod(image.shape) * (8 if scaled else image.get_data_dtype().itemsize)
    with path.open("rb") as stream:
        packed = stream.read(2) == GZIP
    if not packed or size > MAX_KEPT_BYTES:
        return image.dataobj
    return _unpacked(path, state_of(path))


@lru_cache(maxsize=1)
def _unpacked(path: Path, state: State) -> np.ndarray:
    with _stream(path) as stream:
        return np.asanyarray(_image(path, stream).dataobj)


def _cut(path: Path, image: Any, reading: Reading) -> _Cut:
    shape = tuple(image.shape)
    if len(shape) not in (2, 3, 4, 5) or (len(shape) > 3 and shape[3] != 1):
        raise RequestError(
            f"{path} has the shape {' x '.join(map(str, shape))}; give a slice or a volume, not a "
            "series of them"
        )
    solid = (*shape[:3], 1)[:3]
    header = image.header
    placed = int(header["sform_code"]) > 0 or int(header["qform_code"]) > 0
    is_identity = np.array_equal(image.affine, np.eye(4))
    unit = UNITS.get(int(header["xyzt_units"]) & 7, float(placed and not is_identity))
    spacing = tuple(float(size) * unit for size in (*header.get_zooms()[:3], 1.0)[:3])
    wanted = reading.slice_axis
    by_hand = placed and wanted not in AXES and is_identity
    if wanted in AXES and not placed and min(solid) > 1:
        raise RequestError(
            f"{path} does not say how it lies in the body, so that there is no {wanted} "
            f"axis; give {named('slice_axis')} as 0, 1 or 2"
        )
    if wanted in STORED_AXES or by_hand or not placed:
        axis = int(wanted) if wanted in STORED_AXES and solid[2] > 1 else 2
        first, second = (each for each in range(3) if each != axis)
        rows, columns = (first, second) if by_hand else (second, first)
        words = f"slices along axis {axis}" if solid[axis] > 1 else ""
        if by_hand:
            words = f"{words or 'a slice'} as an array, since its affine is the identity"
        return _Cut(solid, axis, ((rows, 1), (columns, 1)), spacing, words)
    orientations = require("nibabel.orientations", extra="nifti", purpose=f"reading {path.name}")
    # Of each stored axis, along which of the body it runs, and which way.
    towards = orientations.io_orientation(image.affine)
    if not np.isfinite(towards).all():
        raise RequestError(f"{path} is damaged: its affine has an axis of no length")
    stored = {int(body): (axis, int(way)) for axis, (body, way) in enumerate(towards)}
    body = AXES[wanted or "axial"]
    thin = [each for each in range(3) if solid[stored[each][0]] == 1]
    if thin and solid[stored[body][0]] > 1:
        body = thin[-1]
    axis, way = stored[body]
    turned = [(stored[each][0], stored[each][1] * sign) for each, sign in ROWS_COLUMNS[body]]
    name = next(word for word, number in AXES.items() if number == body)
    words = f"{name} slices" if solid[axis] > 1 else ""
    return _Cut(solid, axis, (turned[0], turned[1]), spacing, words, way < 0)
