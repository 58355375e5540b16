"""Formats of input images: one file each, all found through the hook ``register_decoders``.

A file's format is told by its first bytes, whatever its name says.
"""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from medigan_hub import plugins
from medigan_hub.errors import HubError, HubWarning, PluginError, RequestError, shortened
from medigan_hub.hookspecs import hookimpl
from medigan_hub.inputs.decoders.array import ArrayDecoder
from medigan_hub.inputs.decoders.base import HEAD_BYTES, Decoder, NoImage
from medigan_hub.inputs.decoders.dicom import DicomDecoder
from medigan_hub.inputs.decoders.pictures import PictureDecoder
from medigan_hub.inputs.levels import normalised

OWN = (PictureDecoder(), DicomDecoder(), ArrayDecoder())
SUFFIXES = tuple(suffix for decoder in OWN for suffix in decoder.suffixes)
"""Suffixes of the formats that the hub reads by itself; see ``suffixes``."""


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
    """Tell whether a file in a folder is to be taken for an image; a hidden one is not."""
    if path.name.startswith("."):
        return False
    if path.name.lower().endswith(suffixes()):
        return True
    start = _start(path)
    return any(decoder.often_bare and _knows(decoder, start) for decoder in _known())


def read(path: Path) -> np.ndarray:
    """Read one image file, such as PNG, TIFF, JPEG, BMP, DICOM or NumPy.

    Raises
    ------
    RequestError
        The file is no image, is damaged, or holds several images.
    """
    with faults_in_words(path):
        return normalised(_decoder(path).read(path), path.name)


def stack(path: Path) -> np.ndarray | None:
    """Return the images of a file that holds several, as a whole; None where it is of one image.

    Raises
    ------
    RequestError
        As for ``read``.
    """
    with faults_in_words(path):
        return _decoder(path).stack(path)


def check_size(path: Path, most_pixels: int) -> None:
    """Make sure that an image file claims no more pixels than can be taken, before it is decoded.

    Its header alone is read: a small file may claim any number. A stack of
    images counts as a whole.

    Raises
    ------
    RequestError
        It claims more than ``most_pixels``, or ``read`` would not take it for its header.
    """
    with faults_in_words(path):
        size = _decoder(path).size(path)
        if math.prod(size) > most_pixels:
            most = f"{most_pixels / 1e6:.3g} million" if most_pixels >= 1e6 else most_pixels
            raise RequestError(
                f"{path.name} has {' x '.join(map(str, size))} pixels; at most {most} are taken "
                "here: crop or scale it"
            )


@contextmanager
def faults_in_words(path: Path) -> Iterator[None]:
    """Name the file in whatever goes wrong with it: decoders raise errors of every kind."""
    try:
        yield
    except (HubError, HubWarning):  # the latter where warnings are errors
        raise
    except NoImage as error:
        *names, last = (decoder.called for decoder in _known())
        raise RequestError(
            f"{path} is not an image that can be read; give {', '.join(names)} or {last} files"
        ) from error
    except MemoryError as error:
        raise RequestError(f"{path} does not fit into memory; crop or scale it") from error
    except Exception as error:
        lines = str(getattr(error, "strerror", None) or error).strip().split("\n")
        raise RequestError(f"{path} can't be read: {lines[0] or type(error).__name__}") from error


def _decoder(path: Path) -> Decoder:
    """Return the decoder of a file: the first that knows it, the hub's own before all others."""
    start = _start(path)
    if not start:
        raise RequestError(f"{path} is empty; give an image")
    for decoder in _known():
        if _knows(decoder, start):
            return decoder
    raise NoImage


def _knows(decoder: Decoder, start: bytes) -> bool:
    """Ask a decoder whether a file is of its format; one that fails is only warned of."""
    try:
        return decoder.knows(start)
    except Exception as error:
        reason = f"{type(error).__name__}: {shortened(error)}"
        warnings.warn(f"the decoder {decoder.format} fails: {reason}", HubWarning, stacklevel=1)
        return False


def _start(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(HEAD_BYTES)


def _known() -> Iterable[Decoder]:
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
