"""How different the images of a set are from each other."""

from __future__ import annotations

import numpy as np

from medigan_hub.evaluation.metrics.base import Groups, Metric
from medigan_hub.evaluation.metrics.blocks import squared_distances
from medigan_hub.evaluation.metrics.kernels import median_distance

MOST = 500
"""Images of which diversity is told: it grows with their number, which so is the same."""
PAIRS = 500
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of the scales, the finest first (Wang et al., 2003)."""
WINDOW, SIGMA = 11, 1.5
STABLE = 0.01**2, 0.03**2


class VendiScore(Metric):
    """The number of images that would be as diverse, were they all entirely different: 1 to N.

    The exponential of the entropy of the eigenvalues of a Gaussian kernel, whose width is the
    median distance among the real images. Of two sets of different size, as many of each count.
    """

    name = "Vendi"
    title = "effective number of different images"
    source = (
        "Friedman and Dieng, The Vendi score: a diversity evaluation metric for machine learning, "
        "TMLR 2023, https://arxiv.org/abs/2210.02410"
    )
    better = "higher"
    ideal = None
    is_distance = False
    is_of_one_set = True

    def __call__(self, real: np.ndarray, synthetic: np.ndarray) -> float:
        number = min(len(real), len(synthetic), MOST)
        places = np.linspace(0, len(synthetic) - 1, number).astype(int)
        rows = np.asarray(synthetic[places], np.float64).reshape(number, -1)
        rows = rows - rows.mean(axis=0)
        kernel = np.exp(squared_distances(rows, rows) / (-2 * median_distance(real) ** 2))
        shares = np.linalg.eigvalsh(kernel / number)
        shares = shares[shares > 0]
        return float(np.exp(-(shares * np.log(shares)).sum()))


class StructuralLikeness(Metric):
    """MS-SSIM of random pairs of synthetic images, on average: 1 where all are the same.

    Features are images, (N, height, width), 0 to 1.
    """

    name = "intra-MS-SSIM"
    title = "likeness of pairs of synthetic images"
    source = (
        "Wang et al., Multiscale structural similarity for image quality assessment, Asilomar "
        "2003, doi:10.1109/ACSSC.2003.1292216; of pairs: Odena et al., ICML 2017, "
        "https://arxiv.org/abs/1610.09585"
    )
    better = None
    ideal = None
    is_distance = False
    is_of_one_set = True
    extractors = ("pixels",)

    def __call__(self, real: np.ndarray, synthetic: np.ndarray) -> float:
        one, other = _pairs(len(synthetic))
        return float(likeness(synthetic, one, other).mean())

    def left_out(self, real: np.ndarray, synthetic: np.ndarray, groups: Groups) -> np.ndarray:
        """Return the means of the pairs that stay."""
        one, other = _pairs(len(synthetic))
        found = likeness(synthetic, one, other)
        belongs = groups.synthetic
        kept = [(belongs[one] != n) & (belongs[other] != n) for n in range(groups.count)]
        return np.array([found[keep].mean() if keep.any() else np.nan for keep in kept])


def _pairs(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of pairs of different images: the same for as many images."""
    rng = np.random.Generator(np.random.Philox(number))
    first, second = rng.permutation(number), rng.permutation(number)
    if number < 2 * PAIRS:  # each image with several others
        shifts = range(1, min(number, 1 + -(-PAIRS // number)))
        first = np.concatenate([first for _ in shifts])
        second = np.concatenate([np.roll(first[:number], shift) for shift in shifts])
    different = first != second
    return first[different][:PAIRS], second[different][:PAIRS]


def likeness(images: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the MS-SSIM of pairs of images, (N, height, width) from 0 to 1: (pairs,).

    As many of the five scales take part as a window of 11 pixels has room in, with their weights.
    """
    scales = 1
    while scales < len(WEIGHTS) and min(images.shape[1:]) >> scales >= WINDOW:
        scales += 1
    weights = np.array(WEIGHTS[:scales]) / sum(WEIGHTS[:scales])
    found = np.empty(len(one))
    for n, (first, second) in enumerate(zip(one, other, strict=True)):
        pair = np.stack([images[first], images[second]]).astype(np.float64)
        value = 1.0
        for scale, weight in enumerate(weights):
            luminance, structure = _compared(pair)
            term = structure if scale < scales - 1 else luminance * structure
            value *= max(0.0, float(term.mean())) ** weight
            height, width = (2 * (size // 2) for size in pair.shape[1:])
            pair = pair[:, :height, :width].reshape(2, height // 2, 2, width // 2, 2).mean((2, 4))
        found[n] = value
    return found


def _compared(pair: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how alike two images are at each place in luminance, and in contrast and structure."""
    one, other = pair
    maps = np.stack([one, other, one * one, other * other, one * other])
    mean, second, square, squares, product = _smooth(maps)
    variance, variances = square - mean**2, squares - second**2
    covariance = product - mean * second
    luminance = (2 * mean * second + STABLE[0]) / (mean**2 + second**2 + STABLE[0])
    structure = (2 * covariance + STABLE[1]) / (variance + variances + STABLE[1])
    return luminance, structure


def _smooth(maps: np.ndarray) -> np.ndarray:
    """Return maps under a Gaussian window, where it lies within them."""
    offsets = np.arange(WINDOW) - WINDOW // 2
    weights = np.exp(-(offsets**2) / (2 * SIGMA**2))
    weights /= weights.sum()
    for axis in (1, 2):
        size = maps.shape[axis] - WINDOW + 1
        maps = sum(  # type: ignore[assignment]
            weight * maps.take(range(n, n + size), axis=axis) for n, weight in enumerate(weights)
        )
    return maps
