"""Maximum mean discrepancy: how far two sets are apart in the space of a kernel.

Source: Gretton et al. (2012), "A kernel two-sample test", JMLR 13:723-773. Both metrics are the
squared distance, by the estimate without bias: around equal distributions it is 0 on average, and
so below 0 half of the time.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from medigan_hub.evaluation.metrics.base import Groups, Metric
from medigan_hub.evaluation.metrics.blocks import blocks, centre, flat, read, squares

if TYPE_CHECKING:
    from numpy.typing import NDArray

Kernel = Callable[[np.ndarray, np.ndarray], np.ndarray]
SAMPLE = 1000
"""Images of each set, evenly spread over it, that the bandwidth is taken from, at most."""


class _Discrepancy(Metric):
    """Squared maximum mean discrepancy of a kernel; over all images, not over subsets."""

    @abstractmethod
    def kernel(self, real: np.ndarray, synthetic: np.ndarray) -> Kernel:
        """Return the kernel for two sets: of (n, d) and (m, d) it makes (n, m)."""

    def __call__(self, real: np.ndarray, synthetic: np.ndarray) -> float:
        alone = Groups(np.zeros(len(real), int), np.zeros(len(synthetic), int), 1)
        return float(self._values(real, synthetic, alone, np.eye(1))[0])

    def left_out(self, real: np.ndarray, synthetic: np.ndarray, groups: Groups) -> np.ndarray:
        """Return the value without each group, by the kernel of the whole sets."""
        return self._values(real, synthetic, groups, 1 - np.eye(groups.count))

    def _values(
        self, real: np.ndarray, synthetic: np.ndarray, groups: Groups, kept: np.ndarray
    ) -> NDArray[np.float64]:
        """Return the value of each choice of groups, a row of ``kept``: 1 for those that count."""
        kernel, count = self.kernel(real, synthetic), groups.count
        means = []
        for one, other, rows, columns in (
            (real, real, groups.real, groups.real),
            (synthetic, synthetic, groups.synthetic, groups.synthetic),
            (real, synthetic, groups.real, groups.synthetic),
        ):
            sums = _sums(one, other, rows, columns, count, kernel)
            of_rows, of_columns = (
                kept @ np.bincount(each, minlength=count) for each in (rows, columns)
            )
            pairs = of_rows * (of_columns - (one is other))
            means.append(np.einsum("ig,gh,ih->i", kept, sums, kept) / pairs)
        return np.asarray(means[0] + means[1] - 2 * means[2])


class KID(_Discrepancy):
    """Kernel distance with the kernel (x . y / d + 1)^3 of d features.

    As KID is published it is the mean over subsets; this takes all images at once, which is
    what such a mean goes towards.
    """

    name = "KID"
    title = "kernel distance (polynomial kernel), unbiased"
    source = "Binkowski et al. (2018), Demystifying MMD GANs, arXiv:1801.01401"

    def kernel(self, real: np.ndarray, synthetic: np.ndarray) -> Kernel:
        """Return the polynomial kernel."""
        length = flat(real).shape[1]

        def polynomial(one: np.ndarray, other: np.ndarray) -> np.ndarray:
            values = one @ other.T / length + 1
            return np.asarray(values * values * values)

        return polynomial


class MMD(_Discrepancy):
    """Kernel distance with a Gaussian kernel, as wide as the median distance of two images.

    The median is over all pairs of both sets pooled (of up to 1,000 images of each); pairs of
    equal images do not count. The square is given, not its root.
    """

    name = "MMD"
    title = "kernel distance (Gaussian kernel), squared, unbiased"
    source = "Gretton et al. (2012), A kernel two-sample test, JMLR 13:723-773"

    def kernel(self, real: np.ndarray, synthetic: np.ndarray) -> Kernel:
        """Return exp(-|x - y|^2 / (2 b^2)), where b is the median distance."""
        middle = centre(real)
        pooled = np.concatenate([_spread(real), _spread(synthetic)]) - middle
        found = squares(pooled, pooled)[~np.tri(len(pooled), dtype=bool)]
        apart = found[found > 0]
        squared = float(np.median(np.sqrt(apart)) ** 2) if apart.size else 1.0

        def gaussian(one: np.ndarray, other: np.ndarray) -> np.ndarray:
            values = squares(one - middle, other - middle)
            values /= -2 * squared
            return np.asarray(np.exp(values, out=values))

        return gaussian


def _spread(features: np.ndarray) -> NDArray[np.float64]:
    number = min(len(features), SAMPLE)
    return read(features, np.linspace(0, len(features) - 1, number).astype(int))


def _sums(
    one: np.ndarray,
    other: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    count: int,
    kernel: Kernel,
) -> NDArray[np.float64]:
    """Return the sum of the kernel over all pairs of two groups: (count, count).

    Where both sets are the same one, no image is paired with itself.
    """
    same = one is other
    total = np.zeros((count, count))
    belongs = np.eye(count)
    for block in blocks(len(one)):
        left = read(one, block)
        for others in blocks(len(other)):
            if same and others.start < block.start:
                continue  # the mirror image of one that was counted twice
            values = kernel(left, left if same and others == block else read(other, others))
            if same and others == block:
                np.fill_diagonal(values, 0)
            part = belongs[rows[block]].T @ values @ belongs[columns[others]]
            total += part
            if same and others.start > block.start:
                total += part.T
    return total
