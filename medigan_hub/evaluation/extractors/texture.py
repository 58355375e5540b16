"""Texture of grey images in 59 numbers: no network, no download, nothing but NumPy.

Sources: Burt & Adelson, "The Laplacian pyramid as a compact image code", IEEE Transactions on
Communications 31 (1983), 532-540; Haralick et al., "Textural features for image classification",
IEEE Transactions on Systems, Man, and Cybernetics 3 (1973), 610-621.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from medigan_hub.evaluation.extractors.base import Extractor

STEPS = 4096
"""Grey levels that are told apart: less is rounding, as of an image that was resized."""
BANDS = 4
RINGS = 8
"""Rings of spatial frequency, from two waves in the picture to those of two pixels."""
LEVELS = 16
DISTANCES = (1, 2, 4, 8)
"""Pixels between the two whose grey levels are counted together."""
DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))


class Texture(Extractor):
    """Grey levels, the bands of a Laplacian pyramid, differences, spectrum and co-occurrence.

    In this order: mean, deviation, skewness, kurtosis and five percentiles of the grey levels (9);
    deviation and kurtosis of four bands and of what they leave (10); size of the differences
    between neighbours, its ratio between both directions, and their kurtosis, at two scales (8);
    power in eight rings of spatial frequency (8), and its ratios between directions, of coarse and
    of fine waves (4); contrast, correlation, homogeneity, energy and entropy of the co-occurrence
    of grey levels at four distances (20).

    Images are brought to one size first: most of these numbers depend on how many pixels show
    something. What is finer than a 128th of the picture therefore counts little in larger images;
    give patches where it matters.
    """

    name = "texture"
    title = "texture: grey levels, pyramid, spectrum and co-occurrence"
    size = (128, 128)
    scaling = "robust"

    @property
    def shape(self) -> tuple[int, ...]:
        return (9 + 2 * (BANDS + 1) + 8 + RINGS + 4 + 5 * len(DISTANCES),)

    def features(self, images: Sequence[np.ndarray]) -> np.ndarray:
        return np.array([_described(image[:, :, 0]) for image in images], np.float32)


def _described(image: np.ndarray) -> list[float]:
    """Return the features of a grey image, (height, width) in [0, 1]."""
    steps = np.rint(image * STEPS).astype(np.intp)
    image = steps.astype(np.float32) / STEPS
    share = np.bincount(steps.ravel(), minlength=STEPS + 1).cumsum() / steps.size
    bands, coarser = _pyramid(image)
    found = _levels(image, share)
    for band in bands:
        found += _moments(band)[1:]
    for scale in (image, coarser):
        found += _differences(scale)
    return found + _spectrum(image) + _cooccurrence(steps, share)


def _levels(image: np.ndarray, share: np.ndarray) -> list[float]:
    mean, deviation = image.mean(), image.std()
    scaled = (image - mean) / (deviation + 1 / STEPS)
    skewness = (scaled * scaled * scaled).mean()  # many times as fast as a power of 3
    percentiles = np.searchsorted(share, (0.05, 0.25, 0.5, 0.75, 0.95)) / STEPS
    return [mean, deviation, skewness, _moments(image)[2], *percentiles]


def _moments(values: np.ndarray) -> list[float]:
    """Return mean, log of the deviation, and log(1 + kurtosis).

    The last is 0 where all are equal, 1.4 of normal values, and more with outliers.
    """
    mean = values.mean()
    square = (values - mean) ** 2
    variance = square.mean()
    kurtosis = (square**2).mean() / (variance + 1 / STEPS**2) ** 2
    return [float(mean), float(np.log(variance + 1 / STEPS**2)) / 2, float(np.log1p(kurtosis))]


def _pyramid(image: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the bands of an image, with what is left of it last; and the image half as large."""
    bands, scales = [], [image]
    for _ in range(BANDS):
        image = scales[-1]
        smooth = _smoothed(_smoothed(image).T).T
        bands.append(image - smooth)
        scales.append(smooth[::2, ::2])
    return [*bands, scales[-1]], scales[1]


def _smoothed(image: np.ndarray) -> np.ndarray:
    """Blur each column by the binomial weights 1, 4, 6, 4, 1."""
    padded = image[_mirrored(len(image))]
    far, near = padded[:-4] + padded[4:], padded[1:-3] + padded[3:-1]
    smoothed: np.ndarray = (far + 4 * near + 6 * image) / 16
    return smoothed


