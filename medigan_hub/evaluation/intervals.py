"""Intervals of metrics: how far a value might have come out otherwise, with other images.

A delete-group jackknife: the metric is computed again without each of some groups of images,
in both sets at once. Unlike a bootstrap it repeats no image, which metrics of distance take for
a difference. It also takes away a bias that falls with the number of images.

Source: Busing, Meijer and van der Leeden (1999), "Delete-m jackknife for unequal m",
doi:10.1023/A:1008800423698.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medigan_hub.errors import RequestError, require, whole_number
from medigan_hub.evaluation.metrics.base import Groups, Metric

COUNT = 20
FEWEST = 3
"""Groups that an interval takes: with fewer, it would say nothing."""
LEVEL = 0.95
ROUNDING = 1e-12
"""Share of a value by which it may change for no other reason than rounding."""


@dataclass(frozen=True)
class Estimate:
    """A value with its interval."""

    value: float
    low: float | None
    """Of the interval of 95 %; None where the images tell none."""
    high: float | None
    corrected: bool
    """Whether the value was freed of the bias that it has with so many images."""
    count: int
    """Groups that were left out in turn; 0 where none was."""
    left_out: tuple[float, ...] = ()
    """The value without each group; none without an interval."""
    shares: tuple[float, ...] = ()
    """The share of the images that is in each group."""


def groups(
    real: Sequence[str], synthetic: Sequence[str], *, count: int = COUNT, seed: int = 0
) -> Groups:
    """Share the images out to groups of about the same size, which a jackknife leaves out.

    Images with one word stay together; a word of both sets, such as a patient whom images were
    made from, is left out of both at once. Which go together is random, and the same for a seed.
    Of the real images it depends on nothing but them and the number of groups: those of several
    models, held against the same real images, are groups of the same real ones.

    Parameters
    ----------
    real, synthetic
        The word of each image, such as its patient; an empty one stands for itself.
    count
        Groups that are made; fewer where one of the sets would have none of its images in one.

    Raises
    ------
    RequestError
        A set is empty, or a number is out of range.

    >>> found = groups(["a", "a", "b", "c"], ["", "", ""])
    >>> found.count, len(set(found.real.tolist())), bool(found.real[0] == found.real[1])
    (3, 3, True)
    """
    count = whole_number("the number of groups", count, 1)
    seed = whole_number("the seed", seed, 0, 2**64 - 1)
    if not len(real) or not len(synthetic):
        raise RequestError("a set has no images, and so no groups; give at least one")
    sets = _whole("real", real), _whole("synthetic", synthetic)
    sizes = tuple(Counter(words) for words in sets)
    count = min(count, *map(len, sizes))
    while True:
        rng = np.random.Generator(np.random.Philox(key=np.array([seed, 0], dtype=np.uint64)))
        one = _shared_out(sizes[0], {}, count, rng)
        other = _shared_out(sizes[1], one, count, rng)
        if len(set(other.values())) == count:
            break
        count -= 1  # words of both sets lie where the real images put them
    return Groups(
        np.array([one[word] for word in sets[0]]),
        np.array([other[word] for word in sets[1]]),
        count,
    )


def key(groups: Groups) -> str:
    """Return SHA-256 of the groups of the real images: the same where values may be subtracted."""
    told = hashlib.sha256(f"{groups.count}\n".encode())
    told.update(np.ascontiguousarray(groups.real, "<i8").tobytes())
    return told.hexdigest()


def jackknife(metric: Metric, real: np.ndarray, synthetic: np.ndarray, groups: Groups) -> Estimate:
    """Return the value of a metric with its interval of 95 %, by Student's t.

    There is no interval with fewer than three groups, where too few images would be left, where
    the value is biased beyond correction (the interval would not be of the truth), or where
    it is the same without each group. Where the metric says so, the value is freed of its bias.

    Parameters
    ----------
    real, synthetic
        Features, (N, ...) and (M, ...).

    Raises
    ------
    RequestError
        As ``Metric.check``, or the groups are not of as many images.
    MissingDependencyError
        SciPy is not installed.
    """
    if (len(groups.real), len(groups.synthetic)) != (len(real), len(synthetic)):
        raise RequestError(
            f"groups of {len(groups.real)} real and {len(groups.synthetic)} synthetic images are "
            f"no groups of {len(real)} and {len(synthetic)}; make them anew"
        )
    require("scipy", extra="evaluation", purpose="computing intervals")
    metric.check(real, synthetic)
    value = metric(real, synthetic)
    sets = [(groups.synthetic, len(synthetic))]
    if not metric.is_of_one_set:
        sets.append((groups.real, len(real)))
    sizes = np.array([np.bincount(of, minlength=groups.count) for of, _ in sets])
    numbers = np.array([[number] for _, number in sets])
    if (
        groups.count < FEWEST
        or metric.is_biased(int(numbers.min()), real.shape[1:])
        or (numbers - sizes).min() < metric.smallest
        or not math.isfinite(value)
    ):
        return Estimate(value, None, None, corrected=False, count=0)
    shares = (sizes / numbers).mean(axis=0)
    left_out = metric.left_out(real, synthetic, groups)
    return estimate(value, left_out, shares, limits=metric.limits, correct=metric.is_corrected)


def estimate(
    value: float,
    left_out: np.ndarray,
    shares: np.ndarray,
    *,
    limits: tuple[float, float] = (-math.inf, math.inf),
    correct: bool = False,
) -> Estimate:
    """Return a value with its interval of 95 %, by Student's t.

    There is none with fewer than three groups, where the value is the same without each, or where
    it is NaN without one.

    Parameters
    ----------
    left_out
        The value without each group, (n,).
    shares
        The share of the images that is in each group, (n,), all of them above 0.
    limits
        Between which values are; no end lies beyond.
    correct
        Whether a bias is taken away that falls with the number of images.
    """
    if len(shares) < FEWEST:
        return Estimate(value, None, None, corrected=False, count=0)
    mean, error = combined(value, left_out, shares)
    if correct:
        value = mean
    if not error > ROUNDING * abs(value):
        return Estimate(value, None, None, correct, len(shares))
    reach = quantile(len(shares)) * error
    low, high = (float(np.clip(value + end, *limits)) for end in (-reach, reach))
    return Estimate(
        value,
        low,
        high,
        correct,
        len(shares),
        tuple(map(float, left_out)),
        tuple(map(float, shares)),
    )


def difference(one: Estimate, other: Estimate) -> tuple[float, float] | None:
    """Return the interval of 95 % of one value less another, by Student's t.

    Both are of the same metric and the same real images, in the same groups: what these do to both
    values falls away, and so the interval is narrower than those of the values suggest. Group n of
    one synthetic set is left out with group n of the other: what they were both made from (the same
    inputs, the same index) is taken for dependent.

    Source: Busing, Meijer and van der Leeden (1999), "Delete-m jackknife for unequal m",
    doi:10.1023/A:1008800423698, of the difference.

    Returns
    -------
    None where one has no interval, they have not as many groups, or the difference is the same
    without each group.

    Raises
    ------
    MissingDependencyError
        SciPy is not installed.
    """
    if not one.left_out or len(one.left_out) != len(other.left_out):
        return None
    shares = (np.array(one.shares) + np.array(other.shares)) / 2
    left_out = np.array(one.left_out) - np.array(other.left_out)
    value = one.value - other.value
    _, error = combined(_plain(one) - _plain(other), left_out, shares)
    if not error > ROUNDING * max(abs(one.value), abs(other.value)):
        return None
    reach = quantile(len(shares)) * error
    return value - reach, value + reach


def _plain(estimate: Estimate) -> float:
    """Return the value of all images, with the bias that the jackknife took away."""
    if not estimate.corrected:
        return estimate.value
    kept = sum((1 - s) * v for s, v in zip(estimate.shares, estimate.left_out, strict=True))
    return (estimate.value + kept) / estimate.count


def quantile(count: int) -> float:
    """Return how many standard errors an interval reaches to each side, for so many groups."""
    special = require("scipy.special", extra="evaluation", purpose="computing intervals")
    return float(special.stdtrit(count - 1, (1 + LEVEL) / 2))


def combined(value: float, left_out: np.ndarray, shares: np.ndarray) -> tuple[float, float]:
    """Return the jackknife's estimate and its standard error; parameters as of ``estimate``."""
    count = len(shares)
    mean = count * value - float(((1 - shares) * left_out).sum())
    pseudo = value / shares - (1 / shares - 1) * left_out
    variance = float(np.mean((pseudo - mean) ** 2 / (1 / shares - 1)))
    return mean, math.sqrt(variance)


