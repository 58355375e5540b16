"""Distances of mean embeddings (MMD): 0 of two equal distributions, whatever the numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from medigan_hub.evaluation.metrics.base import Groups, Metric
from medigan_hub.evaluation.metrics.blocks import Matrix, squared_distances, sums

MEDIAN_ROWS = 500
"""Rows of each set, evenly spaced, whose distances tell the width of a kernel."""


class _Discrepancy(Metric):
    """The squared maximum mean discrepancy, without bias: it may come out below 0."""

    def kernel(self, real: np.ndarray, synthetic: np.ndarray) -> Callable[[Matrix, Matrix], Matrix]:
        """Return the kernel for these features."""
        raise NotImplementedError

    def __call__(self, real: np.ndarray, synthetic: np.ndarray) -> float:
        whole = Groups(np.zeros(len(real), int), np.zeros(len(synthetic), int), 1)
        return float(self._without(real, synthetic, whole)[0])

    def left_out(self, real: np.ndarray, synthetic: np.ndarray, groups: Groups) -> np.ndarray:
        """Return the values by the sums between groups; the kernel stays that of all images."""
        return self._without(real, synthetic, groups)[1:]

    def _without(self, real: np.ndarray, synthetic: np.ndarray, groups: Groups) -> Matrix:
        """Return the value of all, and without each group in turn."""
        kernel, count = self.kernel(real, synthetic), groups.count
        within = []
        for rows, belongs in ((real, groups.real), (synthetic, groups.synthetic)):
            pairs = sums(rows, rows, kernel, (belongs, belongs), count)
            alone = np.zeros(count)
            np.add.at(alone, belongs, _diagonal(rows, kernel))
            within.append((pairs, alone, np.bincount(belongs, minlength=count)))
        across = sums(real, synthetic, kernel, (groups.real, groups.synthetic), count)

        def value(keep: np.ndarray) -> float:
            found = 0.0
            for pairs, alone, sizes in within:
                n = sizes[keep].sum()
                found += (pairs[np.ix_(keep, keep)].sum() - alone[keep].sum()) / (n * (n - 1))
            n, m = (sizes[keep].sum() for _, _, sizes in within)
            return found - 2 * across[np.ix_(keep, keep)].sum() / (n * m)

        every = np.ones(count, bool)
        kept = [every, *(~np.eye(count, dtype=bool) if count > 1 else ())]
        return np.array([value(keep) for keep in kept])


class KernelDistance(_Discrepancy):
    """KID: the polynomial kernel (x·y / d + 1)³ of d features."""

    name = "KID"
    title = "kernel distance, unbiased"
    source = "Bińkowski et al., Demystifying MMD GANs, ICLR 2018, https://arxiv.org/abs/1801.01401"

    def kernel(self, real: np.ndarray, synthetic: np.ndarray) -> Callable[[Matrix, Matrix], Matrix]:
        size = int(np.prod(real.shape[1:]))
        return lambda one, other: np.asarray((one @ other.T / size + 1) ** 3)


class GaussianDiscrepancy(_Discrepancy):
    """MMD, squared, with a Gaussian kernel whose width is the median distance of all images."""

    name = "MMD"
    title = "squared maximum mean discrepancy, Gaussian kernel, unbiased"
    source = (
        "Gretton et al., A kernel two-sample test, JMLR 2012, "
        "https://jmlr.org/papers/v13/gretton12a.html"
    )

    def kernel(self, real: np.ndarray, synthetic: np.ndarray) -> Callable[[Matrix, Matrix], Matrix]:
        width = median_distance(real, synthetic)
        return lambda one, other: np.exp(squared_distances(one, other) / (-2 * width**2))


def median_distance(*sets: np.ndarray) -> float:
    """Return the median distance of two images among some of all sets; 1 where all are the same."""
    some = [rows[:: max(1, -(-len(rows) // MEDIAN_ROWS))] for rows in sets]
    rows = np.concatenate([np.asarray(each).reshape(len(each), -1) for each in some])
    rows = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    squares = squared_distances(rows, rows)[np.triu_indices(len(rows), 1)]
    median = float(np.sqrt(np.median(squares))) if len(squares) else 0.0
    if not median:  # more than half of all pairs are the same
        median = float(np.sqrt(squares.mean())) if len(squares) else 0.0
    return median or 1.0


def _diagonal(rows: np.ndarray, kernel: Callable[[Matrix, Matrix], Matrix]) -> Matrix:
    step = 100  # of a block's pairs, only those of an image with itself count
    return np.concatenate(
        [
            np.diagonal(kernel(part, part))
            for part in (
                np.asarray(rows[n : n + step]).reshape(len(rows[n : n + step]), -1).astype(float)
                for n in range(0, len(rows), step)
            )
        ]
    )
