"""Groups of images, by what a column says of them: how far each is, and whom a model leaves out.

Coverage says the latter without a word on synthetic images: whether a real image has a synthetic
one near. Where these are as the real ones it is the same in every group, large or small, dense or
sparse, as the radius around an image is that of its own neighbours.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from medigan_hub.errors import listed, require, shortened
from medigan_hub.evaluation import intervals, proportions
from medigan_hub.evaluation.extractors import Extractor
from medigan_hub.evaluation.metrics import Groups
from medigan_hub.evaluation.metrics.neighbours import Coverage
from medigan_hub.evaluation.preparation import Preparation
from medigan_hub.evaluation.results import Figure
from medigan_hub.evaluation.scaling import scaled
from medigan_hub.evaluation.sources import ImageSet, column, says
from medigan_hub.evaluation.targets import Target, canonical
from medigan_hub.evaluation.verdicts import Subgroup

COVERAGE = Coverage()
FEWEST = 50
"""Real images of a group that is judged."""
QUARTERS = (25, 50, 75)


@dataclass(frozen=True, eq=False)
class Group:
    """Images of which a column says the same."""

    name: str
    """The column and what it says, as ``sex F`` or ``age 40 to 53``."""
    real: np.ndarray
    """Their places."""
    synthetic: np.ndarray | None
    """Their places; None where nothing says which of the synthetic images are of it."""


def found(
    names: Sequence[str], real: ImageSet, synthetic: ImageSet, counts: tuple[int, int]
) -> tuple[list[Group], list[str]]:
    """Return the groups that columns cut the first images of two sets into, and notes.

    Numbers of which there are more than ten are cut into quarters of the real images.

    Raises
    ------
    RequestError
        The real images have no such column, or it has gaps, is the same for all, or is different
        for nearly all and no number; or what it says of a synthetic image is no number.
    """
    groups: list[Group] = []
    notes: list[str] = []
    for name in dict.fromkeys(names):
        target = Target.of(name, real)
        has_column = says(synthetic, name)
        ours = _words(name, real, counts[0])
        theirs = _words(name, synthetic, counts[1]) if has_column else None
        if target.is_number:
            if has_column:
                target.values(synthetic)  # refuses what is no number
            parts = list(_quarters(name, ours, theirs))
        else:
            parts = [
                Group(
                    f"{shortened(name)} {shortened(word)}",
                    np.flatnonzero(ours == word),
                    None if theirs is None else np.flatnonzero(theirs == word),
                )
                for word in target.classes
            ]
        groups += parts
        notes += _notes(name, parts, synthetic, theirs)
    return [each for each in groups if len(each.real)], notes


def small(groups: Sequence[Group], belongs: Sequence[str]) -> list[str]:
    """Say which groups are too small for a verdict."""
    units = intervals.numbered(belongs)
    names = [f"{each.name} ({len(each.real)})" for each in groups if not is_judged(each, units)]
    if not names:
        return []
    return [
        f"whether they are left out is not judged of groups with fewer than {FEWEST} real images, "
        f"or {intervals.FEWEST} patients or files: {listed(names)}"
    ]


def _words(name: str, images: ImageSet, count: int) -> np.ndarray:
    return np.array([canonical(word) for word in column(images, name)[:count]])


def _quarters(name: str, real: np.ndarray, synthetic: np.ndarray | None) -> Iterator[Group]:
    """Yield the quarters of numbers; fewer where many are equal, which stay together."""
    ours = real.astype(float)
    theirs = None if synthetic is None else synthetic.astype(float)
    least, top = ours.min(), ours.max()
    edges = np.unique(np.percentile(ours, QUARTERS, method="lower"))
    edges = edges[edges < top]
    if not len(edges):  # most are the greatest number
        edges = ours[ours < top].max(keepdims=True)
    # What is beyond all real numbers is in no group.
    for low, high in pairwise((np.nextafter(least, -np.inf), *edges, top)):
        inside = (ours > low) & (ours <= high)
        yield Group(
            f"{shortened(name)} {_range(ours[inside].min(), ours[inside].max())}",
            np.flatnonzero(inside),
            None if theirs is None else np.flatnonzero((theirs > low) & (theirs <= high)),
        )


def _range(first: float, last: float) -> str:
    """Return two numbers in words, with as many digits as tell them apart."""
    for digits in (4, 8, 17):
        one, other = (canonical(f"{each:.{digits}g}") for each in (first, last))
        if one != other:
            return f"{one} to {other}"
    return one


def _notes(
    name: str, groups: Sequence[Group], synthetic: ImageSet, words: np.ndarray | None
) -> Iterator[str]:
    """Say what the groups of a column are held against."""
    if words is None:
        yield (
            f"{synthetic.title} has no column {shortened(name)}: each group of it is held against "
            "all synthetic images"
        )
        return
    placed = [each.synthetic for each in groups if each.synthetic is not None]
    outside = np.delete(words, np.concatenate(placed))
    if len(outside):
        counts = [f"{word} ({number})" for word, number in Counter(outside.tolist()).most_common()]
        yield (
            f"{synthetic.title} has images of which {shortened(name)} says what it says of no real "
            f"one: {listed(counts, most=5)}; these are in no group"
        )
    missing = [each.name for each, some in zip(groups, placed, strict=True) if not len(some)]
    if missing:
        yield (
            f"{synthetic.title} has no image of {listed(missing)}: there is nothing to measure a "
            "distance to; their coverage is that by all synthetic images"
        )


@dataclass(frozen=True)
class Judged:
    """What coverage says of groups."""

    figures: list[Figure]
    """The coverage of each."""
    subgroups: list[Subgroup]
    """How it is against that of the others, of those that can be judged."""


def judged(
    groups: Sequence[Group],
    extractor: Extractor,
    preparation: Preparation,
    real: np.ndarray,
    synthetic: np.ndarray,
    jackknife: Groups,
    belongs: Sequence[str],
) -> Judged:
    """Return the coverage of each group, and how it is against that of all other real images.

    The standard error of the difference is that of the delete-group jackknife, or, where it is
    larger, that of two equal shares, p (1 - p) (1 / n + 1 / m), with the share p of all real
    images, which does not vanish where all or none of a group are covered. There, n and m are the
    effective numbers of independent images, sum(k)^2 / sum(k^2) of patients or files of k images
    each (Kish 1965, "Survey Sampling", section 8.2), as if those of one were all alike. The
    quantile is that of Student's t. See ``is_judged`` for which groups are too small.

    Parameters
    ----------
    real, synthetic
        Features, (N, ...) and (M, ...), as the extractor gives them.
    belongs
        The patient or file of each real image; an empty one stands for itself.
    """
    special = require("scipy.special", extra="evaluation", purpose="judging groups")
    covered = COVERAGE.covered(*scaled(real, synthetic, extractor.scaling), jackknife)
    units = intervals.numbered(belongs)
    sizes = np.array([np.bincount(of) for of in (jackknife.real, jackknife.synthetic)], float)
    shares = (sizes / sizes.sum(axis=1, keepdims=True)).mean(axis=0)
    overall = covered[:, 0].mean()
    found = Judged([], [])
    for group in groups:
        inside = np.zeros(len(covered), bool)
        inside[group.real] = True
        value, left_out = _share(covered, inside, jackknife)
        interval = intervals.estimate(value, left_out, shares, limits=COVERAGE.limits)
        found.figures.append(
            Figure(
                metric=extractor.calls.get(COVERAGE.name, COVERAGE.name),
                extractor=extractor.name,
                normalize=preparation.normalize,
                value=value,
                low=interval.low,
                high=interval.high,
                better=COVERAGE.better,
                ideal=COVERAGE.ideal,
                num_real=len(group.real),
                num_synthetic=len(synthetic),
                baseline=None,
                biased=False,
                groups=interval.count,
                group=group.name,
                is_distance=False,
            )
        )
        if jackknife.count < intervals.FEWEST or not is_judged(group, units):
            continue
        others, others_left_out = _share(covered, ~inside, jackknife)
        difference = value - others
        _, error = intervals.combined(difference, left_out - others_left_out, shares)
        parts = 1 / _effective(units[inside]) + 1 / _effective(units[~inside])
        error = float(np.fmax(error, math.sqrt(overall * (1 - overall) * parts)))  # not NaN
        reach = intervals.quantile(jackknife.count) * error
        p = 2 * special.stdtr(jackknife.count - 1, -abs(difference) / error) if error else 1.0
        found.subgroups.append(
            Subgroup(
                extractor=extractor.name,
                normalize=preparation.normalize,
                group=group.name,
                num_real=len(group.real),
                num_others=len(covered) - len(group.real),
                coverage=value,
                others=others,
                difference=difference,
                low=max(difference - reach, -1.0),
                high=min(difference + reach, 1.0),
                p=min(float(p), 1.0),
                p_corrected=min(float(p), 1.0),
            )
        )
    return found


def is_judged(group: Group, units: np.ndarray) -> bool:
    """Tell whether a group has enough images, and patients or files, and there are others."""
    inside = len(np.unique(units[group.real]))
    return FEWEST <= len(group.real) < len(units) and inside >= intervals.FEWEST


def _share(covered: np.ndarray, inside: np.ndarray, groups: Groups) -> tuple[float, np.ndarray]:
    """Return the share of some images that is covered, and the same without each group."""
    rows = covered[inside]
    kept = groups.real[inside, np.newaxis] != np.arange(groups.count)
    left = kept.sum(axis=0)
    hits = (rows[:, 1:] & kept).sum(axis=0)
    found = np.where(left > 0, hits / np.maximum(left, 1), math.nan)
    return float(rows[:, 0].mean()), found


def _effective(units: np.ndarray) -> float:
    """Return how many independent images some are worth, whose units are alike in themselves."""
    counts = np.unique(units, return_counts=True)[1]
    return float(counts.sum() ** 2 / np.square(counts).sum())


def corrected(subgroups: Sequence[Subgroup]) -> tuple[Subgroup, ...]:
    """Return groups with p-values that are corrected for how many groups and features there are.

    Then none is called left out, where none is, in 95 % of all evaluations.
    """
    found = proportions.corrected([each.p for each in subgroups])
    return tuple(replace(each, p_corrected=p) for each, p in zip(subgroups, found, strict=True))
