"""Proportions with their exact interval, and many tests at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medigan_hub.errors import require


@dataclass(frozen=True)
class Share:
    """How many of some independent images have a property."""

    count: int
    number: int
    """Of images in all, one at least."""

    @property
    def value(self) -> float:
        """The share, 0 to 1."""
        return self.count / self.number

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the interval of Clopper and Pearson (1934, doi:10.1093/biomet/26.4.404).

        It is exact: it holds the true share in ``level`` of cases, or more.

        Raises
        ------
        MissingDependencyError
            SciPy is not installed.

        >>> [round(end, 4) for end in Share(0, 10).interval()]
        [0.0, 0.3085]
        """
        special = require("scipy.special", extra="evaluation", purpose="computing intervals")
        tail, rest = (1 - level) / 2, self.number - self.count
        low = special.betaincinv(self.count, rest + 1, tail) if self.count else 0.0
        high = special.betaincinv(self.count + 1, rest, 1 - tail) if rest else 1.0
        return float(low), float(high)


def corrected(values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number by Holm (1979, www.jstor.org/stable/4615733).

    Those at or below 5 % are what may be rejected, with an error in any of them in 5 % of cases
    at most, whatever the tests have to do with each other.

    >>> [round(value, 3) for value in corrected([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(values, kind="stable")
    factors = np.arange(len(values), 0, -1)
    found = np.empty(len(values))
    found[order] = np.maximum.accumulate(np.minimum(np.asarray(values)[order] * factors, 1.0))
    return [float(value) for value in found]
