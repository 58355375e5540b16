"""Levels, channels and sizes: images brought into the form that models take."""

from __future__ import annotations

import warnings

import numpy as np

from medigan_hub.errors import HubWarning, RequestError

BIT_DEPTHS = (12, 14, 16)


def normalised(array: np.ndarray, name: str) -> np.ndarray:
    """Bring an image into the form that models take: uint8 or uint16, whole range.

    Floating-point values must lie in [0, 1]. Whole numbers beyond 8 bits are
    taken to have 12, 14 or 16 bits, whichever is the least that holds the
    brightest pixel: detectors deliver 12 or 14 in files of 16.

    Raises
    ------
    RequestError
        The array is not an image, or its values have no known scale.

    >>> normalised(np.array([[0.0, 1.0]]), "ramp").ravel().tolist()
    [0, 65535]
    """
    if array.ndim == 2:
        array = array[:, :, np.newaxis]
    if array.ndim != 3 or 0 in array.shape:
        raise RequestError(
            f"{name} has the shape {array.shape}; "
            "an image has (height, width) or (height, width, channels)"
        )
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind not in "uif":
        raise RequestError(f"{name} holds {array.dtype} values; give numbers")
    low, high = array.min().item(), array.max().item()
    if array.dtype.kind == "f":
        if not (low >= 0 and high <= 1):
            raise RequestError(
                f"{name} has values from {low:g} to {high:g}; scale fractions to 0 to 1"
            )
        return np.rint(array.astype(np.float64) * 65535).astype(np.uint16)
    if low < 0 or high > 65535:
        raise RequestError(f"{name} has values from {low} to {high}; scale them to 0 to 65535")
    bits = next(bits for bits in BIT_DEPTHS if high < 2**bits)
    if bits == 16:
        return array.astype(np.uint16)
    warnings.warn(
        f"the brightest pixel of {name} is {high}: taken as an image of {bits} bits", HubWarning, 2
    )
    scaled: np.ndarray = np.rint(array.astype(np.float64) * (65535 / (2**bits - 1)))
    return scaled.astype(np.uint16)


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


def is_grey(image: np.ndarray) -> bool:
    """Tell whether an image (height, width, channels) shows no colour."""
    return image.shape[-1] == 1 or (image.shape[-1] == 3 and bool((image[:, :, :1] == image).all()))