def numbered(words: Sequence[str]) -> np.ndarray:
    """Return a number for each word, from 0 on, the same for equal ones: (N,) int.

    An empty word stands for itself.

    >>> numbered(["a", "", "a", ""]).tolist()
    [0, 1, 0, 2]
    """
    places: dict[object, int] = {}
    return np.array([places.setdefault(word, len(places)) for word in _whole("", words)])


def _whole(kind: str, words: Sequence[str]) -> Sequence[object]:
    """Return the words of a kind of images, each empty one as one of its own."""
    return [word or (kind, n) for n, word in enumerate(words)]


def _shared_out(
    sizes: Mapping[object, int],
    placed: Mapping[object, int],
    count: int,
    rng: np.random.Generator,
) -> dict[object, int]:
    """Give each word a group, the largest first to the one that has least.

    Those that are ``placed`` stay there.
    """
    found = {word: group for word, group in placed.items() if word in sizes}
    loads = [0] * count
    for word, group in found.items():
        loads[group] += sizes[word]
    rest = [word for word in sizes if word not in found]
    for n in sorted(rng.permutation(len(rest)), key=lambda n: -sizes[rest[n]]):
        group = loads.index(min(loads))
        found[rest[n]] = group
        loads[group] += sizes[rest[n]]
    return found
