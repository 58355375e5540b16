"""Pictures of everyday formats, read by Pillow; and those that a caller has opened with it."""

from __future__ import annotations

import re
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from medigan_hub.errors import RequestError
from medigan_hub.inputs.decoders.base import Decoder, Frames, NoImage, Picture
from medigan_hub.inputs.decoders.tiff_directories import check_whole
from medigan_hub.reading import Reading

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

FORMATS = ("PNG", "TIFF", "JPEG", "BMP", "GIF", "PPM")
"""What Pillow may open. It knows more, among them formats that other programs are started for."""
START_BYTES = 16
"""How much of a file Pillow looks at to tell what it is."""
MAX_FRAMES = 2000
"""Pictures in a file. Which a file claims is found by going through it, and may be any number."""
BITS, PHOTOMETRIC, PLANES, SAMPLE_FORMAT = 258, 262, 284, 339
"""Tags of TIFF."""
APART, SIGNED = 2, 2
"""Values of the last two: each colour stands in a place of its own; whole numbers have a sign."""
DEEP_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
"""Modes of Pillow that hold more than 8 bits."""
STEPS = {"L;2": 85, "L;4": 17}
"""By how much Pillow multiplies grey levels of fewer bits, and forgets it where one is clear."""
DEEP = re.compile(r"(RGBA?);16([BLN])")
"""How Pillow calls 16 bits of colour, of which it keeps 8; the end is the order of the bytes."""


class PictureDecoder(Decoder):
    """Pictures as they are to be seen: turned as the file says, black as 0."""

    format = "picture"
    called = "PNG, TIFF, JPEG, BMP, GIF, PGM"
    suffixes = (
        *(".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"),
        *(".gif", ".pgm", ".ppm", ".pbm", ".pnm", ".jfif", ".dib", ".apng"),
    )

    def knows(self, start: bytes) -> bool:
        # A DICOM file may begin as a TIFF one, for programs that read those alone. Of large files
        # (BigTIFF) Pillow takes one order of bytes for the other.
        is_other = start[128:132] == b"DICM" or start.startswith(b"MM\0+")
        return not is_other and bool(_candidates(start))

    def frames(self, path: Path, reading: Reading) -> Frames:
        with path.open("rb") as stream:
            check_whole(path, stream, MAX_FRAMES)
            stream.seek(0)
            picture = _opened(stream)
            if _is_misread(picture):
                raise NoImage
            width, height = size = picture.size  # turned or not, it is as many pixels
            return Frames(_count(picture, size, path), height, width)

    def read(self, path: Path, frame: int, reading: Reading) -> Picture:
        with path.open("rb") as stream:
            picture = _opened(stream)
            if frame:
                picture.seek(frame)
            deep = DEEP.fullmatch(_raw_mode(picture))
            if deep is None or _is_misread(picture):
                return of_image(picture, str(path), path)
            # Of 16 bits of colour, Pillow takes the upper byte as the order says that they come.
            # In the other order it takes the lower one.
            order = deep[2]
            if order == "N":
                order = "L" if sys.byteorder == "little" else "B"
            upper, lower = (
                _bytes(stream, frame, f"{deep[1]};16{each}") for each in (order, "LB"[order == "L"])
            )
            pixels = upper.astype(np.uint16) * np.uint16(256) + lower
            hidden = picture.info.get("transparency")
            if isinstance(hidden, tuple) and (pixels == hidden).all(axis=-1).any():
                raise _seen_through(str(path))
            return Picture(_opaque(pixels, str(path)), levels=_full_depth(path))


