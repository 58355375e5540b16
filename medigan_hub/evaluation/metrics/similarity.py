"""MS-SSIM of pairs: how alike the images of one set are.

Sources: Wang et al. (2003), "Multi-scale structural similarity for image quality assessment",
doi:10.1109/ACSSC.2003.1292216; of pairs as a measure of variety: Odena et al. (2017),
arXiv:1610.09585.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medigan_hub.evaluation.metrics.base import Groups, Metric

if TYPE_CHECKING:
    from numpy.typing import NDArray

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of the scales, each half the size of the one before; as published, they sum up to 1.0001."""
WINDOW, SIGMA = 11, 1.5
LUMINANCE, CONTRAST = 0.01**2, 0.03**2
"""What keeps the ratios stable, for values of 0 to 1."""
PAIRS = 500
"""That are drawn, at most."""
BATCH = 16
SEED = 0


class MultiScaleSimilarity(Metric):
    """Mean MS-SSIM of random pairs of synthetic images: 1, all the same, down to 0.

    Features are images, (N, height, width), 0 to 1, of 11 pixels at least. With fewer than 176
    there are fewer than five scales. Of 500 pairs at most.
    """

    name = "intra-MS-SSIM"
    title = "how alike pairs of images are"
    source = "Odena et al. (2017), arXiv:1610.09585"
    better = None
    ideal = None
    is_distance = False
    is_of_one_set = True
    extractors = ("pixels",)
    limits = (0.0, 1.0)

    def __call__(self, real: np.ndarray, synthetic: np.ndarray) -> float:
        return float(_of_pairs(synthetic, _pairs(len(synthetic))).mean())

    def left_out(self, real: np.ndarray, synthetic: np.ndarray, groups: Groups) -> np.ndarray:
        """Return the value of the drawn pairs without an image of each group.

        Pairs drawn anew would differ by chance, which is not what an interval asks for.
        """
        pairs = _pairs(len(synthetic))
        values, of = _of_pairs(synthetic, pairs), groups.synthetic[pairs]
        rest = [values[(of != group).all(axis=1)] for group in range(groups.count)]
        return np.array([each.mean() if each.size else np.nan for each in rest])


def ms_ssim(one: np.ndarray, other: np.ndarray) -> NDArray[np.float64]:
    """Return the multi-scale structural similarity of images, both (N, height, width): (N,).

    Values are 0 to 1, sides 11 pixels at least. Each scale is half the size of the one before,
    down to five, or to the last whose sides have 11 pixels; the weights of fewer are scaled to
    the same sum.
    """
    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    weights = np.array(WEIGHTS[: _scales(min(one.shape[1:]))])
    weights *= sum(WEIGHTS) / weights.sum()
    value = np.ones(len(one))
    for n, weight in enumerate(weights):
        luminance, structure = _terms(one, other)
        similar = luminance * structure if n == len(weights) - 1 else structure
        value *= similar.mean(axis=(1, 2)).clip(0) ** weight
        one, other = _halved(one), _halved(other)
    return value


def _pairs(number: int) -> NDArray[np.int64]:
    """Draw pairs of images: (n, 2); each image is in one before any is in a second."""
    rng = np.random.Generator(np.random.Philox(SEED))
    places = rng.permutation(number)
    found: list[tuple[int, int]] = []
    for step in range(1, number // 2 + 1):
        starts = [*range(0, number, 2), *range(1, number, 2)]
        if 2 * step == number:  # from the other half the same pairs would come again
            starts = list(range(step))
        found += [(places[n], places[(n + step) % number]) for n in starts]
        if len(found) >= PAIRS:
            break
    return np.array(found[:PAIRS])


def _of_pairs(images: np.ndarray, pairs: np.ndarray) -> NDArray[np.float64]:
    parts = (pairs[n : n + BATCH] for n in range(0, len(pairs), BATCH))
    return np.concatenate([ms_ssim(images[part[:, 0]], images[part[:, 1]]) for part in parts])


def _scales(side: int) -> int:
    return sum(side // 2**n >= WINDOW for n in range(len(WEIGHTS)))


def _halved(images: np.ndarray) -> NDArray[np.float64]:
    rows, columns = (size // 2 * 2 for size in images.shape[1:])
    even = images[:, :rows, :columns]
    down = even[:, ::2] + even[:, 1::2]
    return np.asarray((down[:, :, ::2] + down[:, :, 1::2]) / 4)


def _terms(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return luminance, and contrast by structure, at each place of the window."""
    down, across = (_smoothing(size) for size in one.shape[1:])
    mean, mean_other, square, square_other, product = (
        down @ each @ across.T for each in (one, other, one * one, other * other, one * other)
    )
    means = mean * mean_other
    squares = mean * mean + mean_other * mean_other
    luminance = (2 * means + LUMINANCE) / (squares + LUMINANCE)
    structure = (2 * (product - means) + CONTRAST) / (square + square_other - squares + CONTRAST)
    return luminance, structure


def _smoothing(size: int) -> NDArray[np.float64]:
    """Return what smooths a line of pixels wherever the window lies within: (n, size)."""
    away = np.arange(WINDOW) - WINDOW // 2
    window = np.exp(-(away**2) / (2 * SIGMA**2))
    matrix = np.zeros((size - WINDOW + 1, size))
    for n, row in enumerate(matrix):
        row[n : n + WINDOW] = window / window.sum()
    return matrix
