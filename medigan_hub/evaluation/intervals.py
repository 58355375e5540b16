"""Intervals by a jackknife: every value is computed without each group of images in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medigan_hub.errors import RequestError, require
from medigan_hub.evaluation.metrics.base import Groups, Metric

GROUPS = 20
"""As many as there are at most."""
FEWEST = 3
"""Groups without which there is no interval."""
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A value with its interval."""

    value: float
    low: float | None
    high: float | None
    corrected: bool
    """Whether the value's bias was taken away."""
    count: int
    """Groups of the jackknife."""


def groups(
    real: Sequence[str], synthetic: Sequence[str], *, count: int = GROUPS, seed: int = 0
) -> Groups:
    """Return which images are left out together, by what each belongs to (as a patient).

    What belongs together stays so. There are ``count`` groups of nearly one size, or as many as
    the set has units that has fewer.
    """
    units = [np.unique(np.asarray(each), return_inverse=True)[1] for each in (real, synthetic)]
    count = min(count, *(int(each.max(initial=-1)) + 1 for each in units))
    ours, theirs = (_dealt(each, count, (seed, n)) for n, each in enumerate(units))
    return Groups(ours, theirs, count)


def _dealt(units: np.ndarray, count: int, key: tuple[int, int]) -> np.ndarray:
    """Deal units to groups at random, the large ones first, each to the group that has least."""
    rng = np.random.Generator(np.random.Philox(key=np.array(key, np.uint64)))
    sizes = np.bincount(units)
    order = rng.permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    if len(set(sizes.tolist())) == 1:
        places = np.empty(len(sizes), int)
        places[order] = np.arange(len(sizes)) % max(1, count)
        return np.asarray(places[units])
    held = np.zeros(count, int)
    places = np.empty(len(sizes), int)
    for unit in order:
        places[unit] = held.argmin()
        held[places[unit]] += sizes[unit]
    return np.asarray(places[units])


def jackknife(metric: Metric, real: np.ndarray, synthetic: np.ndarray, groups: Groups) -> Estimate:
    """Return a metric's value with its interval of 95 %, from leaving out groups of both sets.

    The value is corrected for bias where the metric says so, and where there are images enough.
    Sources: Busing, Meijer and van der Leeden, "Delete-m jackknife for unequal m", Statistics and
    Computing 1999, doi:10.1023/A:1008800423698.

    Parameters
    ----------
    real, synthetic
        Features, (N, ...) and (M, ...).

    Raises
    ------
    RequestError
        Features differ in form, or are not all numbers.
    """
    check(real, synthetic)
    value = metric(real, synthetic)
    count = groups.count
    biased = metric.is_biased(min(len(real), len(synthetic)), real.shape[1:])
    sizes = [np.bincount(each, minlength=count) for each in (groups.real, groups.synthetic)]
    left = min(int(each.sum() - each.max(initial=0)) for each in sizes)
    if count < FEWEST or left < metric.smallest or not np.isfinite(value):
        return Estimate(value, None, None, corrected=False, count=count)
    without = metric.left_out(real, synthetic, groups)
    if not np.isfinite(without).all():
        return Estimate(value, None, None, corrected=False, count=count)
    share = np.mean([each / each.sum() for each in sizes], axis=0)
    times = 1 / share
    unbiased = count * value - ((1 - share) * without).sum()
    pseudo = times * value - (times - 1) * without
    error = float(np.sqrt(((pseudo - unbiased) ** 2 / (times - 1)).mean()))
    stats = require("scipy.stats", extra="evaluation", purpose="an interval")
    reach = error * float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1))
    corrected = metric.is_corrected and not biased
    middle = float(unbiased) if corrected else value
    low, high = metric.bounded(middle - reach), metric.bounded(middle + reach)
    return Estimate(middle, low, high, corrected, count)


def check(real: np.ndarray, synthetic: np.ndarray) -> None:
    """Make sure that features can be compared.

    Raises
    ------
    RequestError
        They differ in form, or are not all numbers.
    """
    if real.shape[1:] != synthetic.shape[1:]:
        raise RequestError(
            f"features of real images have the shape {real.shape[1:]}, of synthetic ones "
            f"{synthetic.shape[1:]}; take both with one extractor"
        )
    for rows, name in ((real, "real"), (synthetic, "synthetic")):
        for start in range(0, len(rows), 1000):
            bad = ~np.isfinite(rows[start : start + 1000].reshape(-1)).all()
            if bad:
                raise RequestError(
                    f"features of {name} images hold values that are no numbers; look for an image "
                    "that is empty or damaged"
                )
