"""Figures as a table, for people: with intervals and baselines, and how to read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medigan_hub.errors import listed
from medigan_hub.evaluation.digits import places, shown
from medigan_hub.evaluation.results import Evaluation, Figure
from medigan_hub.evaluation.verdicts import Condition, Subgroup
from medigan_hub.terminal import text

if TYPE_CHECKING:
    from rich.console import RenderableType

COLUMNS = ("metric", "value", "95 % interval", "baseline", "difference", "ratio")
COVERED = ("group", "images", "coverage", "others", "difference", "95 % interval", "p")
OBEYED = ("asked for", "score", "synthetic", "95 % interval", "real", "95 % interval")
TEXTS = ("metric", "group", "asked for", "score", "95 % interval")
"""Columns that stand to the left."""
LEAD = "KID"
"""The metric that is read first."""


@dataclass(frozen=True)
class Section:
    """What was found by the same features of the same images."""

    heading: str
    """Whose features, and of how many images."""
    rows: Sequence[Sequence[str]]
    """A row a figure, by the columns."""
    columns: Sequence[str] = COLUMNS


def table(evaluation: Evaluation) -> RenderableType:
    """Return an evaluation to be printed: what was judged, its figures, and how to read them."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.table import Table

    parts: list[RenderableType] = [text(f"{evaluation.about}.")]
    found = sections(evaluation)
    for section in found:
        # The same in all sections alike, so that columns stand below each other.
        alike = [each for each in found if each.columns == section.columns]
        cells = zip(section.columns, *(row for each in alike for row in each.rows), strict=True)
        grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for name, column in zip(section.columns, cells, strict=True):
            justify = "left" if name in TEXTS else "right"
            width = max(map(len, column))
            grid.add_column(name, justify=justify, min_width=width, no_wrap=True)  # type: ignore[arg-type]
        for row in section.rows:
            grid.add_row(*map(text, row))
        parts += [text(f"\n{section.heading}", style="bold"), Padding(grid, (0, 0, 0, 2))]
    remarks = reading(evaluation)
    return Group(*parts, text(""), *map(text, remarks))


def sections(evaluation: Evaluation) -> list[Section]:
    """Return what was found in sections: figures in their order, then groups and conditions."""
    found: dict[tuple[object, ...], list[Figure]] = {}
    for figure in evaluation.figures:
        # Of a group, distances and coverage may be by other numbers of synthetic images.
        numbers = (figure.num_real, figure.num_synthetic) if figure.group is None else ()
        found.setdefault((figure.features, numbers), []).append(figure)
    covered: dict[str, list[Sequence[str]]] = {}
    for group in evaluation.subgroups:
        covered.setdefault(group.features, []).append(_covered(group))
    obeyed: dict[str, list[Sequence[str]]] = {}
    for each in evaluation.conditions:
        obeyed.setdefault(each.features, []).append(_obeyed(each))
    return [
        *(_figures(figures) for figures in found.values()),
        *(
            Section(f"{features}: are groups left out?", rows, COVERED)
            for features, rows in covered.items()
        ),
        *(
            Section(f"{features}: do images show what was asked for?", rows, OBEYED)
            for features, rows in obeyed.items()
        ),
    ]


def reading(evaluation: Evaluation) -> Iterator[str]:
    """Yield what is to be known to read the figures, a line each."""
    figures = evaluation.figures
    yield from evaluation.verdicts
    if evaluation.subgroups and not any(each.is_left_out for each in evaluation.subgroups):
        yield "left out: no group, as far as so many images tell"
    if any(figure.metric == LEAD for figure in figures):
        yield f"Read {LEAD} first: it has no bias, whatever the number of images."
    yield from directions(figures)
    if any(figure.baseline for figure in figures):
        yield (
            "baseline: real images against other real ones, mean ± standard deviation. "
            "difference: synthetic against real, less the baseline, with as many images. "
            "ratio: the baseline by synthetic against real; 1 is best."
        )
    corrected = dict.fromkeys(each.metric for each in figures if each.corrected)
    if corrected:
        yield (
            f"The value of {listed(corrected)} is corrected for its bias by a jackknife; the "
            "baseline and the difference are not."
        )
    if len({figure.extractor for figure in figures}) > 1:
        yield "Values of different features can't be held against each other."
    if any(figure.biased for figure in figures):
        yield (
            "biased: too few images for so many features, so that the value depends on their "
            "number. It is no ground for an order; hold it against its own baseline alone."
        )
    if evaluation.subgroups:
        yield (
            "coverage of a group: share of it that has a synthetic image near, of all synthetic "
            "ones. p: of no difference to the others, by Holm's correction."
        )
    if evaluation.conditions:
        yield (
            "asked for: a probe learned it from real images. synthetic: how well it tells what "
            "these were asked for. real: how well it tells real images it did not learn from."
        )
    yield from evaluation.notes


def directions(figures: Sequence[Figure]) -> Iterator[str]:
    """Yield which values are the better ones; nothing where neither direction is."""
    found = []
    for better in ("lower", "higher"):
        metrics = dict.fromkeys(each.metric for each in figures if each.better == better)
        if metrics:
            found.append(f"{better} for {listed(metrics, most=20)}")
    if found:
        yield f"Better is {'; '.join(found)}."


def _figures(figures: Sequence[Figure]) -> Section:
    first = figures[0]
    synthetic = listed(sorted({each.num_synthetic for each in figures}), " or ")
    heading = f"{first.features}: {first.num_real} real, {synthetic} synthetic"
    numbers = sorted({each.baseline.num_images for each in figures if each.baseline})
    if numbers:
        heading += f"; baseline with {listed(numbers, ' or ')} in each set"
    return Section(heading, [_row(figure) for figure in figures])


def _covered(group: Subgroup) -> tuple[str, ...]:
    p = "< 0.001" if group.p_corrected < 0.001 else f"{group.p_corrected:.3f}"
    return (
        group.group,
        str(group.num_real),
        *(f"{share:.2f}" for share in (group.coverage, group.others, group.difference)),
        f"{group.low:.2f} to {group.high:.2f}",
        p,
    )


def _obeyed(each: Condition) -> tuple[str, ...]:
    return (
        each.column,
        each.score,
        shown(each.value, each.places),
        _interval(each.low, each.high, each.places),
        shown(each.ceiling, each.places),
        _interval(each.ceiling_low, each.ceiling_high, each.places),
    )


def _interval(low: float | None, high: float | None, digits: int) -> str:
    if low is None or high is None:
        return "-"
    return f"{shown(low, digits)} to {shown(high, digits)}"


def _row(figure: Figure) -> tuple[str, ...]:
    digits, baseline = places(figure), figure.baseline
    interval = _interval(figure.low, figure.high, digits)
    return (
        figure.metric,
        shown(figure.value, digits),
        "biased" if figure.biased else interval,
        f"{shown(baseline.value, digits)} ± {shown(baseline.spread, digits)}" if baseline else "-",
        shown(baseline.difference if baseline else None, digits),
        "-" if figure.ratio is None else f"{figure.ratio:.2g}",
    )
