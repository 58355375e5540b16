"""The baseline of a figure: what the same metric says of real images and other real ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from medigan_hub.evaluation import intervals
from medigan_hub.evaluation.metrics import Metric
from medigan_hub.evaluation.results import Baseline

SPLITS = 10
"""Of the real images into two parts."""


class Split(NamedTuple):
    """Two parts of the real images, and as many synthetic ones, by their places."""

    one: np.ndarray
    other: np.ndarray
    synthetic: np.ndarray


def splits(belongs: Sequence[str], num_synthetic: int, seed: int) -> list[Split]:
    """Return random halves of the real images, and as many synthetic ones; none of too few.

    Images of one group are never on both sides. The parts are as large as the synthetic set where
    the real one is twice as large, else half of the real one.
    """
    numbers = intervals.numbered(belongs)
    count = int(numbers.max()) + 1
    if count < 2:
        return []
    halves = []
    for n in range(SPLITS):
        rng = np.random.Generator(np.random.Philox(key=np.array([seed, n], np.uint64)))
        # Whole groups, in random order, until half of the images is reached.
        order = rng.permutation(count)
        sizes = np.bincount(numbers)[order]
        taken = int(np.argmin(np.abs(np.cumsum(sizes)[:-1] - len(numbers) / 2))) + 1
        one = np.isin(numbers, order[:taken])
        halves.append((rng.permutation(np.flatnonzero(one)), rng.permutation(np.flatnonzero(~one))))
    size = min(num_synthetic, *(len(half) for pair in halves for half in pair))
    return [
        Split(np.sort(one[:size]), np.sort(other[:size]), _some(num_synthetic, size, seed, n))
        for n, (one, other) in enumerate(halves)
    ]


def _some(number: int, size: int, seed: int, split: int) -> np.ndarray:
    """Return the places of ``size`` among ``number`` images, drawn for a split."""
    rng = np.random.Generator(np.random.Philox(key=np.array([seed, SPLITS + split], np.uint64)))
    return np.sort(rng.permutation(number)[:size])


def baseline(
    metric: Metric, real: np.ndarray, synthetic: np.ndarray, splits: Sequence[Split]
) -> Baseline | None:
    """Return what a metric says of real images and other real ones, and of synthetic ones so."""
    if not splits or len(splits[0].one) < metric.smallest:
        return None
    among = [metric(real[split.one], real[split.other]) for split in splits]
    across = [metric(real[split.one], synthetic[split.synthetic]) for split in splits]
    return Baseline(
        value=float(np.mean(among)),
        spread=float(np.std(among, ddof=1)),
        num_images=len(splits[0].one),
        splits=len(splits),
        compared=float(np.mean(across)),
    )
