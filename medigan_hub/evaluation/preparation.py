"""From an image as it was read to what an extractor is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medigan_hub.errors import RequestError, listed, named, shortened
from medigan_hub.inputs import luma, with_channels

if TYPE_CHECKING:
    from medigan_hub.evaluation.extractors import Extractor

PROTOCOLS = ("hub", "medigan")
NORMALIZE = ("none", "minmax", "both")

BITS = 11
"""Of the weights that OpenCV interpolates with, as whole numbers."""


@dataclass(frozen=True)
class Preparation:
    """How images are brought to size, channels and range, the same for all.

    The protocol ``hub`` keeps 16 bits as fractions, and resizes by bicubic interpolation with
    antialiasing. ``medigan`` repeats what medigan's script does (``tests/fid.py`` in
    https://github.com/RichardObi/medigan): 8 bits, bilinear without antialiasing, min-max in 8
    bits, blue first as OpenCV reads. That the counts of real and synthetic images are
    equal is up to whoever chooses the images.

    Raises
    ------
    RequestError
        There is no such protocol.
    """

    is_normalized: bool = False
    """Whether each image's least and greatest value become 0 and 1 (min-max), over all its
    channels, once it has its size. An image of one value becomes 0."""
    protocol: str = "hub"

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise RequestError(
                f"{named('protocol')} is {shortened(self.protocol)!r}; "
                f"use {listed(PROTOCOLS, ' or ')}"
            )

    @classmethod
    def ways(cls, normalize: str, protocol: str = "hub") -> list[Preparation]:
        """Return the ways that are asked for: ``none``, ``minmax`` or ``both``.

        Raises
        ------
        RequestError
            There is no such way, or protocol.
        """
        if protocol not in PROTOCOLS:
            raise RequestError(
                f"there is no {named('protocol')} {shortened(protocol)!r}; use {listed(PROTOCOLS)}"
            )
        if normalize not in NORMALIZE:
            raise RequestError(
                f"{named('normalize')} is {shortened(normalize)!r}; use {listed(NORMALIZE)}"
            )
        ways = {"none": (False,), "minmax": (True,), "both": (False, True)}[normalize]
        return [cls(way, protocol) for way in ways]

    @property
    def words(self) -> str:
        """What was done, as it is recorded, and as it tells features in the cache apart."""
        how = (
            "medigan: 8 bits, bilinear without antialiasing, BGR"
            if self.protocol == "medigan"
            else "hub: bicubic with antialiasing"
        )
        return f"{how}, min-max" if self.is_normalized else how

    @property
    def normalize(self) -> str:
        """What figures call it: ``none`` or ``minmax``."""
        return "minmax" if self.is_normalized else "none"

    def check(self, extractor: Extractor) -> None:
        """Make sure that images can be prepared so for an extractor.

        Raises
        ------
        RequestError
            They can't: medigan's way is for networks that take colour images of one size.
        """
        if self.protocol == "medigan" and (extractor.size is None or extractor.channels != 3):
            raise RequestError(
                f"{named('protocol', 'medigan')} is for networks that take colour images of one "
                f"size, as radimagenet and inception do; leave {extractor.name} or "
                f"{named('protocol')} out"
            )

    def __call__(self, image: np.ndarray, extractor: Extractor) -> np.ndarray:
        """Return an image, (height, width, channels) uint8, uint16 or fractions, as prepared.

        (height, width, ``extractor.channels``) float32, 0 to 1, of ``extractor.size`` where there
        is one.

        Raises
        ------
        RequestError
            It has another form, or values that are no fractions.
        """
        self.check(extractor)
        _check(image)
        prepare = _as_medigan if self.protocol == "medigan" else _as_hub
        size = extractor.size or image.shape[:2]
        return prepare(image, size, extractor.channels, self.is_normalized)


def fractions(image: np.ndarray, size: tuple[int, int], channels: int) -> np.ndarray:
    """Return an image as the protocol ``hub`` prepares it: (*size, channels) float32, 0 to 1.

    Raises
    ------
    RequestError
        It has another form than (height, width, channels), or values that are no fractions.
    """
    _check(image)
    return _as_hub(image, size, channels, is_normalized=False)


def _check(image: np.ndarray) -> None:
    if image.ndim != 3 or 0 in image.shape or image.shape[-1] > 4:
        raise RequestError(
            f"an image has the shape {image.shape}; an image has (height, width, channels), and "
            "its channels are grey or colours, with or without opacity"
        )
    if image.dtype in (np.uint8, np.uint16):
        return
    if image.dtype.kind != "f":
        raise RequestError(f"an image holds {image.dtype} values; give uint8, uint16 or fractions")
    low, high = image.min(), image.max()
    if not (low >= 0 and high <= 1):  # NaN is neither
        raise RequestError(
            f"an image has values from {low:g} to {high:g}; scale fractions to 0 to 1, and fill "
            "what is missing (NaN)"
        )


def _as_hub(
    image: np.ndarray, size: tuple[int, int], channels: int, is_normalized: bool
) -> np.ndarray:
    white = np.iinfo(image.dtype).max if image.dtype.kind == "u" else 1
    values: np.ndarray = image.astype(np.float32) / np.float32(white)
    if values.shape[-1] in (2, 4):  # the last is the opacity
        values = values[:, :, :-1]
    if channels == 1 and values.shape[-1] == 3:
        values = np.clip(luma(values), 0, 1).astype(np.float32)  # the weights sum to 1 + rounding
    values = _cubic(values, size)
    if is_normalized:
        low, high = values.min(), values.max()
        values = (values - low) / (high - low if high > low else 1)
    return with_channels(values, channels)


def _cubic(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bring fractions to a size, each channel by itself; what overshoots is cut off."""
    if image.shape[:2] == size:
        return image
    from PIL import Image

    channels = [
        Image.fromarray(channel).resize((size[1], size[0]), Image.Resampling.BICUBIC)
        for channel in np.moveaxis(image, -1, 0)
    ]
    pixels: np.ndarray = np.stack([np.asarray(channel) for channel in channels], axis=-1)
    return np.asarray(np.clip(pixels, 0, 1))


