"""Synthetic images against the very images that they should be: case by case, and on average."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

from medigan_hub.dataset import labels
from medigan_hub.errors import OutputError, RequestError, listed, named, require, shortened
from medigan_hub.evaluation import metrics as registry
from medigan_hub.evaluation.clustered import FEWEST, Mean
from medigan_hub.evaluation.matching import matched
from medigan_hub.evaluation.pairs import Pair, PairMetric, Undefined
from medigan_hub.evaluation.pairs.reading import Read, read
from medigan_hub.evaluation.results import Figure
from medigan_hub.evaluation.sources import ImageSet
from medigan_hub.files import check_replaceable, write_atomically
from medigan_hub.provenance import NOTICE

INSIDE = "inside the mask"
OPAQUE = {2, 4}
"""Numbers of channels of which the last may be the opacity."""


@dataclass(frozen=True)
class Case:
    """One pair of images, and what was found."""

    real: str
    synthetic: str
    group: str
    """What the real image belongs to: a patient, or a file."""
    values: Mapping[str, float]
    """By the name that a value is reported under, such as ``SSIM inside the mask``."""
    undefined: Mapping[str, str]
    """Why there is no value, by the same names."""


@dataclass(frozen=True)
class Summary:
    """The values of one metric over all cases."""

    name: str
    better: str | None
    ideal: float | None
    mean: Mean | None
    """Of the cases that have a value; None where there is none."""
    undefined: Mapping[str, int]
    """Why others have none, and how many."""

    @property
    def note(self) -> str | None:
        """What is to be known with the mean: which cases it is not of."""
        if not self.undefined:
            return None
        without = sum(self.undefined.values())
        count = without + (self.mean.count if self.mean else 0)
        reasons = "; ".join(f"{reason} ({number})" for reason, number in self.undefined.items())
        return (
            f"{self.name} has no value for {without} of {count} pairs, which its mean leaves out: "
            f"{reasons}"
        )


@dataclass(frozen=True)
class PairedResult:
    """What a comparison found."""

    cases: Sequence[Case]
    """In the order of the synthetic images."""
    summaries: Sequence[Summary]
    """In the order of the metrics, of the whole image first."""
    notes: tuple[str, ...]
    """What is to be known with the figures, in words."""

    @property
    def figures(self) -> list[Figure]:
        """The means, with their intervals; none where no case has a value."""
        return [
            Figure(
                metric=summary.name,
                extractor=None,
                normalize="none",
                value=summary.mean.value,
                low=summary.mean.low,
                high=summary.mean.high,
                better=summary.better,
                ideal=summary.ideal,
                num_real=summary.mean.count,
                num_synthetic=summary.mean.count,
                baseline=None,
                biased=False,
                groups=summary.mean.groups,
            )
            for summary in self.summaries
            if summary.mean is not None
        ]

    def table(self) -> bytes:
        """Return the cases as a table: RFC 4180 in UTF-8, a row each.

        Groups are numbered, as a path or a series should not travel with the figures. The last
        columns say why values are missing, and that the figures are of synthetic images.
        """
        groups = list(dict.fromkeys(case.group for case in self.cases))
        numbers = {group: number for number, group in enumerate(groups)}
        names = [summary.name for summary in self.summaries]
        rows = [labels.line(["real", "synthetic", "group", *names, "undefined", "notice"])]
        for case in self.cases:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in case.undefined.items())
            told = [case.real, case.synthetic, numbers[case.group]]
            values = [case.values.get(name) for name in names]
            rows.append(labels.line(map(labels.cell, [*told, *values, reasons, NOTICE])))
        return b"".join(rows)

    def write(self, path: Path) -> None:
        """Write the table of the cases, whole or not at all.

        Raises
        ------
        OutputError
            It can't be written there.
        """
        try:
            check_replaceable(path)
            write_atomically(path, self.table())
        except OSError as error:
            raise OutputError(
                f"{path} can't be written: {error.strerror or error}; name another file"
            ) from error


def compare(
    real: ImageSet,
    synthetic: ImageSet,
    *,
    metrics: Sequence[str | PairMetric],
    masks: ImageSet | None = None,
    match: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> PairedResult:
    """Compare each synthetic image with the real one that it should be.

    Images are compared as fractions of the range of their type. One pair is in memory at a time.

    Parameters
    ----------
    metrics
        Names, or the metrics themselves.
    masks
        What is not black in them is the region in which metrics are taken as well.
    match
        What images are matched by; see ``matching.matched``.
    progress
        Is told how many pairs are done, and of how many.

    Returns
    -------
    Means with intervals of 95 %, in which the images of a group count as depending on each other.

    Raises
    ------
    RequestError
        A metric is unknown, images don't belong together or differ in size or channels, or a
        mask is none.
    MissingDependencyError
        What a metric needs is not installed.
    """
    chosen = _chosen(metrics)
    if masks is not None and not any(metric.is_local for metric in chosen):
        raise RequestError(
            f"none of {listed(metric.name for metric in chosen)} is taken inside a mask; leave "
            f"{named('masks')} out"
        )
    matches, notes = matched(real, synthetic, masks, match)
    require("scipy", extra="evaluation", purpose="comparing pairs of images")
    cases = []
    found: dict[tuple[int, str], list[tuple[str, float | str]]] = {}
    """By the metric's place and the name: of each case, its group and the value, or why none."""
    channels = set()
    for pair in read(real, synthetic, masks, matches):
        told: dict[str, float | str] = {}
        for number, metric in enumerate(chosen):
            for name, value in _values(metric, pair):
                told[name] = value
                found.setdefault((number, name), []).append((pair.group, value))
        values = {name: each for name, each in told.items() if not isinstance(each, str)}
        reasons = {name: each for name, each in told.items() if isinstance(each, str)}
        cases.append(Case(pair.real, pair.synthetic, pair.group, values, reasons))
        channels.add(pair.images.real.shape[-1])
        if progress is not None:
            progress(len(cases), len(matches))
    summaries = [
        _summary(name, chosen[number], found[number, name])
        for number, name in sorted(found, key=lambda key: key[0])
    ]
    return PairedResult(cases, summaries, (*notes, *_words(summaries, channels)))


