"""Pictures of everyday formats, read by Pillow."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from medigan_hub.errors import RequestError
from medigan_hub.inputs.decoders.base import Decoder, NoImage, check_safe

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

FORMATS = ("PNG", "TIFF", "JPEG", "BMP", "GIF", "PPM")
"""What Pillow may open. It knows more, among them formats that other programs are started for."""
START_BYTES = 16
"""How much of a file Pillow looks at to tell what it is."""


class PictureDecoder(Decoder):
    """The one picture in a file; a file of several is refused."""

    format = "picture"
    called = "PNG, TIFF, JPEG, BMP"
    suffixes = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")

    def knows(self, start: bytes) -> bool:
        # A DICOM file may begin as a TIFF one, for programs that read those alone.
        return start[128:132] != b"DICM" and bool(_candidates(start))

    def size(self, path: Path) -> tuple[int, ...]:
        with path.open("rb") as stream:
            width, height = _opened(stream, path).size
        return height, width

    def read(self, path: Path) -> np.ndarray:
        with path.open("rb") as stream:
            picture = _opened(stream, path)
            check_safe(path, picture.height, picture.width)
            # Bilevel and palette images hold no grey levels but numbers of colours.
            target = {"1": "L", "P": "RGB"}.get(picture.mode, picture.mode)
            return np.asarray(picture.convert(target))


def _candidates(start: bytes) -> list[str]:
    """Return the formats that a file may have, by its first bytes."""
    import PIL.Image
    import PIL.TiffImagePlugin

    PIL.Image.preinit()
    start = start[:START_BYTES]
    accepts = {name: PIL.Image.OPEN[name][1] for name in FORMATS}
    return [name for name, accept in accepts.items() if accept is None or accept(start)]


def _opened(stream: BinaryIO, path: Path) -> ImageFile:
    """Return the one picture in a file, of which no more than the header has been read.

    As ``PIL.Image.open`` does it, but for the check of its size; see ``check_safe``.
    """
    import PIL.Image

    for name in _candidates(stream.read(START_BYTES)):
        stream.seek(0)
        try:
            picture = PIL.Image.OPEN[name][0](stream, str(path))
        except (SyntaxError, IndexError, TypeError, struct.error):  # it is of another format
            continue
        # How many there are is not counted: of a hostile file that may take hours.
        if getattr(picture, "is_animated", False):
            raise RequestError(f"{path} holds several images; give one file for each")
        return picture
    raise NoImage
