"""TIFF files of forms that Pillow does not know, such as fractions of 16 bits; read by tifffile."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np

from medigan_hub.errors import RequestError, require
from medigan_hub.inputs.decoders.base import Decoder, Frames, NoImage, Picture
from medigan_hub.inputs.decoders.pictures import MAX_FRAMES
from medigan_hub.inputs.decoders.tiff_directories import check_whole
from medigan_hub.reading import Reading

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
CODECS = "imagecodecs"
"""What tifffile unpacks with, where it does not by itself."""
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB = 0, 1, 2
APART = "SYX"
"""Axes of pictures whose colours stand each in a place of its own."""
TURNS = {
    1: lambda array: array,
    2: lambda array: array[:, ::-1],
    3: lambda array: array[::-1, ::-1],
    4: lambda array: array[::-1],
    5: lambda array: array.swapaxes(0, 1),
    6: lambda array: array[::-1].swapaxes(0, 1),
    7: lambda array: array[::-1, ::-1].swapaxes(0, 1),
    8: lambda array: array[:, ::-1].swapaxes(0, 1),
}
"""What brings a picture upright, by the tag Orientation (TIFF 6.0, page 36)."""


class TiffDecoder(Decoder):
    """Grey, or red, green and blue, of one size a file; every other TIFF is refused."""

    format = "tiff"
    called = "PNG, TIFF, JPEG, BMP, GIF, PGM"
    suffixes = (".tif", ".tiff")

    def knows(self, start: bytes) -> bool:
        return start.startswith(MAGIC) and start[128:132] != b"DICM"

    def frames(self, path: Path, reading: Reading) -> Frames:
        with path.open("rb") as stream:
            check_whole(path, stream, MAX_FRAMES)
        library = _library(path)
        try:
            file = library.TiffFile(path)
        except library.TiffFileError as error:
            raise NoImage from error
        with file:
            pages = _pages(file, path)
            height, width = (pages[0].shape[pages[0].axes.index(axis)] for axis in "YX")
            if _orientation(pages[0]) > 4:
                height, width = width, height
            return Frames(len(pages), height, width)

    def read(self, path: Path, frame: int, reading: Reading) -> Picture:
        with _library(path).TiffFile(path) as file:
            page = file.pages[frame]  # ``frames`` has looked at all of them
            try:
                pixels = page.asarray()
            except Exception as error:  # which of them, depends on what is packed
                if CODECS not in str(error):
                    raise
                raise RequestError(
                    f"{path} is packed in a way that takes the package {CODECS} to read; install "
                    "that, or save it without compression, with 8 or 16 bits"
                ) from error
            pixels = np.moveaxis(pixels, 0, -1) if page.axes == APART else pixels
            pixels = TURNS[_orientation(page)](pixels)
            inverse, bits = page.photometric == WHITE_IS_ZERO, page.bitspersample
        if pixels.dtype.kind == "f":
            pixels = pixels.astype(np.float64)
        levels = (0, 2**bits - 1) if pixels.dtype.kind == "u" and bits % 8 else None
        return Picture(np.ascontiguousarray(pixels), levels=levels, is_inverse=inverse)


def _library(path: Path) -> Any:
    library = require("tifffile", extra="tiff", purpose=f"reading {path.name}")
    # It logs what is odd about a file; without a handler all that would go to the terminal.
    logger = logging.getLogger("tifffile")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    return library


def _pages(file: Any, path: Path) -> list[Any]:
    """Return the pictures in a file: of one size and type, and as they are to be shown."""
    pages: list[Any] = []
    for page in file.pages:
        if len(pages) == MAX_FRAMES:
            raise RequestError(f"{path} holds over {MAX_FRAMES} pictures; give files of fewer")
        pages.append(page)
    first = pages[0]
    if not all(isinstance(side, int) for side in first.shape):
        raise RequestError(f"{path} is damaged: its size is {str(first.shape)[:60]}")
    if any((page.shape, page.dtype) != (first.shape, first.dtype) for page in pages):
        raise RequestError(
            f"{path} holds pictures of several sizes or types; give one file for each"
        )
    grey = first.photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO) and first.axes == "YX"
    colour = first.photometric == RGB and first.samplesperpixel == 3
    colour &= first.axes in ("YXS", APART)
    if not (grey or colour) or first.dtype is None:
        raise RequestError(
            f"{path} is a TIFF of a form that can't be read; save it as grey, or as red, green "
            "and blue, without opacity"
        )
    return pages


def _orientation(page: Any) -> int:
    tag = page.tags.get("Orientation")
    value = 1 if tag is None else tag.value
    return int(value) if value in TURNS else 1