def of_image(image: Image, name: str, path: Path | None = None) -> Picture:
    """Return the picture in an image of Pillow's, which ``name`` names in what is said of it.

    Without ``path`` it was opened by a caller, who may have given a file.

    Raises
    ------
    RequestError
        It is in a space of colours that can't be brought to red, green and blue, or
        something in it can be seen through.
    """
    from PIL import ImageOps

    tags = getattr(image, "tag_v2", {})
    photometric, bits = tags.get(PHOTOMETRIC), tags.get(BITS, ())
    is_png = image.format == "PNG"
    is_scaled = image.format == "PPM"
    hidden = image.info.get("transparency")
    raw = _raw_mode(image)
    if isinstance(hidden, int):
        hidden *= STEPS.get(raw, 1)
    if _is_misread(image) or (image.mode not in DEEP_MODES and _is_deep(image)):
        way = "save it" if path else "give the path of its file, or save it"
        raise RequestError(
            f"{name} is a picture in a form ({raw or image.mode} in {image.format}) of which "
            f"Pillow keeps a part only; {way} as grey, or as red, green and blue, of 16 bits in PNG"
        )
    if path is None and image.format == "TIFF":
        _load_unmapped(image)
    try:
        upright = ImageOps.exif_transpose(image)
    except (SyntaxError, ValueError, struct.error):  # an EXIF block that is damaged says nothing
        upright = image
    mode = upright.mode
    if mode in ("1", "L", "I", "F") or mode.startswith("I;16"):
        pixels = np.asarray(upright)
        if mode == "I" and image.format == "TIFF" and SIGNED not in tags.get(SAMPLE_FORMAT, ()):
            pixels = pixels.view(np.uint32)  # Pillow gives all numbers of 32 bits a sign
        if pixels.dtype.byteorder == ">":
            pixels = pixels.astype(pixels.dtype.newbyteorder("="))
        if isinstance(hidden, int) and (pixels == (hidden > 0 if mode == "1" else hidden)).any():
            raise _seen_through(name)
        levels: tuple[float, float] | None = None
        if mode == "I" and is_scaled:
            levels = 0, 65535  # whatever their white is, Pillow brings them to this
        elif mode.startswith("I;16") and bits and bits[0] < 16:
            levels = 0, 2 ** bits[0] - 1
        elif is_png and pixels.dtype.itemsize > 1:  # which older versions of Pillow call I, too
            levels = _full_depth(path or getattr(image, "filename", None))
        # Pillow turns these round itself where they have 8 bits or fewer.
        inverse = photometric == 0 and pixels.dtype not in (np.bool_, np.uint8)
        return Picture(pixels, levels=levels, is_inverse=inverse)
    if mode in ("LA", "La", "RGBA", "RGBa", "PA") or hidden is not None:
        grey = mode in ("L", "LA", "La")
        seen = upright.convert("RGBa" if mode == "RGBa" else "LA" if grey else "RGBA")
        return Picture(_opaque(np.asarray(seen), name))
    if mode in ("P", "RGB", "RGBX", "CMYK", "YCbCr"):
        return Picture(np.asarray(upright.convert("RGB")))
    raise RequestError(f"{name} is a picture in {mode}; save it as grey, or as red, green and blue")


def _is_misread(picture: Image) -> bool:
    """Tell whether Pillow takes a TIFF for what it is not.

    It forgets the sign of whole numbers of 8 bits, and mixes up the bytes of deeper colours
    that stand each in a place of their own.
    """
    tags = getattr(picture, "tag_v2", {})
    bits = tags.get(BITS, (1,))
    is_apart = bits[0] > 8 and len(bits) > 1 and tags.get(PLANES) == APART
    return is_apart or (bits[0] == 8 and SIGNED in tags.get(SAMPLE_FORMAT, ()))


def _is_deep(picture: Image) -> bool:
    """Tell whether the file of a picture has more than 8 bits of each value."""
    if picture.format == "PPM":  # what its decoders are given ends with the value of white
        tiles = getattr(picture, "tile", ())
        return any(isinstance(tile[3], tuple) and (tile[3][-1] or 0) > 255 for tile in tiles)
    bits = getattr(picture, "tag_v2", {}).get(BITS, (1,))
    return "16" in _raw_mode(picture) or bits[0] > 8