def _chosen(metrics: Sequence[str | PairMetric]) -> list[PairMetric]:
    chosen = [registry.find_pair(each) if isinstance(each, str) else each for each in metrics]
    if not chosen:
        raise RequestError(
            f"there is no metric to compare pairs by; choose of {listed(registry.pair_names())}"
        )
    return list({metric.name: metric for metric in chosen}.values())


def _values(metric: PairMetric, read: Read) -> Iterator[tuple[str, float | str]]:
    """Yield by name what a metric says of all, and inside the region, or why it says nothing."""
    pair = read.masks if metric.is_of_masks else read.images
    name = metric.called(pair)
    yield name, _value(metric, pair)
    if metric.is_local and read.region is not None:
        inside = replace(pair, region=read.region)
        yield f"{name} {INSIDE}", _value(metric, inside) if read.region.any() else "it is empty"


def _value(metric: PairMetric, pair: Pair) -> float | str:
    try:
        value = metric(pair)
    except Undefined as why:
        return shortened(why)
    return value if math.isfinite(value) else "it is no number"


def _summary(name: str, metric: PairMetric, found: Sequence[tuple[str, float | str]]) -> Summary:
    values = [(group, value) for group, value in found if not isinstance(value, str)]
    groups, numbers = zip(*values, strict=True) if values else ((), ())
    return Summary(
        name,
        metric.better,
        metric.ideal,
        Mean.of(numbers, groups, metric.bounds) if values else None,
        Counter(value for _, value in found if isinstance(value, str)),
    )


def _words(summaries: Sequence[Summary], channels: Set[int]) -> list[str]:
    """Say what else is to be known with the figures."""
    words = [summary.note for summary in summaries if summary.note]
    few = [each.name for each in summaries if each.mean and each.mean.groups < FEWEST]
    if few:
        words.append(
            f"{listed(few)} {'has' if len(few) == 1 else 'have'} no interval: that needs {FEWEST} "
            "patients, or files"
        )
    if channels & OPAQUE:
        words.append("all channels count alike, opacity too where the last one is that")
    return words
