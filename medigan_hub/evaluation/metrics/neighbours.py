"""Precision, recall, density and coverage: whose neighbours are whose.

An image's neighbourhood is the ball that reaches to its k-th nearest neighbour in its own set.
"""

from __future__ import annotations

import math

import numpy as np

from medigan_hub.evaluation.metrics.base import Groups, Metric
from medigan_hub.evaluation.metrics.blocks import Matrix, blocks, squared_distances

NEAREST = 5
"""Neighbours that make a neighbourhood, as Naeem et al. have it."""


class _OfNeighbours(Metric):
    """What is counted once all neighbourhoods are known."""

    better = "higher"
    ideal: float | None = 1.0
    smallest = NEAREST + 2
    bounds = (0.0, math.inf)
    is_distance = False
    is_swapped = False
    """Whether neighbourhoods are those of the synthetic images."""

    def __call__(self, real: np.ndarray, synthetic: np.ndarray) -> float:
        whole = Groups(np.zeros(len(real), int), np.zeros(len(synthetic), int), 0)
        return float(self._counted(real, synthetic, whole)[0])

    def left_out(self, real: np.ndarray, synthetic: np.ndarray, groups: Groups) -> np.ndarray:
        """Return the values; every distance is computed once."""
        return self._counted(real, synthetic, groups)[1:]

    def _counted(self, real: np.ndarray, synthetic: np.ndarray, groups: Groups) -> np.ndarray:
        if self.is_swapped:
            real, synthetic = synthetic, real
            groups = Groups(groups.synthetic, groups.real, groups.count)
        return counted(real, synthetic, groups)[type(self).counts]

    counts = 0
    """Which row of ``counted`` it is."""


class Precision(_OfNeighbours):
    """Share of the synthetic images that lie in the neighbourhood of a real one."""

    name = "precision"
    title = "share of synthetic images among real ones"
    source = (
        "Kynkäänniemi et al., Improved precision and recall metric for assessing generative "
        "models, NeurIPS 2019, https://arxiv.org/abs/1904.06991"
    )
    ideal = None
    bounds = (0.0, 1.0)


class Recall(Precision):
    """Share of the real images that lie in the neighbourhood of a synthetic one."""

    name = "recall"
    title = "share of real images among synthetic ones"
    is_swapped = True


class Density(_OfNeighbours):
    """Real neighbourhoods that a synthetic image lies in, on average, by k; 1 is expected."""

    name = "density"
    title = "how densely synthetic images lie among real ones"
    source = (
        "Naeem et al., Reliable fidelity and diversity metrics for generative models, ICML 2020, "
        "https://arxiv.org/abs/2002.09797"
    )
    counts = 1


class Coverage(Density):
    """Share of the real images in whose neighbourhood there is a synthetic one."""

    name = "coverage"
    title = "share of real images with a synthetic one near"
    ideal = None
    bounds = (0.0, 1.0)
    counts = 2


def counted(real: np.ndarray, synthetic: np.ndarray, groups: Groups) -> Matrix:
    """Return precision, density and coverage of all, and without each group: (3, 1 + groups).

    A distance that is as great as a radius counts: else two sets of equal images would have
    nothing in common.
    """
    count = groups.count
    middle = np.asarray(real, np.float64).reshape(len(real), -1).mean(axis=0)
    kept_real = _kept(groups.real, count)
    kept_synthetic = _kept(groups.synthetic, count)
    within = np.zeros((len(synthetic), 1 + count), np.int64)
    covered = np.zeros(1 + count)
    place = 0
    for part in blocks(real):
        here = slice(place, place + len(part))
        radii = _radii(part - middle, place, real, middle, groups)
        near = []
        column = 0
        for others in blocks(synthetic):
            distances = squared_distances(part - middle, others - middle)
            there = slice(column, column + len(others))
            near.append(_nearest(distances, groups.synthetic[there], count, 1)[..., 0])
            for n in range(1 + count):
                rows = kept_real[here, n]
                within[there, n] += (distances[rows] <= radii[rows, n, np.newaxis]).sum(axis=0)
            column += len(others)
        # The nearest synthetic image, of all and without each group.
        least = np.min(near, axis=0)
        nearest = np.stack([_without(least[..., np.newaxis], n, 1) for n in range(-1, count)], 1)
        covered += ((nearest <= radii) & kept_real[here]).sum(axis=0)
        place += len(part)
    numbers = kept_synthetic.sum(axis=0)
    precision = ((within > 0) & kept_synthetic).sum(axis=0) / numbers
    density = (within * kept_synthetic).sum(axis=0) / (NEAREST * numbers)
    return np.stack([precision, density, covered / kept_real.sum(axis=0)])


def _kept(belongs: np.ndarray, count: int) -> np.ndarray:
    """Return which images are there, of all and without each group in turn: (n, 1 + count)."""
    return np.stack([belongs != n for n in range(-1, count)], axis=1)


def _radii(part: Matrix, place: int, real: np.ndarray, middle: Matrix, groups: Groups) -> Matrix:
    """Return the squared distance of images to their k-th nearest: (n, 1 + groups)."""
    nearest: Matrix | None = None
    column = 0
    for others in blocks(real):
        distances = squared_distances(part, others - middle)
        own = np.arange(len(part)) + place - column  # an image is no neighbour of its own
        inside = (own >= 0) & (own < len(others))
        distances[np.flatnonzero(inside), own[inside]] = np.inf
        belongs = groups.real[column : column + len(others)]
        found = _nearest(distances, belongs, groups.count, NEAREST)
        if nearest is not None:
            both = np.concatenate([nearest, found], axis=-1)
            found = np.partition(both, NEAREST - 1, axis=-1)[..., :NEAREST]
        nearest = found
        column += len(others)
    assert nearest is not None  # noqa: S101 (there is at least one block)
    return np.stack([_without(nearest, n, NEAREST) for n in range(-1, groups.count)], axis=1)


def _nearest(distances: Matrix, belongs: np.ndarray, count: int, number: int) -> Matrix:
    """Return the least distances of each row within each group: (n, groups or 1, number)."""
    found = []
    for n in range(max(1, count)):
        some = distances[:, belongs == n] if count else distances
        if some.shape[1] < number:
            padding = ((0, 0), (0, number - some.shape[1]))
            some = np.pad(some, padding, constant_values=np.inf)
        found.append(np.partition(some, number - 1, axis=1)[:, :number])
    return np.stack(found, axis=1)


def _without(nearest: Matrix, left_out: int, number: int) -> Matrix:
    """Return the ``number``-th least of each row, without a group; -1 leaves none out."""
    kept = np.delete(nearest, left_out, axis=1) if left_out >= 0 else nearest
    flat = kept.reshape(len(kept), -1)
    return np.asarray(np.partition(flat, number - 1, axis=1)[:, number - 1])
