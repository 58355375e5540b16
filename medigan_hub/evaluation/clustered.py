"""The mean of values of which some belong together, as images of one patient do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medigan_hub.errors import require

FEWEST = 3
"""Groups that an interval needs."""


@dataclass(frozen=True)
class Mean:
    """The mean of some values, how they scatter, and where the true mean lies."""

    value: float
    low: float | None
    """Of the interval of 95 % of the mean; None with fewer than three groups."""
    high: float | None
    deviation: float | None
    """Standard deviation of the values; None of one alone."""
    median: float
    count: int
    groups: int

    @classmethod
    def of(
        cls,
        values: Sequence[float],
        groups: Sequence[str],
        bounds: tuple[float, float] = (-math.inf, math.inf),
    ) -> Mean:
        """Return the mean of values, one at least, each of the group at its place.

        Each value counts alike. The variance of the mean is the sum of the squares of the groups'
        summed deviations (Liang & Zeger 1986, doi:10.1093/biomet/73.1.13), times G / (G - 1) for
        G groups, and the quantile that of Student's t with G - 1 degrees of freedom. With each
        value in a group of its own that is the usual t interval. No end lies beyond ``bounds``.

        >>> Mean.of([1.0, 2.0, 3.0], ["a", "a", "b"])
        Mean(value=2.0, low=None, high=None, deviation=1.0, median=2.0, count=3, groups=2)
        """
        every = np.asarray(values, np.float64)
        mean = float(every.mean())
        names, places = np.unique(np.asarray(groups), return_inverse=True)
        low = high = None
        if len(names) >= FEWEST:
            special = require("scipy.special", extra="evaluation", purpose="an interval")
            reach = float(special.stdtrit(len(names) - 1, 0.975)) * _error(every, places)
            low, high = max(mean - reach, bounds[0]), min(mean + reach, bounds[1])
        return cls(
            value=mean,
            low=low,
            high=high,
            deviation=float(every.std(ddof=1)) if len(every) > 1 else None,
            median=float(np.median(every)),
            count=len(every),
            groups=len(names),
        )


def error(values: np.ndarray, groups: Sequence[str]) -> float:
    """Return the standard error of the mean of values, (N,), of two groups at least.

    See ``Mean.of``.

    >>> round(error(np.array([1.0, 2.0, 3.0]), ["a", "b", "c"]), 4)
    0.5774
    """
    return _error(values, np.unique(np.asarray(groups), return_inverse=True)[1])


def _error(values: np.ndarray, places: np.ndarray) -> float:
    sums = np.bincount(places, values - values.mean())
    return math.sqrt(np.square(sums).sum() * len(sums) / (len(sums) - 1)) / len(values)
