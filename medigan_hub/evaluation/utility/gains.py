"""How far a score, or the gain of one arm over another, may have come out otherwise.

Two things differ from one study to the next: the repeat (which images were drawn, with what
network training began) and the patients to test on. Both are random effects, as readers and cases
are where several readers judge the same cases: Dorfman, Berbaum and Metz (1992), "Receiver
operating characteristic rating analysis", doi:10.1097/00004424-199209000-00015. The variance of
the mean over R repeats is taken as the sum of the variance between repeats by R, and that of a
delete-group jackknife over the test images. What repeats and patients do together is in both
terms, so that the sum is rather too large than too small; the quantile is that of Student's t with
the smaller of both degrees of freedom.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from medigan_hub.errors import require
from medigan_hub.evaluation import intervals

ALPHA = 0.05


@dataclass(frozen=True, eq=False)
class Cases:
    """Test images, in groups that a jackknife leaves out."""

    places: np.ndarray
    """Among all test images, (n,)."""
    groups: np.ndarray
    """The group of each, (n,)."""
    count: int
    """Of groups."""

    @classmethod
    def of(cls, belongs: Sequence[str], places: np.ndarray, seed: int) -> Cases:
        """Return some test images, by what each of all belongs to, in 20 groups at most."""
        words = [belongs[place] for place in places]
        found = intervals.groups(words, words, seed=seed)
        return cls(places, found.real, found.count)

    @property
    def shares(self) -> np.ndarray:
        """The share of the images that is in each group, (count,)."""
        sizes: np.ndarray = np.bincount(self.groups, minlength=self.count)
        return np.asarray(sizes / len(self.groups))

    def without(self, group: int) -> np.ndarray:
        """Return the places of all images but those of a group."""
        found: np.ndarray = self.places[self.groups != group]
        return found


@dataclass(frozen=True, eq=False)
class Scored:
    """A score of each repeat, or the difference of two."""

    whole: np.ndarray
    """Of all test images, (R,)."""
    left_out: np.ndarray
    """Without each group of them, (G, R)."""
    shares: np.ndarray
    """The share of the test images that is in each group, (G,)."""

    @classmethod
    def of(
        cls,
        score: Callable[[np.ndarray, np.ndarray], float],
        outcomes: Sequence[np.ndarray],
        cases: Cases,
    ) -> Scored:
        """Score outcomes, one a repeat; ``score`` takes an outcome, and the places that count."""
        left_out = [
            [score(each, places) for each in outcomes]
            for places in map(cases.without, range(cases.count))
        ]
        whole = [score(each, cases.places) for each in outcomes]
        return cls(np.array(whole), np.array(left_out), cases.shares)

    def __sub__(self, other: Scored) -> Scored:
        return Scored(self.whole - other.whole, self.left_out - other.left_out, self.shares)


@dataclass(frozen=True)
class Estimate:
    """A mean over the repeats."""

    value: float
    low: float | None
    """Of the interval of 95 %; None where there are too few groups of test images, or the score
    is the same whatever is left out."""
    high: float | None
    p: float
    """Two-sided, of the hypothesis that it is 0; 1 where there is no interval."""


def estimate(scored: Scored, limits: tuple[float, float]) -> Estimate:
    """Return the mean over the repeats with its interval, which ends at the limits at the latest.

    Raises
    ------
    MissingDependencyError
        SciPy is not installed.
    """
    special = require("scipy.special", extra="evaluation", purpose="computing intervals")
    repeats, count = len(scored.whole), len(scored.shares)
    value = float(scored.whole.mean())
    nothing = Estimate(value, None, None, 1.0)
    if count < intervals.FEWEST or not np.isfinite(scored.left_out).all():
        return nothing
    _, among_cases = intervals.combined(value, scored.left_out.mean(axis=1), scored.shares)
    error = math.sqrt(float(scored.whole.var(ddof=1)) / repeats + among_cases**2)
    if not error > intervals.ROUNDING:
        return nothing
    degrees = min(repeats, count) - 1
    reach = float(special.stdtrit(degrees, (1 + intervals.LEVEL) / 2)) * error
    low, high = (float(np.clip(value + end, *limits)) for end in (-reach, reach))
    return Estimate(value, low, high, 2 * float(special.stdtr(degrees, -abs(value) / error)))
