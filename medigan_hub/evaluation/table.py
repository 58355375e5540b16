"""Figures as a table, for people: with intervals and baselines, and how to read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medigan_hub.errors import listed
from medigan_hub.evaluation.digits import places, shown
from medigan_hub.evaluation.results import Evaluation, Figure
from medigan_hub.terminal import text

if TYPE_CHECKING:
    from rich.console import RenderableType

COLUMNS = ("metric", "value", "95 % interval", "baseline", "difference", "ratio")
LEAD = "KID"
"""The metric that is read first."""


@dataclass(frozen=True)
class Section:
    """Figures of the same features of the same images."""

    heading: str
    """Whose features, and of how many images."""
    rows: Sequence[Sequence[str]]
    """A row a figure, by ``COLUMNS``."""


def table(evaluation: Evaluation) -> RenderableType:
    """Return an evaluation to be printed: what was judged, its figures, and how to read them."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.table import Table

    parts: list[RenderableType] = [text(f"{evaluation.about}.")]
    found = sections(evaluation)
    # The same in all sections, so that columns stand below each other.
    widths = [
        max(len(cell) for cell in column)
        for column in zip(COLUMNS, *(row for each in found for row in each.rows), strict=True)
    ]
    for section in found:
        grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for name, width in zip(COLUMNS, widths, strict=True):
            justify = "left" if name in (COLUMNS[0], COLUMNS[2]) else "right"
            grid.add_column(name, justify=justify, min_width=width, no_wrap=True)  # type: ignore[arg-type]
        for row in section.rows:
            grid.add_row(*map(text, row))
        parts += [text(f"\n{section.heading}", style="bold"), Padding(grid, (0, 0, 0, 2))]
    remarks = reading(evaluation)
    return Group(*parts, text(""), *map(text, remarks))


def sections(evaluation: Evaluation) -> list[Section]:
    """Return the figures in sections, in their order."""
    found: dict[str, list[Figure]] = {}
    for figure in evaluation.figures:
        numbers = f"{figure.num_real} real, {figure.num_synthetic} synthetic"
        found.setdefault(f"{figure.features}: {numbers}", []).append(figure)
    return [
        Section(heading + _baselines(figures), [_row(figure) for figure in figures])
        for heading, figures in found.items()
    ]


def reading(evaluation: Evaluation) -> Iterator[str]:
    """Yield what is to be known to read the figures, a line each."""
    figures = evaluation.figures
    if any(figure.metric == LEAD for figure in figures):
        yield f"Read {LEAD} first: it has no bias, whatever the number of images."
    directions = []
    for better in ("lower", "higher"):
        metrics = dict.fromkeys(each.metric for each in figures if each.better == better)
        if metrics:
            directions.append(f"{better} for {listed(metrics, most=20)}")
    if directions:
        yield f"Better is {'; '.join(directions)}."
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
    yield from evaluation.notes


def _baselines(figures: Sequence[Figure]) -> str:
    numbers = sorted({each.baseline.num_images for each in figures if each.baseline})
    return f"; baseline with {listed(numbers, ' or ')} in each set" if numbers else ""


def _row(figure: Figure) -> tuple[str, ...]:
    digits, baseline = places(figure), figure.baseline
    interval = "" if figure.low is None else f"{shown(figure.low, digits)} to "
    interval += "-" if figure.high is None else shown(figure.high, digits)
    return (
        figure.metric,
        shown(figure.value, digits),
        "biased" if figure.biased else interval,
        f"{shown(baseline.value, digits)} ± {shown(baseline.spread, digits)}" if baseline else "-",
        shown(baseline.difference if baseline else None, digits),
        "-" if figure.ratio is None else f"{figure.ratio:.2g}",
    )
