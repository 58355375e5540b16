"""The Fréchet distance of normal distributions that are fitted to features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medigan_hub.evaluation.metrics.base import Groups, Metric
from medigan_hub.evaluation.metrics.blocks import Matrix, blocks

ENOUGH = 2.5
"""Images for each feature, from which on a jackknife takes the bias away: measured, by
``benchmarks/intervals.py``."""


class FrechetDistance(Metric):
    """FD: squared, |m - n|² + tr(S + T - 2 (S T)^½); with the features of Inception it is FID.

    The trace of the root of a product of covariances is the sum of the singular values of the
    product of their factors, S = F'F and T = G'G: of the centred images themselves where they are
    fewer than the features, else of what a QR decomposition leaves of them. So nothing is added
    to a diagonal, and no root of a singular matrix is taken.
    """

    name = "FD"
    title = "Fréchet distance"
    source = (
        "Heusel et al., GANs trained by a two time-scale update rule converge to a local Nash "
        "equilibrium, NeurIPS 2017, https://arxiv.org/abs/1706.08500"
    )
    is_corrected = True

    def __call__(self, real: np.ndarray, synthetic: np.ndarray) -> float:
        return distance(_fit(real), _fit(synthetic))

    def left_out(self, real: np.ndarray, synthetic: np.ndarray, groups: Groups) -> np.ndarray:
        """Return the values; no copy of the features is made."""
        return np.array(
            [
                distance(_fit(real, groups.real != n), _fit(synthetic, groups.synthetic != n))
                for n in range(groups.count)
            ]
        )

    def is_biased(self, number: int, shape: Sequence[int]) -> bool:
        return number < ENOUGH * int(np.prod(shape))


class RadiomicDistance(Metric):
    """FRD: the logarithm of FD of radiomic features, standardised by the real images.

    As frd-score 1.0.1 computes its first version: features that are constant among the real images
    are left out, and there is no correction for the number of images.
    """

    name = "FRD"
    title = "Fréchet radiomics distance, logarithm"
    source = "Konz et al., Fréchet radiomic distance (FRD), 2024, https://arxiv.org/abs/2412.01496"
    ideal = None
    is_distance = False  # a logarithm has no ratio
    extractors = ("radiomics",)
    scaling = "none"

    def __call__(self, real: np.ndarray, synthetic: np.ndarray) -> float:
        mean = real.mean(axis=0, dtype=np.float64)
        deviation = real.std(axis=0, dtype=np.float64)
        known = deviation > 0
        ours, theirs = (
            (rows[:, known] - mean[known]) / deviation[known] for rows in (real, synthetic)
        )
        squared = distance(_fit(ours), _fit(theirs))
        return float(np.log(squared)) if squared > 0 else float("-inf")

    def is_biased(self, number: int, shape: Sequence[int]) -> bool:
        return number < ENOUGH * int(np.prod(shape))


def distance(one: tuple[Matrix, Matrix], other: tuple[Matrix, Matrix]) -> float:
    """Return the squared distance of two fits: (d,) means, and factors of the covariances."""
    (mean, factor), (second, others) = one, other
    shared = np.linalg.svd(factor @ others.T, compute_uv=False).sum()
    found = ((mean - second) ** 2).sum() + (factor**2).sum() + (others**2).sum() - 2 * shared
    return max(0.0, float(found))


def _fit(rows: np.ndarray, keep: np.ndarray | None = None) -> tuple[Matrix, Matrix]:
    """Return the mean of features, and F with F'F their covariance (of N - 1): (at most d, d)."""
    count = len(rows) if keep is None else int(keep.sum())
    total: Matrix = np.zeros(int(np.prod(rows.shape[1:])))
    for block in blocks(rows, keep):
        total += block.sum(axis=0)
    mean = total / count
    if count <= len(mean):
        factor = np.concatenate([block - mean for block in blocks(rows, keep)])
    else:
        factor = np.empty((0, len(mean)))
        for block in blocks(rows, keep):
            factor = np.linalg.qr(np.concatenate([factor, block - mean]), mode="r")
    return mean, factor / np.sqrt(max(1, count - 1))
