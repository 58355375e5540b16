"""The sliced Wasserstein distance: how far apart sets are along random directions."""

from __future__ import annotations

import numpy as np

from medigan_hub.evaluation.metrics.base import Groups, Metric

DIRECTIONS = 128
SEED = 0
"""Of the directions: the same for all sets."""
MOST_VALUES = 2**23
"""Projected values that are in memory at a time."""


class SlicedWasserstein(Metric):
    """SWD: the mean over directions of the Wasserstein distance (of order 1) along them.

    In standard deviations of the real images. Features of one vector an image, (N, d), are
    standardised each by itself; those of patches, (N, levels, patches, length), a level as a whole,
    and the mean over the levels is returned.
    """

    name = "SWD"
    title = "sliced Wasserstein distance"
    source = (
        "Karras et al., Progressive growing of GANs for improved quality, stability, and "
        "variation, ICLR 2018, https://arxiv.org/abs/1710.10196"
    )

    def __call__(self, real: np.ndarray, synthetic: np.ndarray) -> float:
        return float(self._without(real, synthetic, None)[0])

    def left_out(self, real: np.ndarray, synthetic: np.ndarray, groups: Groups) -> np.ndarray:
        """Return the values; scales and sorting stay those of all images."""
        return self._without(real, synthetic, groups)[1:]

    def _without(
        self, real: np.ndarray, synthetic: np.ndarray, groups: Groups | None
    ) -> np.ndarray:
        if real.ndim == 2:
            return _level(real[:, np.newaxis], synthetic[:, np.newaxis], groups, axis=(0, 1))
        levels = [
            _level(real[:, n], synthetic[:, n], groups, axis=None) for n in range(real.shape[1])
        ]
        return np.asarray(np.mean(levels, axis=0))


def _level(
    real: np.ndarray,
    synthetic: np.ndarray,
    groups: Groups | None,
    axis: tuple[int, ...] | None,
) -> np.ndarray:
    """Return the distance of (N, patches, length), of all and without each group in turn."""
    mean, deviation = real.mean(axis=axis), np.asarray(real.std(axis=axis))
    deviation = np.where(deviation > 0, deviation, 1)
    rng = np.random.Generator(np.random.Philox(SEED))
    directions = rng.standard_normal((real.shape[-1], DIRECTIONS)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=0)
    # Standardising and projecting in one go spares a copy of all.
    weights = directions / np.atleast_1d(deviation).reshape(-1, 1)
    weights = weights.astype(np.float32)
    offset = np.atleast_1d(mean).reshape(1, -1) @ (
        weights if np.ndim(mean) else weights.sum(axis=0, keepdims=True)
    )
    count = 0 if groups is None else groups.count
    belongs = [
        None if groups is None else np.repeat(each, real.shape[1])
        for each in ((groups.real, groups.synthetic) if groups is not None else (None, None))
    ]
    values = np.zeros(count + 1)
    step = max(1, MOST_VALUES // (max(len(real), len(synthetic)) * real.shape[1]))
    for start in range(0, DIRECTIONS, step):
        some = slice(start, start + step)
        flat = [
            (rows.reshape(-1, rows.shape[-1]) @ weights[:, some] - offset[:, some]).T
            for rows in (real, synthetic)
        ]
        for one, other in zip(*flat, strict=True):
            values += _along(one, other, belongs[0], belongs[1], count)
    return values / DIRECTIONS


def _along(
    one: np.ndarray,
    other: np.ndarray,
    belongs: np.ndarray | None,
    others: np.ndarray | None,
    count: int,
) -> np.ndarray:
    """Return the distance of numbers, of all and without each group in turn."""
    if belongs is None or others is None:
        return np.array([_wasserstein(np.sort(one), np.sort(other))])
    first, second = np.argsort(one), np.argsort(other)
    one, belongs, other, others = one[first], belongs[first], other[second], others[second]
    left_out = [_wasserstein(one[belongs != n], other[others != n]) for n in range(count)]
    return np.array([_wasserstein(one, other), *left_out])


def _wasserstein(one: np.ndarray, other: np.ndarray) -> float:
    """Return the distance of sorted numbers: the area between their quantile functions.

    Of sets of different size, quantiles of the smaller one stand for several of the larger.
    """
    if len(one) != len(other):
        number = max(len(one), len(other))
        places = (np.arange(number) + 0.5) / number
        one, other = (each[(places * len(each)).astype(int)] for each in (one, other))
    return float(np.abs(one - other).mean(dtype=np.float64))
