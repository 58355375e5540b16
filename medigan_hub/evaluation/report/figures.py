"""What a report says of an evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from medigan_hub.evaluation import picture, table
from medigan_hub.evaluation.digits import places, shown
from medigan_hub.evaluation.report import settings
from medigan_hub.evaluation.report.content import Gallery, Part, Report, Table
from medigan_hub.evaluation.results import Evaluation, Figure

COVERING = ("coverage", "recall", "Vendi", "intra-MS-SSIM")
"""Metrics of how much of the real images is shown, and not of how near the synthetic ones are."""
DISTANCES = ("KID", "FD", "FID", "MMD", "SWD", "FRD")
"""Those that tell whether two sets differ, the best first."""
SPREADS = 2
"""Standard deviations of the baseline beyond which a figure is no accident of the split."""
UNSEEN = (
    "Whether training images are given away was not examined here. What does: medigan privacy "
    "TRAIN HELDOUT SYNTHETIC."
)
NONE_LEFT_OUT = "No group is left out, as far as so many images tell."
OBEYED = "What was asked for shows as it does in real images, as far as so many images tell."


def report(
    evaluation: Evaluation,
    galleries: Mapping[str, Sequence[Gallery]],
    header: Mapping[str, Any] | None = None,
) -> Report:
    """Return the report of an evaluation.

    Parameters
    ----------
    galleries
        Pictures by criterion, as ``gallery.of`` returns them.
    header
        What is true of all samples, as ``provenance.header`` says it, where a model made them.
    """
    all_images = [each for each in evaluation.figures if each.group is None]
    groups = [each for each in evaluation.figures if each.group is not None]
    covering = [each for each in all_images if each.metric in COVERING]
    near = [each for each in all_images if each.metric not in COVERING]
    document, words = evaluation.document(), settings.licence(header)
    parted = [
        _told(evaluation, NONE_LEFT_OUT, subgroups=evaluation.subgroups),
        _part(evaluation, groups, ()),
    ]
    consistency = sum((each for each in parted if each is not None), Part())
    parts = {
        "Congruence": _part(evaluation, near, galleries.get("Congruence", ())),
        "Coverage": _part(evaluation, covering, galleries.get("Coverage", ())),
        "Constraint": _told(evaluation, OBEYED, conditions=evaluation.conditions),
        "Consistency": consistency if any(parted) else None,
        "Completeness": _completeness(evaluation),
        "Compliance": Part([*words, UNSEEN]) if words else None,
        "Comprehension": settings.part(document, header),
    }
    return Report(
        title=settings.title(evaluation.sets["synthetic"], "how near they are to real ones"),
        about=f"{evaluation.about}.",
        verdict=list(verdict(evaluation)),
        parts={name: part for name, part in parts.items() if part is not None},
        notes=list(table.reading(evaluation)),
        document=document,
        shows_real=any(
            each.origin.startswith("Real, conf")
            for some in galleries.values()
            for gallery in some
            for each in gallery.pictures
        ),
    )


def verdict(evaluation: Evaluation) -> Iterator[str]:
    """Yield what the figures say in words: of each extractor's features, a sentence or two."""
    yield from map(_sentence, evaluation.verdicts)
    found: dict[tuple[str | None, str], list[Figure]] = {}
    for figure in evaluation.figures:
        if figure.group is None:
            found.setdefault((figure.extractor, figure.normalize), []).append(figure)
    for figures in found.values():
        by_name = {each.metric: each for each in figures}
        leading = next((by_name[name] for name in DISTANCES if name in by_name), None)
        if leading is not None and not leading.biased:
            yield _distance(leading)
        if "coverage" in by_name:
            yield _coverage(by_name["coverage"])
    if all(each.extractor is None for each in evaluation.figures):
        yield "Each synthetic image was held against the real one that it should be."
    yield (
        "This says nothing of whether the images are anatomically right, whether the model may be "
        "shared, or whether its images help a task."
    )


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:].rstrip('.')}."


def _distance(figure: Figure) -> str:
    what = f"By features of {figure.features}, {figure.metric} is {_value(figure)}"
    baseline = figure.baseline
    if baseline is None:
        return f"{what}; there are no other real images to hold that against."
    digits = places(figure)
    beside = f"{shown(baseline.value, digits)} ± {shown(baseline.spread, digits)}"
    what += f", where real images against other real ones give {beside}"
    if figure.low is None or figure.high is None:
        return f"{what}; without an interval it decides nothing."
    if figure.low > baseline.value + SPREADS * baseline.spread:
        return f"{what}: the synthetic images can be told from real ones by these features."
    return (
        f"{what}: with so many images, these features do not tell the synthetic images from real "
        "ones."
    )


def _coverage(figure: Figure) -> str:
    what = f"{figure.value:.0%}"
    if figure.low is not None and figure.high is not None:
        what += f" ({figure.low:.0%} to {figure.high:.0%})"
    what += " of the real images have a synthetic one near"
    if figure.baseline is None:
        return f"{what}."
    other, ours = figure.baseline.value, figure.baseline.compared
    words = (
        f"{what}. With as many images of each, {ours:.0%} have, and {other:.0%} of them have other "
        "real ones near"
    )
    if ours < other - SPREADS * max(figure.baseline.spread, 0.01):
        return f"{words}: some of what real images show is missing."
    return f"{words}."


def _value(figure: Figure) -> str:
    digits = places(figure)
    words = shown(figure.value, digits)
    if figure.low is None or figure.high is None:
        return words
    return f"{words} ({shown(figure.low, digits)} to {shown(figure.high, digits)})"


def _part(
    evaluation: Evaluation, figures: Sequence[Figure], galleries: Sequence[Gallery]
) -> Part | None:
    if not figures:
        return Part(galleries=galleries) if galleries else None
    some = replace(evaluation, figures=list(figures), subgroups=(), conditions=())
    return Part(drawings=[picture.svg(some)], tables=_tables(some), galleries=galleries)


def _told(evaluation: Evaluation, otherwise: str, **kept: Any) -> Part | None:
    """Return what is said of groups, or of conditions, alone: words, then tables.

    Where no verdict is, ``otherwise`` is said.
    """
    some = replace(evaluation, **{"figures": [], "subgroups": (), "conditions": (), **kept})
    tables = _tables(some)
    return Part([*map(_sentence, some.verdicts)] or [otherwise], tables=tables) if tables else None


def _tables(evaluation: Evaluation) -> list[Table]:
    return [Table(each.heading, each.columns, each.rows) for each in table.sections(evaluation)]


def _completeness(evaluation: Evaluation) -> Part:
    rows = []
    for name in ("synthetic", "real"):
        facts = evaluation.sets[name]
        rows.append(
            [
                name,
                str(facts["num_images"]),
                settings.worded(facts.get("columns")) or "nothing",
                _origin(facts) if name == "synthetic" else "not told by the files",
            ]
        )
    columns = ("set", "images", "known of every image", "made by")
    return Part(tables=[Table("What comes with the images", columns, rows)])


def _origin(facts: Mapping[str, object]) -> str:
    if not facts.get("model"):
        return "not known"
    return f"{facts['model']} {facts.get('version') or ''}, seed {facts.get('seed')}"