def _as_medigan(
    image: np.ndarray, size: tuple[int, int], channels: int, is_normalized: bool
) -> np.ndarray:
    blue_first = with_channels(_in_8_bits(image), channels)[:, :, ::-1]
    values: np.ndarray = _linear(blue_first, size).astype(np.float32)
    if is_normalized:
        low, high = values.min(), values.max()
        values = np.rint((values - low) * np.float32(255 / max(high - low, 1)))
    return values / np.float32(255)


def _in_8_bits(image: np.ndarray) -> np.ndarray:
    """Return an image in 8 bits, as OpenCV reads files of 16: without the lower ones."""
    if image.dtype == np.uint8:
        return image
    if image.dtype == np.uint16:
        return np.asarray(image >> 8, np.uint8)
    return np.asarray(np.rint(image * 255), np.uint8)


def _linear(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize an 8-bit image by bilinear interpolation without antialiasing, as OpenCV does.

    Pixels are squares whose centres lie at halves, and sums are rounded as OpenCV's
    whole numbers of 11 bits round them.
    """
    if image.shape[:2] == size:
        return image
    (above, below, down), (left, right, across) = (
        _neighbours(image.shape[axis], size[axis]) for axis in (0, 1)
    )
    whole = 1 << BITS
    across = across[:, np.newaxis]
    first, second = (
        rows[:, left] * (whole - across) + rows[:, right] * across
        for rows in (image[above].astype(np.int32), image[below].astype(np.int32))
    )
    down = down[:, np.newaxis, np.newaxis]
    # Four bits of the first sum go before the second, sixteen after, and the last two are rounded.
    total = (((whole - down) * (first >> 4)) >> 16) + ((down * (second >> 4)) >> 16)
    return np.asarray((total + 2) >> 2, np.uint8)


def _neighbours(length: int, wanted: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return between which two pixels of a line each of the ``wanted`` lies, and how near the 2nd.

    The last is a share of ``1 << BITS``.
    """
    places = (np.arange(wanted) + 0.5) * (length / wanted) - 0.5
    places = np.clip(places, 0, length - 1)
    first = np.floor(places).astype(np.intp)
    share = np.rint((places - first) * (1 << BITS)).astype(np.int32)
    return first, np.minimum(first + 1, length - 1), share
