"""Fréchet distance: how far two sets are apart, were their features normally distributed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medigan_hub.evaluation.metrics.base import Groups, Metric
from medigan_hub.evaluation.metrics.blocks import blocks, centre, flat, read

if TYPE_CHECKING:
    from numpy.typing import NDArray

ENOUGH = 2.5
"""Images for each feature from which a jackknife takes the bias away: with fewer, it stays."""


class FD(Metric):
    """Fréchet distance of the means and covariances, squared, as FID is.

    |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)). For roots A1 and A2, with S = A' A, the last
    trace is the sum of the singular values of A1 A2': exact, without inverse or epsilon, for
    covariances of any rank, and so also with fewer images than features.
    """

    name = "FD"
    title = "Fréchet distance"
    source = "Heusel et al. (2017), GANs trained by a two time-scale update rule, arXiv:1706.08500"
    is_corrected = True

    def __call__(self, real: np.ndarray, synthetic: np.ndarray) -> float:
        middle = centre(real)
        return _distance(_gaussian(real, middle), _gaussian(synthetic, middle))

    def left_out(self, real: np.ndarray, synthetic: np.ndarray, groups: Groups) -> np.ndarray:
        """Return the value without each group: of moments less those of the group."""
        both = (real, groups.real), (synthetic, groups.synthetic)
        length = flat(real).shape[1]
        if any(len(set_) - np.bincount(of).max() <= length for set_, of in both):
            return super().left_out(real, synthetic, groups)
        middle = centre(real)
        whole = [_moments(set_, middle, np.arange(len(set_))) for set_, _ in both]
        values = []
        for group in range(groups.count):
            rest = (
                moments - _moments(set_, middle, np.flatnonzero(of == group))
                for moments, (set_, of) in zip(whole, both, strict=True)
            )
            values.append(_distance(*(moments.gaussian() for moments in rest)))
        return np.array(values)

    def is_biased(self, number: int, shape: Sequence[int]) -> bool:
        """Tell whether there are fewer than 2.5 images for each feature."""
        return number < ENOUGH * math.prod(shape)


class FRD(FD):
    """Fréchet radiomics distance: log of the squared distance, as frd-score 1.0.1 has it (v1).

    Features are in single precision, less their mean and by their standard deviation among the
    real images; those that have none are left out. Equal sets are at -inf.
    """

    name = "FRD"
    title = "Fréchet radiomics distance (log)"
    source = "Konz et al. (2024), Fréchet radiomic distance, arXiv:2412.01496"
    ideal = None
    is_distance = False
    is_corrected = False
    extractors = ("radiomics",)
    scaling = "none"

    def __call__(self, real: np.ndarray, synthetic: np.ndarray) -> float:
        one, other = (np.asarray(flat(each), np.float32) for each in (real, synthetic))
        mean, deviation = np.nanmean(one, axis=0), np.nanstd(one, axis=0)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            one, other = ((each - mean) / deviation for each in (one, other))
        usable = np.isfinite(one).all(axis=0) & np.isfinite(other).all(axis=0)
        value = super().__call__(one[:, usable], other[:, usable]) if usable.any() else 0.0
        return float(np.log(value)) if value > 0 else -np.inf

    def left_out(self, real: np.ndarray, synthetic: np.ndarray, groups: Groups) -> np.ndarray:
        """Return the value without each group: what is left is standardised anew."""
        return Metric.left_out(self, real, synthetic, groups)


@dataclass(frozen=True)
class _Gaussian:
    mean: NDArray[np.float64]
    """(d,)."""
    root: NDArray[np.float64]
    """(n, d): its transpose by itself is the covariance."""


@dataclass(frozen=True)
class _Moments:
    number: int
    total: NDArray[np.float64]
    """(d,): the sum."""
    products: NDArray[np.float64]
    """(d, d): the sum of the outer products."""

    def __sub__(self, other: _Moments) -> _Moments:
        return _Moments(
            self.number - other.number, self.total - other.total, self.products - other.products
        )

    def gaussian(self) -> _Gaussian:
        mean = self.total / self.number
        covariance = self.products - np.outer(self.total, mean)
        covariance /= self.number - 1
        try:
            root = np.asarray(np.linalg.cholesky(covariance).T, np.float64)
        except np.linalg.LinAlgError:  # features that depend on others
            variances, axes = np.linalg.eigh(covariance)
            root = np.sqrt(variances.clip(0))[:, np.newaxis] * axes.T
        return _Gaussian(mean, root)


def _moments(features: np.ndarray, middle: np.ndarray, places: np.ndarray) -> _Moments:
    """Return the moments of some images, less ``middle`` so that rounding stays small."""
    length = len(middle)
    total, products = np.zeros(length), np.zeros((length, length))
    for block in blocks(len(places)):
        part = read(features, places[block]) - middle
        total += part.sum(axis=0)
        products += part.T @ part
    return _Moments(len(places), total, products)


def _gaussian(features: np.ndarray, middle: np.ndarray) -> _Gaussian:
    number = len(features)
    if number > len(middle):
        return _moments(features, middle, np.arange(number)).gaussian()
    rows = read(features, slice(None)) - middle
    mean = rows.mean(axis=0)
    rows -= mean
    rows /= np.sqrt(number - 1)
    return _Gaussian(mean, rows)


def _distance(one: _Gaussian, other: _Gaussian) -> float:
    shift = one.mean - other.mean
    spread = (one.root**2).sum() + (other.root**2).sum()
    shared = np.linalg.svd(one.root @ other.root.T, compute_uv=False).sum()
    return float(shift @ shift + spread - 2 * shared)
