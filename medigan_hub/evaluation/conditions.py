"""Whether synthetic images show what they were asked for: a probe of real images tells.

The probe learns a column from features of real images. How well it tells the column of real images
that it did not learn from is the ceiling; how well it tells what synthetic images were asked for is
held against that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from medigan_hub.errors import HubError, RequestError, listed, named, require, shortened
from medigan_hub.evaluation import intervals, scores
from medigan_hub.evaluation.extractors import Extractor
from medigan_hub.evaluation.metrics.blocks import flat
from medigan_hub.evaluation.preparation import Preparation
from medigan_hub.evaluation.probe import Probe
from medigan_hub.evaluation.scores import Score
from medigan_hub.evaluation.sources import ImageSet, columns, says
from medigan_hub.evaluation.targets import Target
from medigan_hub.evaluation.verdicts import Condition

FOLDS = 5
"""Parts of the real images, each of which is told by a probe of the others."""
STREAM = 100
"""Of random numbers: which images are in which fold."""
OF_CLASSES = (scores.AUC, scores.KAPPA)
OF_NUMBERS = (scores.MAE, scores.R2)


@dataclass(frozen=True, eq=False)
class Asked:
    """What is known of both sets."""

    target: Target
    real: np.ndarray
    """What is true of each real image, (N,)."""
    synthetic: np.ndarray
    """What each synthetic image was asked for, (M,)."""
    folds: np.ndarray
    """Of each real image, (N,) int."""
    parts: tuple[np.ndarray, np.ndarray]
    """The group of the jackknife that each image is in: (N,) and (M,) int."""
    units: tuple[np.ndarray, np.ndarray]
    """The patient or file of each image, by a number: (N,) and (M,) int."""


def asked(
    names: Sequence[str] | None,
    real: ImageSet,
    synthetic: ImageSet,
    counts: tuple[int, int],
    seed: int,
) -> tuple[list[Asked], list[str]]:
    """Return what the first images of two sets are to be probed for, and notes.

    Parameters
    ----------
    names
        Columns; None for each condition of the synthetic images that the real ones have as a
        column, where a note says why another one is left out.

    Raises
    ------
    HubError
        A column that is named is not in both sets, has gaps, holds a single class, or too few
        patients or files of one; or scikit-learn is not installed.
    """
    if names is not None:
        return [_asked(name, real, synthetic, counts, seed) for name in dict.fromkeys(names)], []
    found, notes = [], []
    for name in (synthetic.header or {}).get("conditions", ()):
        if not says(synthetic, name):
            continue  # the model draws it, and nobody else knows
        what = f"{shortened(name)}, which {synthetic.title} was asked for,"
        try:
            found.append(_asked(name, real, synthetic, counts, seed))
            notes.append(f"{what} was probed for unasked: real images say it too")
        except HubError as error:
            notes.append(f"{what} is not judged: {error}")
    return found, notes


def _asked(
    name: str, real: ImageSet, synthetic: ImageSet, counts: tuple[int, int], seed: int
) -> Asked:
    require("sklearn", extra="evaluation", purpose="training a probe")
    if not says(synthetic, name):
        known = columns(synthetic)
        there = f"there is {listed(known)}" if known else "nothing is known of them"
        raise RequestError(
            f"nothing says what the images of {synthetic.title} were asked for as "
            f"{shortened(name)} ({there}); leave {named('probes', shortened(name))} out, or give a "
            "data set of the hub with that condition"
        )
    target = Target.of(name, real)
    ours, theirs = target.values(real)[: counts[0]], target.values(synthetic)[: counts[1]]
    for images, values in ((real, ours), (synthetic, theirs)):
        if len(np.unique(values)) < 2:
            raise RequestError(
                f"{shortened(name)} is the same for all images of {images.title}, and so there is "
                "nothing to tell apart; give images of several"
            )
    words = [
        [item.group for item in images.items][:count]
        for images, count in zip((real, synthetic), counts, strict=True)
    ]
    one, other = (intervals.groups(each, each, seed=seed).real for each in words)
    units = intervals.numbered(words[0]), intervals.numbered(words[1])
    folds = _folds(units[0], ours, seed)
    _check_folds(target, real, ours, folds)
    return Asked(target, ours, theirs, folds, (one, other), units)


def _folds(units: np.ndarray, values: np.ndarray, seed: int) -> np.ndarray:
    """Return a fold for each image, the same for all of a unit, with like values in all folds.

    The units are put in the order of their mean values, those of one value at random, and dealt in
    turn.
    """
    rng = np.random.Generator(np.random.Philox(key=np.array([seed, STREAM], np.uint64)))
    means = np.bincount(units, values) / np.bincount(units)
    order = np.lexsort((rng.permutation(len(means)), means))
    found = np.empty(len(means), int)
    found[order] = rng.permutation(FOLDS)[np.arange(len(means)) % FOLDS]
    return np.asarray(found[units])


def _check_folds(target: Target, real: ImageSet, values: np.ndarray, folds: np.ndarray) -> None:
    """Make sure that each probe can learn every class, and a number from two images."""
    for fold in np.unique(folds):
        learned = {*values[folds != fold].tolist()}
        lacking = [each for n, each in enumerate(target.classes) if n not in learned]
        if lacking or len(learned) < 2:
            what = f"{shortened(target.name)} {listed(lacking)}" if lacking else target.name
            raise RequestError(
                f"{real.title} has too few patients or files with {what} to hold one back from a "
                "probe; give more of them"
            )


def judged(
    each: Asked,
    extractor: Extractor,
    preparation: Preparation,
    real: np.ndarray,
    synthetic: np.ndarray,
) -> Iterator[Condition]:
    """Yield each score of a probe of one extractor's features, (N, ...) and (M, ...).

    Intervals are those of the delete-group jackknife of the images that are scored, for the probe
    as it is: another one, of other real images, is not in them. That of a difference combines both
    intervals (Zou and Donner 2008, doi:10.1002/sim.3095), as if the images scored were independent.
    """
    ours, theirs = flat(real), flat(synthetic)
    held_out = _held_out(each, ours)
    said = Probe(each.target).fit(ours, each.real).predict(theirs)
    for score in OF_NUMBERS if each.target.is_number else OF_CLASSES:
        ceiling = _estimate(score, each.real, held_out, each.parts[0], each.units[0])
        found = _estimate(score, each.synthetic, said, each.parts[1], each.units[1])
        low, high = _difference(found, ceiling)
        yield Condition(
            extractor=extractor.name,
            normalize=preparation.normalize,
            column=shortened(each.target.name),
            score=score.name,
            better=score.better,
            value=found.value,
            low=found.low,
            high=found.high,
            ceiling=ceiling.value,
            ceiling_low=ceiling.low,
            ceiling_high=ceiling.high,
            difference_low=low,
            difference_high=high,
            num_real=len(ours),
            num_synthetic=len(theirs),
        )


def _held_out(each: Asked, features: np.ndarray) -> np.ndarray:
    """Return what is said of real images, each by a probe that did not learn from its like."""
    shape = (len(features), len(each.target.classes)) if each.target.classes else len(features)
    found = np.empty(shape)
    for fold in np.unique(each.folds):
        inside = each.folds == fold
        probe = Probe(each.target).fit(features[~inside], each.real[~inside])
        found[inside] = probe.predict(features[inside])
    return found


class _Scored(NamedTuple):
    value: float
    low: float | None
    high: float | None


def _estimate(
    score: Score, truth: np.ndarray, said: np.ndarray, parts: np.ndarray, units: np.ndarray
) -> _Scored:
    """Return a score with its interval."""
    value = score(truth, said)
    count = int(parts.max()) + 1
    if count < intervals.FEWEST:
        return _Scored(value, None, None)
    left_out = np.array([score(truth[parts != n], said[parts != n]) for n in range(count)])
    shares = np.bincount(parts) / len(parts)
    found = intervals.estimate(value, left_out, shares, limits=score.limits)
    if found.low is None and score is scores.AUC and value in score.limits:
        return _Scored(value, *_at_an_end(value, truth, units))
    return _Scored(value, found.low, found.high)


def _at_an_end(value: float, truth: np.ndarray, units: np.ndarray) -> tuple[float, float]:
    """Return the interval of an AUC of 0 or 1, which no jackknife tells, as no group changes it.

    Pairs of one image of a class and one of no other have an order with the probability AUC each;
    of as many disjoint pairs of units as there are, all having it is unlikely unless it is large.
    """
    pairs = len(units)
    for each in np.unique(truth):
        one, other = (np.unique(units[some]) for some in (truth == each, truth != each))
        pairs = min(pairs, len(one), len(other), len(np.union1d(one, other)) // 2)
    reach = 1 - ((1 - intervals.LEVEL) / 2) ** (1 / max(pairs, 1))
    return (1 - reach, 1.0) if value else (0.0, reach)


def _difference(one: _Scored, other: _Scored) -> tuple[float | None, float | None]:
    """Return the interval of a score less another one."""
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return None, None
    middle = one.value - other.value
    return (
        middle - math.hypot(one.value - one.low, other.high - other.value),
        middle + math.hypot(one.high - one.value, other.value - other.low),
    )
