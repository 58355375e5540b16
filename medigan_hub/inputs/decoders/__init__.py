"""Formats of input images: one file each, all found through the hook ``register_decoders``.

A file's format is told by its first bytes, whatever its name says.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NamedTuple

from medigan_hub import plugins
from medigan_hub.errors import HubError, HubWarning, PluginError, RequestError, shortened
from medigan_hub.hookspecs import hookimpl
from medigan_hub.inputs.decoders.array import ArrayDecoder
from medigan_hub.inputs.decoders.base import (
    HEAD_BYTES,
    Decoder,
    Frames,
    NoImage,
    NoPixels,
    Picture,
    check_safe,
)
from medigan_hub.inputs.decoders.dicom import DicomDecoder
from medigan_hub.inputs.decoders.nifti import NiftiDecoder
from medigan_hub.inputs.decoders.npz import NpzDecoder
from medigan_hub.inputs.decoders.pictures import PictureDecoder
from medigan_hub.inputs.decoders.tiff import TiffDecoder
from medigan_hub.reading import Reading

OWN = (
    PictureDecoder(),
    TiffDecoder(),
    DicomDecoder(),
    NiftiDecoder(),
    ArrayDecoder(),
    NpzDecoder(),
)
SUFFIXES = tuple(dict.fromkeys(suffix for decoder in OWN for suffix in decoder.suffixes))
"""Suffixes of the formats that the hub reads by itself; see ``suffixes``."""

_kept: ContextVar[tuple[Decoder, ...] | None] = ContextVar("formats", default=None)


class Opened(NamedTuple):
    """A file whose header was read."""

    path: Path
    decoder: Decoder
    frames: Frames


@hookimpl
def register_decoders() -> Iterable[Decoder]:
    """Return the hub's own decoders."""
    return OWN


def suffixes() -> tuple[str, ...]:
    """Return the suffixes of all formats: the hub's own, then those of extensions.

    >>> suffixes()[:3]
    ('.png', '.jpg', '.jpeg')
    """
    return tuple(dict.fromkeys(each for decoder in _known() for each in decoder.suffixes))


def looks_like_image(path: Path) -> bool:
    """Tell by its name, or by the beginning of its content, whether a file is to be an image."""
    if path.name.lower().endswith(suffixes()):
        return True
    start = _start(path)
    return any(decoder.often_bare and _knows(decoder, start) for decoder in _known())


def opened(path: Path, reading: Reading, *, is_safe: bool = True) -> Opened:
    """Read the header of a file, such as PNG, TIFF, JPEG, BMP, DICOM, NIfTI or NumPy.

    One that claims more pixels than can be opened safely is refused, unless ``is_safe`` is false.

    Raises
    ------
    RequestError
        The file is no image, is damaged, or claims more pixels than can be opened safely.
    NoPixels
        The file is whole, and of a kind that holds no image.
    """
    with faults_in_words(path):
        start = _start(path)
        if not start:
            raise RequestError(f"{path} is empty; give an image")
        for decoder in _known():
            if not _knows(decoder, start):
                continue
            try:
                frames = decoder.frames(path, reading)
            except NoImage:
                continue
            if frames.count < 1:
                raise RequestError(f"{path} holds no image")
            if is_safe:
                check_safe(path, frames.height, frames.width)
            return Opened(path, decoder, frames)
        raise NoImage


def picture(file: Opened, frame: int, reading: Reading) -> Picture:
    """Read one of the images in a file.

    Raises
    ------
    RequestError
        The file is damaged.
    """
    with faults_in_words(file.path):
        return file.decoder.read(file.path, frame, reading)


@contextmanager
def faults_in_words(path: Path) -> Iterator[None]:
    """Name the file in whatever goes wrong with it: decoders raise errors of every kind."""
    try:
        yield
    except (HubError, HubWarning, NoPixels):  # the second where warnings are errors
        raise
    except NoImage as error:
        *names, last = dict.fromkeys(decoder.called for decoder in _known())
        raise RequestError(
            f"{path} is not an image that can be read; give {', '.join(names)} or {last} files"
        ) from error
    except MemoryError as error:
        raise RequestError(f"{path} does not fit into memory; crop or scale it") from error
    except Exception as error:
        lines = str(getattr(error, "strerror", None) or error).strip().split("\n")
        reason = shortened(lines[0] or type(error).__name__)
        raise RequestError(f"{path} can't be read: {reason}") from error


def _knows(decoder: Decoder, start: bytes) -> bool:
    """Ask a decoder whether a file is of its format; one that fails is only warned of."""
    try:
        return decoder.knows(start)
    except Exception as error:
        reason = f"{type(error).__name__}: {shortened(error)}"
        warnings.warn(f"the decoder {decoder.format} fails: {reason}", HubWarning, stacklevel=1)
        return False


def _start(path: Path) -> bytes:
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise RequestError(f"{path} is neither a file nor a folder; give an image")
    with path.open("rb") as stream:
        return stream.read(HEAD_BYTES)


@contextmanager
def formats_kept() -> Iterator[None]:
    """Look for installed formats once within the block, and not again for each of many files."""
    token = _kept.set(tuple(_known()))
    try:
        yield
    finally:
        _kept.reset(token)


def _known() -> Iterable[Decoder]:
    kept = _kept.get()
    if kept is not None:
        return kept
    here = sys.modules[__name__]
    return plugins.registered(here, "register_decoders", "format", _format).values()


def _format(decoder: Any) -> str:
    """Return the name of a decoder's format; a ``PluginError`` says why it is no decoder."""
    if not isinstance(decoder, Decoder):
        raise PluginError("it is no Decoder")
    if not isinstance(getattr(decoder, "called", None), str):
        raise PluginError("it does not say what its files are called")
    found = getattr(decoder, "suffixes", None)
    if not isinstance(found, tuple) or not all(
        isinstance(each, str) and each[:1] == "." and each == each.lower() for each in found
    ):
        raise PluginError(f"its suffixes are {shortened(found)}; give a tuple as ('.png',)")
    return plugins.format_of(decoder)
