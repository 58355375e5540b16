"""Judging a set of images: every metric on the features of every extractor, with its interval.

A metric compares two arrays, and an extractor describes an image; what both need around them is
done here, once: features are taken once and kept, scaled, held against a baseline of real images,
and each value gets its interval.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medigan_hub.errors import RequestError, listed, require, whole_number
from medigan_hub.evaluation import (
    asking,
    conditions,
    extractors,
    features,
    intervals,
    measuring,
    paired,
    sources,
    subgroups,
)
from medigan_hub.evaluation import metrics as known_metrics
from medigan_hub.evaluation.baseline import Split
from medigan_hub.evaluation.extractors import Extractor
from medigan_hub.evaluation.judged import Judged, Origin
from medigan_hub.evaluation.measuring import Part
from medigan_hub.evaluation.metrics import Metric
from medigan_hub.evaluation.paired import PairedResult
from medigan_hub.evaluation.preparation import Preparation
from medigan_hub.evaluation.results import Figure
from medigan_hub.evaluation.sources import ImageSet
from medigan_hub.evaluation.subgroups import COVERAGE, Group
from medigan_hub.evaluation.verdicts import Condition, Subgroup
from medigan_hub.inputs import Source

if TYPE_CHECKING:
    from torch.nn import Module
    from typing_extensions import Unpack

    from medigan_hub.generation import Wishes

METRICS = ("KID", "FD", "SWD", "precision", "recall", "density", "coverage", "Vendi")
"""What is measured where nothing is asked for, the leading figure first."""
PAIRED = ("SSIM", "PSNR", "MAE", "NMSE")
"""What is measured of pairs where nothing is asked for."""


@dataclass(frozen=True)
class Plan:
    """What is to be measured: an extractor's features, prepared in some ways, by some metrics."""

    extractor: Extractor
    metrics: tuple[Metric, ...]


def planned(metrics: Sequence[str], given: Sequence[Extractor]) -> list[Plan]:
    """Return which metrics are measured on which extractor's features.

    A metric that is for the features of one extractor alone brings that along, where it is asked
    for by its name.

    Raises
    ------
    RequestError
        There is no such metric, or an extractor is asked for whose features no metric is for.
    """
    asked = [known_metrics.find(name) for name in dict.fromkeys(metrics or METRICS)]
    chosen = list(given) or asking.usual()
    for metric in asked:
        if not any(_fits(metric, extractor) for extractor in chosen):
            chosen.append(extractors.find((metric.extractors or ("texture",))[0]))
    plans = [
        Plan(extractor, tuple(metric for metric in asked if _fits(metric, extractor)))
        for extractor in chosen
    ]
    if not given:  # the usual ones, and those that a metric brought along
        return [plan for plan in plans if plan.metrics]
    for plan in plans:
        if not plan.metrics:
            fit = [
                name
                for name in known_metrics.names()
                if _fits(known_metrics.find(name), plan.extractor)
            ]
            raise RequestError(
                f"no metric that is asked for is for the features of {plan.extractor.name}; "
                f"ask for {listed(fit, ' or ')}"
            )
    return plans


def _fits(metric: Metric, extractor: Extractor) -> bool:
    if metric.extractors is not None:
        return extractor.name in metric.extractors
    return extractor.metrics is None or metric.name in extractor.metrics


