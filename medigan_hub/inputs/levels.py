"""Levels, channels and sizes: images brought into the form that models take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from medigan_hub.errors import RequestError, named
from medigan_hub.inputs.decoders.base import Picture
from medigan_hub.reading import Reading

BIT_DEPTHS = (12, 14, 16)
"""Bits that detectors deliver, in files of 16."""


class Extreme(NamedTuple):
    """The lowest or the highest value of some images, and the image that has it."""

    value: float
    name: str


@dataclass(frozen=True)
class Scale:
    """What is black and what is white where the files of images don't say, decided for all at once.

    Whole numbers of more than 8 bits (of 16-bit PNG and TIFF files, and arrays) have 12, 14 or
    16 bits, whichever is the least that holds the brightest pixel of all the images. Values in
    a unit of their own (DICOM without a window, NIfTI) reach from the lowest to the highest of
    all. Fractions (floating-point files and arrays) lie in [0, 1].
    """

    brightest: Extreme | None = None
    """Among images of whole numbers."""
    lowest: Extreme | None = None
    """Among images in a unit of their own, without padding."""
    highest: Extreme | None = None

    @classmethod
    def of(cls, pictures: Iterable[tuple[str, Picture]]) -> Scale:
        """Return the scale of images without ``known_levels`` of their own, by their names."""
        brightest = lowest = highest = None
        for name, picture in pictures:
            ends = _ends(picture)
            if ends is None:
                continue
            low, high = (Extreme(end, name) for end in ends)
            if picture.is_measured:
                lowest = low if lowest is None or low.value < lowest.value else lowest
                highest = high if highest is None or high.value > highest.value else highest
            elif brightest is None or high.value > brightest.value:
                brightest = high
        return cls(brightest, lowest, highest)

    @property
    def bits(self) -> int:
        """The bits that whole numbers have."""
        most = self.brightest.value if self.brightest else 0
        return next((bits for bits in BIT_DEPTHS if most < 2**bits), BIT_DEPTHS[-1])

    def words(self, count: int, *, advice: bool = False) -> list[str]:
        """Say what was decided for ``count`` images, and of what; nothing where nothing was.

        With ``advice``, say how to have it otherwise, too.
        """
        bits, window = (
            f" (say otherwise with {named(name)})" if advice else "" for name in ("bits", "window")
        )
        of_all = " of all" if count > 1 else ""
        found = []
        if self.brightest is not None and self.bits < BIT_DEPTHS[-1]:
            found.append(
                f"whole numbers are taken as {self.bits} bits, since the brightest pixel{of_all} "
                f"is {self.brightest.value:.10g}, in {self.brightest.name}{bits}"
            )
        if self.lowest is not None and self.highest is not None:
            found.append(
                f"black is {self.lowest.value:.6g} and white {self.highest.value:.6g}, the lowest "
                f"and the highest value{of_all}{window}"
            )
        return found


def _ends(picture: Picture) -> tuple[float, float] | None:
    """Return the lowest and the highest value that is not padding; None where there is none."""
    pixels = picture.pixels
    if picture.padding is not None:
        pixels = pixels[~picture.padding]
    if pixels.dtype.kind == "f":
        pixels = pixels[np.isfinite(pixels)]
    return (pixels.min().item(), pixels.max().item()) if pixels.size else None


def known_levels(picture: Picture, name: str, reading: Reading) -> tuple[float, float] | None:
    """Return what is black and white in an image by itself; None where a ``Scale`` decides.

    Raises
    ------
    RequestError
        It is no image, or its values have no known scale.
    """
    pixels = picture.pixels
    if pixels.ndim not in (2, 3) or 0 in pixels.shape:
        shape = pixels.shape if pixels.ndim != 2 else (*pixels.shape, 1)
        raise RequestError(
            f"{name} has the shape {shape}; "
            "an image has (height, width) or (height, width, channels)"
        )
    if pixels.dtype.kind not in "buif":
        raise RequestError(f"{name} holds {pixels.dtype} values; give numbers")
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        broken = pixels if picture.padding is None else pixels[~picture.padding]
        if not np.isfinite(broken).all():
            raise RequestError(
                f"{name} has values that are no numbers (NaN or infinite); "
                "scale fractions to 0 to 1, and fill what is missing"
            )
    if picture.levels is not None:
        return picture.levels
    if pixels.dtype == np.bool_:
        return 0, 1
    if pixels.dtype == np.uint8 and not picture.is_measured:
        return 0, 255
    if isinstance(reading.window, tuple):
        center, width = reading.window
        return center - width / 2, center + width / 2
    if picture.is_measured:
        return None
    low, high = pixels.min().item(), pixels.max().item()
    if pixels.dtype.kind == "f":
        if low < 0 or high > 1:
            raise RequestError(
                f"{name} has values from {low:g} to {high:g}; scale fractions to 0 to 1, or say "
                f"what is black and white with {named('window', 'CENTER,WIDTH')}"
            )
        return 0, 1
    if low < 0 or high > 65535:
        raise RequestError(
            f"{name} has values from {low} to {high}; scale them to 0 to 65535, or say "
            f"what is black and white with {named('window', 'CENTER,WIDTH')}"
        )
    if reading.bits is None:
        return None
    if high >= 2**reading.bits:
        raise RequestError(
            f"{name} has values up to {high}, which {reading.bits} bits don't hold; "
            f"give more {named('bits')}, or leave that out"
        )
    return 0, 2**reading.bits - 1


def wishes_obeyed(picture: Picture, reading: Reading) -> frozenset[str]:
    """Return the wishes about levels that an image depends on."""
    if picture.levels is None and picture.pixels.dtype not in (np.bool_, np.uint8):
        whole = not picture.is_measured and picture.pixels.dtype.kind in "ui"
        own = {"window"} if isinstance(reading.window, tuple) else {"bits"} if whole else set()
        return picture.obeys | own
    return picture.obeys


def shown(
    picture: Picture, name: str, reading: Reading, scale: Scale | None = None
) -> np.ndarray | None:
    """Bring an image into the form that models take: uint8 or uint16, the whole range.

    Returns
    -------
    (height, width, channels); None where ``scale`` is needed, and was not given.
    """
    levels = known_levels(picture, name, reading)
    if levels is None:
        if scale is None:
            return None
        if not picture.is_measured:
            levels = 0, 2**scale.bits - 1
        elif scale.lowest is not None and scale.highest is not None:
            levels = scale.lowest.value, scale.highest.value
        else:  # all is padding
            levels = 0, 1
    pixels = picture.pixels
    if pixels.ndim == 2:
        pixels = pixels[:, :, np.newaxis]
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8)
        if levels == (0, 1):
            pixels, levels = pixels * np.uint8(255), (0, 255)
    if pixels.dtype == np.uint8 and levels == (0, 255):
        white, result = 255, pixels
    elif pixels.dtype.kind in "ui" and levels == (0, 65535):
        white, result = 65535, np.clip(pixels, 0, 65535).astype(np.uint16)
    else:
        low, high = levels
        white, values = 65535, pixels.astype(np.float64)
        values -= low
        values *= white / max(high - low, 1e-300)
        values[~np.isfinite(values)] = 0  # padding alone
        result = np.rint(np.clip(values, 0, white)).astype(np.uint16)
    if picture.is_inverse:
        result = result.dtype.type(white) - result
    if picture.padding is not None:
        result = np.where(picture.padding[:, :, np.newaxis], result.dtype.type(0), result)
    return result


def with_channels(image: np.ndarray, wanted: int) -> np.ndarray:
    """Bring an image to one channel (its luma, ITU-R BT.601) or three; others stay as they are.

    >>> with_channels(np.full((1, 1, 3), 7, np.uint8), 1).tolist()
    [[[7]]]
    """
    found = image.shape[-1]
    if found == wanted:
        return image
    if found in (2, 4):  # the last is the opacity
        image = image[:, :, :-1]
    if wanted == 3 and image.shape[-1] == 1:
        return image.repeat(3, axis=-1)
    if wanted == 1 and image.shape[-1] == 3:
        return np.asarray(np.rint(luma(image)).astype(image.dtype))
    return image


def luma(image: np.ndarray) -> np.ndarray:
    """Return how bright red, green and blue are together: (..., 3) to (..., 1) float64.

    Source: ITU-R BT.601-7, section 2.5.1.

    >>> luma(np.array([[[0, 100, 0]]], np.uint8)).tolist()
    [[[58.699999999999996]]]
    """
    return np.asarray(image.astype(np.float64) @ np.array([[0.299], [0.587], [0.114]]))


def resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bring an 8- or 16-bit image (height, width, channels) to ``size``, by cubic interpolation."""
    if image.shape[:2] == size:
        return image
    from PIL import Image

    values = image if image.dtype == np.uint8 else image.astype(np.float32)
    channels = [
        Image.fromarray(channel).resize((size[1], size[0]), Image.Resampling.BICUBIC)
        for channel in np.moveaxis(values, -1, 0)
    ]
    pixels: np.ndarray = np.stack([np.asarray(channel) for channel in channels], axis=-1)
    if image.dtype == np.uint8:
        return pixels
    pixels = np.clip(np.rint(pixels), 0, np.iinfo(image.dtype).max)
    return pixels.astype(image.dtype)


def grey_range(image: np.ndarray) -> tuple[float, float]:
    """Return the 1st and 99th percentile of an image's values, of the range of its type: 0 to 1.

    Of a large image, as many rows and columns are looked at as make a million pixels.
    """
    step = max(1, int((image.shape[0] * image.shape[1] / 1e6) ** 0.5))
    low, high = np.percentile(image[::step, ::step], (1, 99)) / np.iinfo(image.dtype).max
    return float(low), float(high)


def is_grey(image: np.ndarray) -> bool:
    """Tell whether an image (height, width, channels) shows no colour."""
    return image.shape[-1] == 1 or (image.shape[-1] == 3 and bool((image[:, :, :1] == image).all()))