def _load_unmapped(image: Any) -> None:
    """Have Pillow read a TIFF without mapping it into memory, where it loses its way if turned."""
    name, image.filename = image.filename, ""
    try:
        image.load()
    finally:
        image.filename = name


def _opaque(pixels: np.ndarray, name: str) -> np.ndarray:
    """Return a picture without its last channel where that is opacity, and all is opaque."""
    if pixels.shape[-1] not in (2, 4):
        return pixels
    if pixels[:, :, -1].min() < np.iinfo(pixels.dtype).max:
        raise _seen_through(name)
    return pixels[:, :, :-1]


def _seen_through(name: str) -> RequestError:
    return RequestError(
        f"{name} has pixels that can be seen through, and what is behind them is not known; "
        "save it without opacity (alpha)"
    )


def _full_depth(path: str | Path | None) -> tuple[float, float] | None:
    """Return the levels of a PNG of 16 bits if it says that all of them count (chunk sBIT)."""
    if not path:
        return None
    with Path(path).open("rb") as stream:
        stream.seek(8)
        while len(head := stream.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if kind == b"sBIT":
                return (0, 65535) if set(stream.read(min(length, 4))) == {16} else None
            if kind == b"IDAT":
                break
            stream.seek(length + 4, 1)
    return None


def _candidates(start: bytes) -> list[str]:
    """Return the formats that a file may have, by its first bytes."""
    import PIL.Image
    import PIL.TiffImagePlugin

    PIL.Image.preinit()
    start = start[:START_BYTES]
    accepts = {name: PIL.Image.OPEN[name][1] for name in FORMATS}
    return [name for name, accept in accepts.items() if accept is None or accept(start)]


def _opened(stream: BinaryIO) -> ImageFile:
    """Return the picture in a file, of which no more than the header has been read.

    As ``PIL.Image.open`` does it, but for the check of its size (see ``check_safe``), and
    without the name: by that Pillow would map a file into memory, and lose its way in one
    that is turned.
    """
    import PIL.Image

    for name in _candidates(stream.read(START_BYTES)):
        stream.seek(0)
        try:
            return PIL.Image.OPEN[name][0](stream, "")
        except (SyntaxError, IndexError, TypeError, struct.error):  # it is of another format
            continue
    raise NoImage


def _count(picture: ImageFile, size: tuple[int, int], path: Path) -> int:
    """Return how many pictures there are, all of one size."""
    if not getattr(picture, "is_animated", False) or picture.format == "MPO":
        return 1  # of a photograph (MPO), what follows is a part or another view of the first
    for count in range(1, MAX_FRAMES + 1):
        try:
            picture.seek(count)
        except EOFError:
            return count
        if picture.size != size:
            raise RequestError(
                f"{path} holds pictures of several sizes ({size[1]} x {size[0]} and "
                f"{picture.height} x {picture.width}); give one file for each"
            )
    raise RequestError(f"{path} holds over {MAX_FRAMES} pictures; give files of fewer")


def _raw_mode(picture: Image) -> str:
    """Return how the pixels stand in the file of a picture that was not decoded yet."""
    for tile in getattr(picture, "tile", ()):
        arguments = tile[3]
        return str(arguments if isinstance(arguments, str) else (arguments or ("",))[0])
    return ""


def _with_raw_mode(tile: Any, raw_mode: str) -> Any:
    arguments = raw_mode if isinstance(tile[3], str) else (raw_mode, *tile[3][1:])
    # Before its version 11, Pillow has plain tuples.
    return type(tile)(*tile[:3], arguments) if hasattr(tile, "_fields") else (*tile[:3], arguments)


def _bytes(stream: BinaryIO, frame: int, raw_mode: str) -> np.ndarray:
    """Return one of the two bytes of each value in a picture of 16 bits."""
    from PIL import ImageOps

    stream.seek(0)
    picture = _opened(stream)
    if frame:
        picture.seek(frame)
    picture.tile = [_with_raw_mode(tile, raw_mode) for tile in picture.tile]
    return np.asarray(ImageOps.exif_transpose(picture))