def evaluate(
    real: Source | ImageSet,
    synthetic: Source | ImageSet,
    *,
    metrics: Sequence[str] = (),
    given: Sequence[str | Extractor | Module] = (),
    weights: Mapping[str, str | Path] | None = None,
    normalize: str = "none",
    protocol: str = "hub",
    num_samples: int | None = None,
    patients: str | None = None,
    table: str | Path | None = None,
    by: str | Sequence[str] = (),
    probes: str | Sequence[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
    **wishes: Unpack[Wishes],
) -> Judged:
    """Find what was asked for, and ``measure`` it; parameters are those of ``Hub.evaluate``.

    What can be checked without reading an image is checked first.
    """
    seed = whole_number("the seed", wishes.get("seed", 0), 0, 2**64 - 1)
    plans = checked_plans(metrics, given, weights or {}, normalize, protocol)
    ours, theirs = _found(
        real, synthetic, num_samples, patients=patients, table=table, wishes=wishes
    )
    left_out: Sequence[str] = ()
    if not metrics:  # nobody insists on those that need more images
        plans, left_out = possible(plans, min(len(ours), len(theirs)))
    return measure(
        ours,
        theirs,
        plans,
        normalize=normalize,
        protocol=protocol,
        by=_names(by),
        probes=None if probes is None else _names(probes),
        seed=seed,
        settings={"patients": patients, **asking.reading(wishes).asked},
        notes=left_out,
        progress=progress,
    )


def _names(given: str | Sequence[str]) -> Sequence[str]:
    return [given] if isinstance(given, str) else given


def checked_plans(
    metrics: Sequence[str],
    given: Sequence[str | Extractor | Module],
    weights: Mapping[str, str | Path],
    normalize: str,
    protocol: str,
) -> list[Plan]:
    """Return what is to be measured, once it is known that it can be; parameters as ``evaluate``'s.

    Raises
    ------
    HubError
        There is no such metric, extractor or preparation, or one lacks what it needs.
    """
    plans = planned(metrics, asking.extractors_of(given, weights))
    require("scipy", extra="evaluation", purpose="judging images")
    preparations = Preparation.ways(normalize, protocol)
    for plan in plans:
        missing = plan.extractor.missing()
        if missing is not None:
            raise missing
        for each in preparations:
            each.check(plan.extractor)
    return plans


def possible(plans: Sequence[Plan], number: int) -> tuple[list[Plan], list[str]]:
    """Return plans of the metrics that so many images are enough for, and what is left out."""
    found = [
        Plan(plan.extractor, tuple(each for each in plan.metrics if each.smallest <= number))
        for plan in plans
    ]
    if not all(plan.metrics for plan in found):
        return list(plans), []  # whose check says what is missing
    needs = {each.name: each.smallest for plan in plans for each in plan.metrics}
    return found, [
        f"{name} is left out: it needs {smallest} images in each set"
        for name, smallest in needs.items()
        if smallest > number
    ]


@dataclass(frozen=True)
class Compared:
    """What pairs of images gave: the figures, and all cases."""

    evaluation: Judged
    pairs: PairedResult


def compare(
    real: Source | ImageSet,
    synthetic: Source | ImageSet,
    *,
    metrics: Sequence[str] = (),
    masks: Source | None = None,
    match: str | None = None,
    num_samples: int | None = None,
    patients: str | None = None,
    table: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    **wishes: Unpack[Wishes],
) -> Compared:
    """Find what was asked for, and compare image with image; parameters as ``Hub.compare``'s."""
    asked = [known_metrics.find_pair(name) for name in dict.fromkeys(metrics or PAIRED)]
    reading = asking.reading(wishes)
    ours, theirs = _found(
        real, synthetic, num_samples, patients=patients, table=table, wishes=wishes
    )
    inside = None if masks is None else sources.find(masks, reading=reading)
    found = paired.compare(
        ours, theirs, metrics=asked, masks=inside, match=match, progress=progress
    )
    evaluation = Judged(
        found.figures,
        settings={
            "metrics": [metric.name for metric in asked],
            "paired": True,
            "match": match,
            "patients": patients,
            "protocol": "hub",
            "seed": wishes.get("seed", 0),
            **reading.asked,
        },
        sets={
            name: asking.about_set(each, len(each))
            for name, each in (("real", ours), ("synthetic", theirs))
        },
        extractors={},
        versions=asking.versions(),
        notes=(*found.notes, *ours.notes, *theirs.notes),
    )
    return Compared(evaluation, found)


def _found(
    real: Source | ImageSet,
    synthetic: Source | ImageSet,
    num_samples: int | None,
    *,
    patients: str | None,
    table: str | Path | None,
    wishes: Wishes,
) -> tuple[ImageSet, ImageSet]:
    """Return both sets; whether there is such a model is known before a folder is looked at."""
    asking.check_models((real, synthetic), num_samples, wishes)
    reading = asking.reading(wishes)
    ours = sources.find(
        real, reading=reading, count=num_samples, patients=patients, table=table, wishes=wishes
    )
    theirs = sources.find(
        synthetic, reading=reading, count=num_samples, default=len(ours), wishes=wishes
    )
    return ours, theirs


def measure(
    real: ImageSet,
    synthetic: ImageSet,
    plans: Sequence[Plan],
    *,
    normalize: str = "none",
    protocol: str = "hub",
    by: Sequence[str] = (),
    probes: Sequence[str] | None = (),
    seed: int = 0,
    settings: dict[str, Any] | None = None,
    notes: Sequence[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Judged:
    """Measure how far synthetic images are from real ones.

    Parameters
    ----------
    plans
        As ``planned`` returns them.
    normalize
        ``none``, ``minmax`` (each image's least and greatest value become 0 and 1) or ``both``.
    protocol
        ``hub``; or ``medigan``, images as medigan's own script prepares them, and as many of each.
    by
        Columns of the real images, whose groups are measured, too.
    probes
        Columns that a probe tells synthetic images by; None: see ``conditions.asked``.
    seed
        Of the groups of the jackknife, the splits of the baseline, and the folds of probes.
    settings
        What is recorded beside: how the sets were asked for.
    notes
        What is to be known beside.
    progress
        Called with the images described and those in all.

    Raises
    ------
    HubError
        A set is too small for a metric, the sets share images, a column is none to group or probe
        by, or an image can't be read.
    """
    counts = check(real, synthetic, plans, protocol)
    groups, told = subgroups.found(by, real, synthetic, counts)
    if groups:
        _check_number(COVERAGE, *counts)
    asked, also_told = conditions.asked(probes, real, synthetic, counts, seed)

    wanted = wanted_of(plans, normalize, protocol)
    described: dict[str, list[np.ndarray]] = {}
    done, total = 0, len(wanted) * (len(real) + len(synthetic))
    # A model that can't be run is known before the first real image is read.
    for name, images, count in (
        ("synthetic", synthetic, counts[1]),
        ("real", real, counts[0]),
    ):

        def tell(so_far: int, _: int, before: int = done) -> None:
            if progress is not None:
                progress(before + so_far, total)

        found = features.of(images, wanted, progress=tell)
        described[name] = [rows[:count] for rows in found]
        done += len(wanted) * len(images)

    asking.check_obeyed((real, synthetic))
    belongs = _belongs(real, synthetic, counts)
    parts = [Part.whole(*belongs, seed), *_parts(groups, belongs, seed)]
    figures: list[Figure] = []
    covered: list[Subgroup] = []
    obeyed: list[Condition] = []
    for (extractor, preparation), ours, theirs in zip(
        wanted, described["real"], described["synthetic"], strict=True
    ):
        metrics = next(plan.metrics for plan in plans if plan.extractor is extractor)
        figures += measuring.figures(extractor, preparation, metrics, ours, theirs, parts)
        if extractor.metrics is not None:
            continue  # whose features are for these alone
        both = extractor, preparation, ours, theirs
        if groups:
            found_of = subgroups.judged(groups, *both, parts[0].groups, belongs[0])
            figures += found_of.figures
            covered += found_of.subgroups
        for each in asked:
            obeyed += conditions.judged(each, *both)
    measured = list(dict.fromkeys(each for plan in plans for each in plan.metrics))
    head = heading(
        real,
        synthetic,
        plans,
        normalize=normalize,
        protocol=protocol,
        seed=seed,
        by=by,
        probes=[each.target.name for each in asked],
        settings=settings,
    )
    return replace(
        head,
        figures=figures,
        notes=(
            *(*notes, *told, *also_told, *subgroups.small(groups, belongs[0])),
            *measuring.left_out(parts, measured),
            *_notes(plans, (real, synthetic), figures, parts[0].splits),
        ),
        subgroups=subgroups.corrected(covered),
        conditions=tuple(obeyed),
        origin=Origin(real, synthetic, *wanted[0], counts),
    )


def wanted_of(plans: Sequence[Plan], normalize: str, protocol: str) -> list[features.Wanted]:
    """Return the features that are needed: of each extractor, prepared in each way."""
    ways = Preparation.ways(normalize, protocol)
    return [(plan.extractor, each) for plan in plans for each in ways]


def check(
    real: ImageSet, synthetic: ImageSet, plans: Sequence[Plan], protocol: str
) -> tuple[int, int]:
    """Return how many real and synthetic images are compared, once it is known that they can be.

    Raises
    ------
    RequestError
        They are too few for a metric, or the sets share images.
    """
    least = min(len(real), len(synthetic))
    counts = (least, least) if protocol == "medigan" else (len(real), len(synthetic))
    for plan in plans:
        for metric in plan.metrics:
            _check_number(metric, *counts)
    sources.check_apart(real, synthetic)
    return counts


def heading(
    real: ImageSet,
    synthetic: ImageSet,
    plans: Sequence[Plan],
    *,
    normalize: str,
    protocol: str,
    seed: int,
    by: Sequence[str] = (),
    probes: Sequence[str] = (),
    settings: Mapping[str, object] | None = None,
) -> Judged:
    """Return an evaluation without figures: all that decides them; parameters as ``measure``'s.

    Raises
    ------
    RequestError
        The images are too few for a metric, or the sets share some.
    """
    counts = check(real, synthetic, plans, protocol)
    groups = intervals.groups(*_belongs(real, synthetic, counts), seed=seed)
    return Judged(
        [],
        settings={
            "metrics": list(dict.fromkeys(each.name for plan in plans for each in plan.metrics)),
            "extractors": [plan.extractor.name for plan in plans],
            "normalize": normalize,
            "protocol": protocol,
            "by": list(by),
            "probes": list(probes),
            "seed": seed,
            **(settings or {}),
        },
        sets={
            "real": asking.about_set(real, counts[0]) | {"groups": intervals.key(groups)},
            "synthetic": asking.about_set(synthetic, counts[1]),
        },
        extractors={plan.extractor.name: asking.about(plan.extractor) for plan in plans},
        versions=asking.versions(),
    )


def _belongs(
    real: ImageSet, synthetic: ImageSet, counts: tuple[int, int]
) -> tuple[list[str], list[str]]:
    """Return what each image belongs to, of so many in each set."""
    ours, theirs = (
        [item.group for item in each.items][:n]
        for each, n in zip((real, synthetic), counts, strict=True)
    )
    return ours, theirs


def _parts(
    groups: Sequence[Group], belongs: tuple[Sequence[str], Sequence[str]], seed: int
) -> list[Part]:
    """Return the images of each group that a distance can be measured of."""
    everything = np.arange(len(belongs[1]))
    parts = []
    for each in groups:
        theirs = everything if each.synthetic is None else each.synthetic
        if len(theirs):
            parts.append(Part.of(each.name, (each.real, theirs), belongs, seed))
    return parts


def _check_number(metric: Metric, num_real: int, num_synthetic: int) -> None:
    for count, which in ((num_real, "real"), (num_synthetic, "synthetic")):
        if count < metric.smallest and not (metric.is_of_one_set and which == "real"):
            images = "image" if count == 1 else "images"
            raise RequestError(
                f"{metric.name} needs at least {metric.smallest} images in each set, and there "
                f"{'is' if count == 1 else 'are'} {count} {which} {images}; give more"
            )


def _notes(
    plans: Sequence[Plan],
    sets: Sequence[ImageSet],
    figures: Sequence[Figure],
    splits: Sequence[Split],
) -> tuple[str, ...]:
    """Say what is to be known with the figures."""
    notes = [note for plan in plans for note in plan.extractor.notes]
    notes += [note for each in sets for note in each.notes]
    if any(each.low is None and not each.groups and not each.biased for each in figures):
        notes.append(
            "without an interval where there are too few images, or groups of them, to tell it: "
            "images of one patient, file or series are left out together"
        )
    if not splits:
        notes.append("without a baseline: the real images are all of one patient, file or series")
    elif any(each.baseline is None and (each.is_distance or not each.group) for each in figures):
        notes.append("without a baseline where a part of the real images is too few for a metric")
    notes += asking.twice(sets)
    return tuple(dict.fromkeys(notes))
