"""Sliced Wasserstein distance: how far one set must be moved to become the other.

Source: Karras et al. (2018), "Progressive growing of GANs", arXiv:1710.10196, who compare patches
of each level of a Laplacian pyramid along random directions. Unlike there, features are by
the standard deviation of the real ones, not each set by its own: brightness and contrast count.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from medigan_hub.evaluation.metrics.base import BLOCK, Groups, Metric
from medigan_hub.evaluation.metrics.blocks import flat

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIRECTIONS = 64
SEED = 0
VALUES = 2**22
"""Projections that are held at a time, at most, of both sets together."""
LEAST = 1e-6
"""Added to the standard deviation, which may be none."""


class SWD(Metric):
    """Mean distance along random directions, in standard deviations of the real features.

    Features are (N, d), or (N, levels, patches, length): patches then count apart, and the
    value is the mean over the levels. It is above 0 for equal distributions, too, the
    more so the fewer images there are: the baseline says by how much.
    """

    name = "SWD"
    title = "sliced Wasserstein distance"
    source = "Karras et al. (2018), Progressive growing of GANs, arXiv:1710.10196"

    def __call__(self, real: np.ndarray, synthetic: np.ndarray) -> float:
        alone = Groups(np.zeros(len(real), int), np.zeros(len(synthetic), int), 1)
        return float(self._values(real, synthetic, alone, [-1])[0])

    def left_out(self, real: np.ndarray, synthetic: np.ndarray, groups: Groups) -> np.ndarray:
        """Return the value without each group: features are sorted once."""
        return self._values(real, synthetic, groups, range(groups.count))

    def _values(
        self, real: np.ndarray, synthetic: np.ndarray, groups: Groups, left: Sequence[int]
    ) -> NDArray[np.float64]:
        if real.ndim != 4:
            one, other = (flat(each)[:, np.newaxis] for each in (real, synthetic))
            return _level(one, other, groups, left)
        levels = [_level(real[:, n], synthetic[:, n], groups, left) for n in range(real.shape[1])]
        return np.asarray(np.mean(levels, axis=0))


def _level(
    real: np.ndarray, synthetic: np.ndarray, groups: Groups, left: Sequence[int]
) -> NDArray[np.float64]:
    """Return the value without each of some groups; features are (N, patches, length)."""
    patches, length = real.shape[1:]
    rng = np.random.Generator(np.random.Philox(SEED))
    directions = rng.standard_normal((length, DIRECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    members = np.concatenate([groups.real, groups.synthetic])
    is_real = np.arange(len(members)) < len(real)
    # What a patch of each image counts for: as a share of its set, one set against the other.
    shares = np.array([_shares(members != group, is_real) for group in left]) / patches
    total = np.zeros(len(left))
    step = max(1, VALUES // (len(members) * patches))
    for start in range(0, DIRECTIONS, step):
        some = directions[:, start : start + step]
        values = np.concatenate([_projected(real, some), _projected(synthetic, some)])
        for column in values.T:
            order = np.argsort(column)
            gaps = np.diff(column[order])
            images = order // patches
            for n, share in enumerate(shares):
                total[n] += np.abs(np.cumsum(share[images])[:-1]) @ gaps
    return total / DIRECTIONS / (_deviations(real, groups.real, left) + LEAST)


def _shares(kept: np.ndarray, is_real: np.ndarray) -> NDArray[np.float64]:
    real, synthetic = kept & is_real, kept & ~is_real
    return np.asarray(real / real.sum() - synthetic / synthetic.sum())


def _projected(features: np.ndarray, directions: np.ndarray) -> NDArray[np.float64]:
    """Return the values along directions, (length, n): (N * patches, n)."""
    parts = [part.reshape(-1, part.shape[-1]) @ directions for part in _parts(features)]
    return np.concatenate(parts)


def _deviations(
    features: np.ndarray, groups: np.ndarray, left: Sequence[int]
) -> NDArray[np.float64]:
    """Return the standard deviation of all values, without each of some groups."""
    middle = float(np.mean(features[0], dtype=np.float64))
    per_image = np.array(
        [(part.mean(), (part**2).mean()) for parts in _parts(features) for part in parts - middle]
    )
    found = []
    for group in left:
        mean, square = per_image[groups != group].mean(axis=0)
        found.append(np.sqrt(max(square - mean**2, 0)))
    return np.array(found)


def _parts(features: np.ndarray) -> Iterator[NDArray[np.float64]]:
    step = max(1, BLOCK // features.shape[1])
    for start in range(0, len(features), step):
        yield np.asarray(features[start : start + step], np.float64)