@lru_cache(maxsize=32)
def _mirrored(length: int) -> np.ndarray:
    return np.pad(np.arange(length), 2, mode="reflect")


def _differences(image: np.ndarray) -> list[float]:
    """Return log of the size of both directions' differences, of their ratio; and their tails."""
    (_, down, first), (_, right, second) = (_moments(np.diff(image, axis=n)) for n in (0, 1))
    return [down + right, down - right, first, second]


def _spectrum(image: np.ndarray) -> list[float]:
    """Return log power by frequency, and logs of ratios between directions."""
    window, ring, sector = _waves(*image.shape)
    power = np.abs(np.fft.rfft2((image - image.mean()) * window)) ** 2
    found = np.log(_means(power, ring, RINGS) + 1 / STEPS**2)
    right, down, falling, rising = np.log(_means(power, sector, 8) + 1 / STEPS**2).reshape(4, 2)
    return [*found, *(right - down), *(falling - rising)]


def _means(power: np.ndarray, groups: np.ndarray, count: int) -> np.ndarray:
    """Return the mean power of each group, from 0 on; what is in the last one is in none."""
    totals = np.bincount(groups, power.ravel(), count + 1)[:count]
    means: np.ndarray = totals / np.maximum(np.bincount(groups, minlength=count + 1)[:count], 1)
    return means


@lru_cache(maxsize=32)
def _waves(height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a window whose squares sum up to 1; and the ring and the sector of each wave.

    Sectors are of 45 degrees about both axes and both diagonals, each for coarse and fine waves.
    """
    window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1])
    rows, columns = np.meshgrid(np.fft.fftfreq(height), np.fft.rfftfreq(width), indexing="ij")
    frequency = np.hypot(rows, columns)
    edges = np.geomspace(2 / max(height, width, 5), 0.5, RINGS + 1)
    ring = np.digitize(frequency, edges) - 1
    ring[(ring < 0) | (ring >= RINGS)] = RINGS
    # Eighths of a turn; half a turn is the same direction. Of each pair, one follows the other.
    eighth = np.rint(np.arctan2(rows, columns) / (np.pi / 4)).astype(int) % 4
    sector = 2 * np.array([0, 2, 1, 3])[eighth] + (frequency >= 1 / 8)
    sector[ring == RINGS] = 8
    return window / np.sqrt((window**2).sum()), ring.ravel(), sector.ravel()


def _cooccurrence(steps: np.ndarray, share: np.ndarray) -> list[float]:
    """Return Haralick's figures of grey levels that are equally frequent, as he has them."""
    middle = share - np.diff(share, prepend=0) / 2
    ranks = (LEVELS * middle).astype(np.intp)[steps]
    found: list[float] = []
    for distance in DISTANCES:
        counts = np.zeros((LEVELS, LEVELS))
        for down, right in DIRECTIONS:
            one, other = _pairs(ranks, down * distance, right * distance)
            joint = np.bincount((LEVELS * one + other).ravel(), minlength=LEVELS**2)
            counts += joint.reshape(LEVELS, LEVELS)
        found += _haralick(counts + counts.T)
    return found


def _pairs(ranks: np.ndarray, down: int, right: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels that have a neighbour so far away, and these neighbours."""
    height, width = ranks.shape
    one = ranks[: height - down, max(0, -right) : width - max(0, right)]
    return one, ranks[down:, max(0, right) : width - max(0, -right)]


APART = np.subtract.outer(np.arange(LEVELS), np.arange(LEVELS)) ** 2.0


def _haralick(counts: np.ndarray) -> list[float]:
    share = counts / max(counts.sum(), 1)
    levels = np.arange(LEVELS)
    mean = share.sum(axis=0) @ levels
    variance = share.sum(axis=0) @ (levels - mean) ** 2
    contrast = (share * APART).sum()
    # Of symmetric counts: contrast = 2 variance (1 - correlation).
    correlation = 1 - contrast / (2 * variance) if variance > 0 else 1.0
    present = share[share > 0]
    return [
        float(np.log1p(contrast)),
        float(correlation),
        float((share / (1 + APART)).sum()),
        float(np.log((share**2).sum() + 1 / STEPS)),
        float(-(present * np.log(present)).sum()),
    ]
