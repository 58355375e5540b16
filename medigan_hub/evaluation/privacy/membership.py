"""Does nearness to a synthetic image tell who was among the training images?

An attacker who has the synthetic images guesses that an image was trained on where it is near to
one of them. Some images are near to everything; so that distance is held against the one to the
nearest other real image. Training and held-out images are treated alike: nothing in a score knows
which of them an image is. So where the model tells nothing, all ways to share the scores out to
both are equally likely, and the area under the ROC curve is 0.5 on average.

Sources: Hilprecht, Härterich and Bernau (2019), doi:10.2478/popets-2019-0067 (nearness as an
attack); Carlini et al. (2022), arXiv:2112.03570 (calibration; true positives where few are false).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medigan_hub.errors import require
from medigan_hub.evaluation import clustered
from medigan_hub.evaluation.proportions import Share

FEWEST = 3
"""Groups of each kind that an interval takes."""
FALSE = 0.01
"""Share of the held-out images that may be taken for training images."""
ENOUGH = 100
"""Held-out images that a rate at 1 % takes."""
LEVEL = 0.95


@dataclass(frozen=True)
class Attacked:
    """Images that were, or were not, trained on, and what the attack says of them."""

    scores: np.ndarray
    """(N,): the less, the more the image is taken for a training image."""
    groups: Sequence[str]
    """What each belongs to; all words."""
    alone: np.ndarray
    """Places of images that are independent of each other, one of each group."""


@dataclass(frozen=True)
class Rate:
    """The share of the training images that is found where 1 % of the others are taken for some."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Membership:
    """How well an attack tells training images from others."""

    auc: float
    """That a training image looks more like one than another image: 0.5 where nothing is told."""
    low: float | None
    """None with fewer than three patients, or images that stand alone, of a kind."""
    high: float | None
    level: float
    """That the interval is made for, such as 0.95."""
    rate: Rate | None
    """None with fewer than 100 held-out images that are independent."""


def membership(members: Attacked, others: Attacked, *, level: float = LEVEL) -> Membership:
    """Return how well an attack works, with an interval.

    The variance of the area is that of DeLong, DeLong and Clarke-Pearson (1988,
    doi:10.2307/2531595), summed up over groups (Obuchowski 1997, doi:10.2307/2533958), and the
    interval made on the scale of logits by Student's t.

    Parameters
    ----------
    level
        Of the interval.

    Raises
    ------
    MissingDependencyError
        SciPy is not installed.
    """
    ours, theirs = _placed(members.scores, others.scores), _placed(others.scores, members.scores)
    auc = 1 - float(ours.mean())
    low, high = _interval(auc, (ours, members.groups), (theirs, others.groups), level)
    return Membership(auc, low, high, level, _rate(members, others))


def _placed(scores: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Return the share of others that each score is greater than: (N,)."""
    ordered = np.sort(among)
    below = np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right")
    return np.asarray(below / (2 * len(among)))


def _interval(
    auc: float,
    one: tuple[np.ndarray, Sequence[str]],
    other: tuple[np.ndarray, Sequence[str]],
    level: float,
) -> tuple[float | None, float | None]:
    counts = [len({*groups}) for _, groups in (one, other)]
    if min(counts) < FEWEST:
        return None, None
    error = math.hypot(*(clustered.error(placed, groups) for placed, groups in (one, other)))
    special = require("scipy.special", extra="evaluation", purpose="computing intervals")
    reach = float(special.stdtrit(min(counts) - 1, (1 + level) / 2))
    if error == 0 or auc in (0, 1):
        return _unvaried(auc, counts, reach)
    middle, width = special.logit(auc), reach * error / (auc * (1 - auc))
    return float(special.expit(middle - width)), float(special.expit(middle + width))


def _unvaried(auc: float, counts: Sequence[int], reach: float) -> tuple[float, float]:
    """Return the interval of an area that all images agree on, such as 1.

    Newcombe (2006, doi:10.1002/sim.2324), method 5: all areas that are so many of their own
    standard errors away at most.
    """
    n, m = counts
    middle = (n + m) / 2 - 1

    def error(area: float) -> float:
        spread = 1 + middle * ((1 - area) / (2 - area) + area / (1 + area))
        return math.sqrt(area * (1 - area) * spread / (n * m))

    def end(far: float) -> float:
        near = auc
        for _ in range(60):
            area = (near + far) / 2
            is_inside = abs(area - auc) <= reach * error(area)
            near, far = (area, far) if is_inside else (near, area)
        return near

    return end(0.0), end(1.0)


def _rate(members: Attacked, others: Attacked) -> Rate | None:
    """Return the rate of true positives at 1 % of false ones, of images that are independent.

    Both the threshold and the share below it are uncertain. Its interval goes from the share at a
    threshold that is surely too low to that at one that is surely too high, by Clopper and Pearson;
    each of the four is wrong in 1.25 % of cases.
    """
    scores = members.scores[members.alone]
    ordered = np.sort(others.scores[others.alone])
    if len(ordered) < ENOUGH:
        return None
    special = require("scipy.special", extra="evaluation", purpose="computing intervals")
    wrong = (1 - LEVEL) / 4
    ranks = np.arange(1, len(ordered) + 1)
    # The share of all others that is below the one of a rank is a beta variable.
    below = special.betainc(ranks, len(ordered) + 1 - ranks, FALSE)
    least, most = int((below >= 1 - wrong).sum()), int((below > wrong).sum()) + 1
    low, middle, high = (
        Share(int((scores < ordered[rank - 1]).sum()), len(scores))
        if 1 <= rank <= len(ordered)
        else None
        for rank in (least, math.floor(FALSE * len(ordered)) + 1, most)
    )
    assert middle is not None  # noqa: S101 (with so many others)
    return Rate(
        value=middle.value,
        low=0.0 if low is None else low.interval(1 - 2 * wrong)[0],
        high=1.0 if high is None else high.interval(1 - 2 * wrong)[1],
    )
