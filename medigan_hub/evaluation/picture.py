"""Figures as a picture, in SVG: values with their intervals, and the baseline behind.

A panel for each metric. Figures of one extractor share a scale, and those of different ones do not:
their units differ. The picture needs no font, link or script, and follows the viewer's colours.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from medigan_hub.errors import RequestError
from medigan_hub.evaluation.digits import places, shown, told
from medigan_hub.evaluation.orders import order
from medigan_hub.evaluation.results import Evaluation, Figure
from medigan_hub.evaluation.verdicts import Condition
from medigan_hub.terminal import printable

WIDTH = 400
MARGIN = 10
LEFT, RIGHT = 148, 306
"""Where the scale begins and ends; labels are before, values after it."""
ROW, TICKS, HEADING, LINE = 18, 17, 24, 15
"""Heights of a row, of a scale, of a panel's heading and of a line of text."""
LABEL = 20
"""Characters of a label that there is room for."""
CHARACTERS = 60
"""Characters of a line of text."""
TITLE = "How far synthetic images are from real ones"
STYLE = """
text { font: 11px sans-serif; fill: #222 }
.paper { fill: #fff } .title { font-size: 14px; font-weight: bold }
.metric { font-size: 12px; font-weight: bold } .faint { fill: #5f5f5f } .tick { font-size: 10px }
.axis { stroke: #999 } .band { fill: #e69f00; fill-opacity: .45 }
.mark { fill: #0072b2; stroke: #0072b2; stroke-width: 2 }
.biased { fill: #fff; stroke: #0072b2; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
text { fill: #eee } .paper { fill: #161616 } .faint { fill: #ababab } .axis { stroke: #777 }
.mark { fill: #56b4e9; stroke: #56b4e9 } .biased { fill: #161616; stroke: #56b4e9 }
}
"""


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
    parts.append(_text(MARGIN, y, TITLE, "title"))
    y += 8
    figures = [each for blocks in panels.values() for block in blocks for _, each in block.rows]
    for drawing, words in _legend(figures):
        y += LINE
        parts.append(f'<g transform="translate({MARGIN} {y - 4})">{drawing}</g>')
        parts.append(_text(MARGIN + 30, y, words, "faint"))
    for metric, blocks in panels.items():
        y += HEADING + 4
        better = blocks[0].rows[0][1].better
        parts.append(_text(MARGIN, y, metric, "metric"))
        parts.append(
            _text(WIDTH - MARGIN, y, f"{better} is better" if better else "", "faint", "end")
        )
        for block in blocks:
            if block.heading:
                y += LINE
                parts.append(_text(MARGIN, y, block.heading, "faint"))
            parts.extend(_drawn(block, y + 6))
            y += 6 + ROW * len(block.rows) + TICKS
    y += 6
    told = [
        *about,
        "Each extractor has a unit and a scale of its own." if figures else "No figures.",
    ]
    for line in (line for each in told for line in textwrap.wrap(printable(each), CHARACTERS)):
        y += LINE
        parts.append(_text(MARGIN, y, line, "faint"))
    height = y + MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'width="{WIDTH}" height="{height}" role="img">',
            f"<title>{TITLE}</title>",
            f"<desc>{_escaped(' '.join(about))}</desc>",
            f"<style>{STYLE}</style>",
            f'<rect class="paper" width="{WIDTH}" height="{height}"/>',
            *parts,
            "</svg>\n",
        ]
    )


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
    low, high, ticks, digits = _scale([n for _, figure in block.rows for n in _numbers(figure)])

    def x(value: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * (value - low) / (high - low), 1)

    bottom = y + ROW * len(block.rows)
    for n, (label, figure) in enumerate(block.rows):
        middle = y + ROW * n + ROW / 2
        words = f"{figure.metric} of {figure.features}: {_told(figure)}"
        yield f"<g><title>{_escaped(f'{label}, {words}')}</title>"
        yield _text(MARGIN, middle + 4, label if len(label) <= LABEL else f"{label[: LABEL - 1]}…")
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
        yield _text(WIDTH - MARGIN, middle + 4, value, anchor="end")
        yield "</g>"
    yield f'<path class="axis" d="M{LEFT} {bottom}H{RIGHT}"/>'
    for tick in ticks:
        yield f'<path class="axis" d="M{x(tick)} {bottom}v3"/>'
        yield _text(x(tick), bottom + 13, shown(tick, digits), "faint tick", "middle")


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


def _scale(numbers: Sequence[float]) -> tuple[float, float, list[float], int]:
    """Return a scale that holds some numbers: its ends, its ticks and their decimal places."""
    low, high = min(numbers, default=0.0), max(numbers, default=1.0)
    high = high if high > low else low + (abs(low) or 1.0)
    pad = (high - low) / 25
    power = math.floor(math.log10((high - low) / 2))
    step = next(n * 10.0**power for n in (1, 2, 5, 10) if (high - low) / (n * 10.0**power) <= 4)
    first, last = math.ceil((low - pad) / step), math.floor((high + pad) / step)
    return low - pad, high + pad, [n * step for n in range(first, last + 1)], -power


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    role = f' class="{kind}"' if kind else ""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}"{role}>{_escaped(words)}</text>'


def _escaped(words: str) -> str:
    """Return text as XML has it, without characters that XML does not."""
    return escape(printable(words))
