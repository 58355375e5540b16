"""How alike images are in brightness, contrast and structure: SSIM and MS-SSIM.

The values are those of torchmetrics 1.9: a Gaussian window of 11 pixels (sigma 1.5), K1 0.01,
K2 0.03, images mirrored at their edges, channels averaged. It is not called for them, as its
convolution of doubles takes 121 times an image's memory.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from medigan_hub.evaluation.pairs.base import Pair, PairMetric, Undefined

REACH = 5
"""Pixels that the window reaches to each side of its own."""
WINDOW = 2 * REACH + 1
KERNEL = np.exp(-np.square(np.arange(-REACH, REACH + 1) / 1.5) / 2)
KERNEL /= KERNEL.sum()
C1, C2 = 0.01**2, 0.03**2
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of each scale, the finest first. Source: Wang, Simoncelli & Bovik 2003."""


class Ssim(PairMetric):
    """The mean of the similarities around each pixel.

    Inside a region, the mean of those around its pixels; their windows may reach beyond it.
    """

    name = "SSIM"
    title = "structural similarity"
    source = "Wang et al. 2004, doi:10.1109/TIP.2003.819861"
    better = "higher"
    ideal = 1.0
    bounds = (-1.0, 1.0)

    def __call__(self, pair: Pair) -> float:
        """Return the value of a pair."""
        if min(pair.real.shape[:2]) <= REACH:
            raise Undefined(f"the images have {REACH} rows or columns, or fewer")
        if pair.region is None:
            return float(np.mean([(light * contrast).mean() for light, contrast in _local(pair)]))
        part = _around(pair.region)
        cut = Pair(pair.real[part], pair.synthetic[part])
        region = pair.region[part]
        return float(np.mean([(light * other)[region].mean() for light, other in _local(cut)]))


class MsSsim(PairMetric):
    """The product of contrast and structure over five scales, each of half the size.

    Of images with a side under 176 pixels there are fewer, as many as have room for the window,
    with their weights brought to the same sum; the name says how many.
    """

    name = "MS-SSIM"
    title = "structural similarity over several scales"
    source = "Wang, Simoncelli & Bovik 2003, doi:10.1109/ACSSC.2003.1292216"
    better = "higher"
    ideal = 1.0
    bounds = (0.0, 1.0)
    is_local = False

    def called(self, pair: Pair) -> str:
        """Return the name, with the number of scales where these are fewer."""
        count = scales(*pair.real.shape[:2])
        return self.name if count in (0, len(WEIGHTS)) else f"{self.name} ({count} scales)"

    def __call__(self, pair: Pair) -> float:
        """Return the value of a pair; what is negative at a scale counts as 0 there."""
        count = scales(*pair.real.shape[:2])
        if not count:
            raise Undefined("the images are too small for two scales")
        weights = np.array(WEIGHTS[:count]) * (sum(WEIGHTS) / sum(WEIGHTS[:count]))
        value = 1.0
        for number, weight in enumerate(weights):
            if number:
                pair = Pair(_halved(pair.real), _halved(pair.synthetic))
            means = [
                (light * contrast).mean()
                if number == count - 1
                else contrast[REACH:-REACH, REACH:-REACH].mean()
                for light, contrast in _local(pair)
            ]
            value *= max(float(np.mean(means)), 0.0) ** weight
        return value


def scales(height: int, width: int) -> int:
    """Return how many scales an image of so many pixels has: 2 to 5, or 0.

    >>> scales(176, 200), scales(64, 64), scales(21, 300)
    (5, 3, 0)
    """
    side = min(height, width)
    return next((n for n in range(len(WEIGHTS), 1, -1) if side >> (n - 1) >= WINDOW), 0)


def _local(pair: Pair) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield, for each channel, how alike brightness and contrast are around each pixel."""
    for channel in range(pair.real.shape[-1]):
        yield _of_channel(pair.real[:, :, channel], pair.synthetic[:, :, channel])


def _of_channel(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean, mean_of_other = _smooth(one), _smooth(other)
    variances = np.maximum(_smooth(one * one) - mean**2, 0)
    variances += np.maximum(_smooth(other * other) - mean_of_other**2, 0)
    together = _smooth(one * other) - mean * mean_of_other
    light = (2 * mean * mean_of_other + C1) / (mean**2 + mean_of_other**2 + C1)
    return light, (2 * together + C2) / (variances + C2)


def _smooth(channel: np.ndarray) -> np.ndarray:
    from scipy.ndimage import correlate1d

    rows = correlate1d(channel, KERNEL, axis=0, mode="mirror")
    return np.asarray(correlate1d(rows, KERNEL, axis=1, mode="mirror"))


def _around(region: np.ndarray) -> tuple[slice, slice]:
    """Return the part of an image that the windows of a region's pixels lie in."""
    rows, columns = (np.flatnonzero(region.any(axis)) for axis in (1, 0))
    return (
        slice(max(rows[0] - REACH, 0), rows[-1] + REACH + 1),
        slice(max(columns[0] - REACH, 0), columns[-1] + REACH + 1),
    )


def _halved(image: np.ndarray) -> np.ndarray:
    """Return the means of two by two pixels; an odd row or column at the end is left out."""
    height, width = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
    even = image[:height, :width]
    return np.asarray((even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4)
