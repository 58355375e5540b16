"""Figures as a picture, in SVG: values with their intervals, and the baseline behind.

A panel for each metric. Figures of one extractor share a scale, and those of different ones do not:
their units differ. The picture needs no font, link or script, and follows the viewer's colours.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from medigan_hub.errors import RequestError
from medigan_hub.evaluation.digits import places, shown, told
from medigan_hub.evaluation.drawing import (
    HEADING,
    LINE,
    MARGIN,
    TICKS,
    WIDTH,
    document,
    escaped,
    scale,
    text,
    wrapped,
)
from medigan_hub.evaluation.orders import order
from medigan_hub.evaluation.results import Evaluation, Figure
from medigan_hub.evaluation.verdicts import Condition

LEFT, RIGHT = 148, 306
"""Where the scale begins and ends; labels are before, values after it."""
ROW = 18
"""Height of a row."""
LABEL = 20
"""Characters of a label that there is room for."""
TITLE = "How far synthetic images are from real ones"


@dataclass(frozen=True)
class Block:
    """Figures on one scale."""

    heading: str
    """Nothing where the labels say all."""
    rows: Sequence[tuple[str, Figure]]
    """Figures with their labels, from above."""


def svg(evaluations: Evaluation | Mapping[str, Evaluation]) -> str:
    """Return a picture of an evaluation, or of several by the names of their models.

    Of one, each row is an extractor's figure, as images are or after min-max. Of several, each row
    is a model's, the best first; where ``orders.order`` gives none, as of biased figures, they stay
    as they were given.
    """
    if isinstance(evaluations, Evaluation):
        panels, about = _of_one(evaluations), [f"{evaluations.about}."]
    else:
        panels = _of_several(evaluations)
        about = [f"{name}: {each.about}." for name, each in evaluations.items()]
    y, parts = MARGIN + 14, []
    parts.append(text(MARGIN, y, TITLE, "title"))
    y += 8
    figures = [each for blocks in panels.values() for block in blocks for _, each in block.rows]
    for drawing, words in _legend(figures):
        y += LINE
        parts.append(f'<g transform="translate({MARGIN} {y - 4})">{drawing}</g>')
        parts.append(text(MARGIN + 30, y, words, "faint"))
    for metric, blocks in panels.items():
        y += HEADING + 4
        better = blocks[0].rows[0][1].better
        parts.append(text(MARGIN, y, metric, "metric"))
        parts.append(
            text(WIDTH - MARGIN, y, f"{better} is better" if better else "", "faint", "end")
        )
        for block in blocks:
            if block.heading:
                y += LINE
                parts.append(text(MARGIN, y, block.heading, "faint"))
            parts.extend(_drawn(block, y + 6))
            y += 6 + ROW * len(block.rows) + TICKS
    y += 6
    told = [
        *about,
        "Each extractor has a unit and a scale of its own." if figures else "No figures.",
    ]
    for line in (line for each in told for line in wrapped(each)):
        y += LINE
        parts.append(text(MARGIN, y, line, "faint"))
    height = y + MARGIN
    return document(TITLE, about, parts, height)


def _of_one(evaluation: Evaluation) -> dict[str, list[Block]]:
    """Return the blocks of each metric: of each extractor, one of all images, others of groups."""
    found: dict[str, dict[tuple[str | None, str], list[tuple[str, Figure]]]] = {}
    for figure in evaluation.figures:
        heading = "" if figure.group is None else f"{figure.described}, by group"
        rows = found.setdefault(figure.metric, {}).setdefault((figure.extractor, heading), [])
        rows.append((figure.group or figure.described, figure))
    panels = {
        metric: [Block(heading, rows) for (_, heading), rows in blocks.items()]
        for metric, blocks in found.items()
    }
    for each in evaluation.conditions:
        blocks = panels.setdefault(f"{each.score}: {each.column}, as asked for", [])
        blocks.append(Block(each.features, list(_obeyed(each))))
    return panels


def _obeyed(condition: Condition) -> Iterator[tuple[str, Figure]]:
    """Yield the score of synthetic images and that of real ones, to be drawn as figures are."""
    synthetic = condition.value, condition.low, condition.high
    real = condition.ceiling, condition.ceiling_low, condition.ceiling_high
    for label, (value, low, high) in (("synthetic images", synthetic), ("real images", real)):
        yield (
            label,
            Figure(
                metric=condition.score,
                extractor=condition.extractor,
                normalize=condition.normalize,
                value=value,
                low=low,
                high=high,
                better=condition.better,
                ideal=None,
                num_real=condition.num_real,
                num_synthetic=condition.num_synthetic,
                baseline=None,
                biased=False,
            ),
        )


def _of_several(evaluations: Mapping[str, Evaluation]) -> dict[str, list[Block]]:
    """Return the blocks of each metric: one for features that were prepared alike."""
    found: dict[str, dict[str, list[tuple[str, Figure]]]] = {}
    for name, evaluation in evaluations.items():
        for figure in evaluation.figures:
            rows = found.setdefault(figure.metric, {}).setdefault(figure.features, [])
            rows.append((name, figure))
    return {
        metric: [_ordered(features, rows, evaluations) for features, rows in blocks.items()]
        for metric, blocks in found.items()
    }


def _ordered(
    features: str, rows: list[tuple[str, Figure]], evaluations: Mapping[str, Evaluation]
) -> Block:
    """Return figures of several models, the best first where they can be put in order."""
    named = dict(rows)
    if len(rows) < 2:
        return Block(features, rows)
    figure = rows[0][1]
    judged = {name: evaluations[name] for name in named}
    try:
        found = order(judged, figure.metric, figure.extractor, figure.normalize, figure.group)
    except RequestError:
        is_biased = any(each.biased for each in named.values())
        return Block(f"{features}: {'biased, ' if is_biased else ''}in no order", rows)
    return Block(features, [(name, named[name]) for name in found.names])


def _legend(figures: Sequence[Figure]) -> Iterator[tuple[str, str]]:
    """Yield a line for each kind of mark that there is: its drawing, and what it is."""
    if not figures:
        return
    line = '<path class="mark" d="M0 0H22"/><circle class="mark" cx="11" r="3"/>'
    yield line, "value, with its interval of 95 %"
    if any(figure.baseline for figure in figures):
        yield (
            '<rect class="band" y="-6" width="22" height="12"/>',
            "baseline: real images against other real ones, ± SD",
        )
    if any(figure.biased for figure in figures):
        yield (
            '<circle class="biased" cx="11" r="3.5"/>',
            "biased; shown with as many images as its baseline",
        )


def _drawn(block: Block, y: float) -> Iterator[str]:
    """Yield a block's rows and its scale, from ``y`` down."""
    low, high, ticks, digits = scale([n for _, figure in block.rows for n in _numbers(figure)])

    def x(value: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * (value - low) / (high - low), 1)

    bottom = y + ROW * len(block.rows)
    for n, (label, figure) in enumerate(block.rows):
        middle = y + ROW * n + ROW / 2
        words = f"{figure.metric} of {figure.features}: {_told(figure)}"
        yield f"<g><title>{escaped(f'{label}, {words}')}</title>"
        yield text(MARGIN, middle + 4, label if len(label) <= LABEL else f"{label[: LABEL - 1]}…")
        if figure.baseline is not None and math.isfinite(figure.baseline.value):
            start, end = (x(each) for each in _band(figure))
            yield (
                f'<rect class="band" x="{start}" y="{middle - 7}" '
                f'width="{max(2, round(end - start, 1))}" height="14"/>'
            )
        if figure.low is not None and figure.high is not None and not figure.biased:
            yield f'<path class="mark" d="M{x(figure.low)} {middle}H{x(figure.high)}"/>'
        point = _point(figure)
        if math.isfinite(point):
            kind, radius = ("biased", 3.5) if figure.biased else ("mark", 3)
            yield f'<circle class="{kind}" cx="{x(point)}" cy="{middle}" r="{radius}"/>'
        value = shown(figure.value, places(figure)) + (" biased" if figure.biased else "")
        yield text(WIDTH - MARGIN, middle + 4, value, anchor="end")
        yield "</g>"
    yield f'<path class="axis" d="M{LEFT} {bottom}H{RIGHT}"/>'
    for tick in ticks:
        yield f'<path class="axis" d="M{x(tick)} {bottom}v3"/>'
        yield text(x(tick), bottom + 13, shown(tick, digits), "faint tick", "middle")


def _told(figure: Figure) -> str:
    digits = places(figure)
    if figure.biased:
        return f"{shown(figure.value, digits)}, biased"
    return told(figure.value, figure.low, figure.high, digits)


def _point(figure: Figure) -> float:
    """Return where a figure's mark is; a biased one may stand beside its equals alone."""
    if figure.biased and figure.baseline is not None:
        return figure.baseline.compared
    return figure.value


def _band(figure: Figure) -> tuple[float, float]:
    baseline = figure.baseline
    if baseline is None:
        return math.nan, math.nan
    spread = baseline.spread if math.isfinite(baseline.spread) else 0.0
    return baseline.value - spread, baseline.value + spread


def _numbers(figure: Figure) -> Iterator[float]:
    """Yield what must lie within the scale of a figure."""
    ends = () if figure.biased else (figure.low, figure.high)
    for value in (_point(figure), *_band(figure), *ends, figure.ideal):
        if value is not None and math.isfinite(value):
            yield value
