"""The curve of mixing as a picture, in SVG: the score against the ratio of synthetic images.

A panel for each share of the real images, all on one scale. Controls are lines across.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from medigan_hub.evaluation.digits import places, shown
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
from medigan_hub.evaluation.utility.arms import (
    BOTH,
    CONTROLS,
    REAL,
    STEPS,
    SYNTHETIC,
    VARIED,
    percent,
)
from medigan_hub.evaluation.utility.results import ArmScore, Utility

TITLE = "Whether synthetic images help"
HEIGHT = 110
"""Of a panel."""
LEFT, RIGHT = 44, WIDTH - MARGIN - 6
"""Where panels begin and end; the scale is before."""
KINDS = {STEPS: "steps", VARIED: "varied"}
STYLE = """.curve { fill: none; stroke: #0072b2 } .grid { stroke: #999; stroke-opacity: .25 }
.steps { stroke: #d55e00; stroke-width: 1.5; stroke-dasharray: 6 3 }
.varied { stroke: #009e73; stroke-width: 1.5; stroke-dasharray: 2 2 }
@media (prefers-color-scheme: dark) { .curve { stroke: #56b4e9 } }
"""


def svg(found: Utility) -> str:
    """Return a picture of what was found of all test images, by the leading score."""
    arms = [each for each in found.chosen() if math.isfinite(each.value)]
    ratios = sorted({each.ratio or 0.0 for each in arms if each.arm in (REAL, BOTH)})
    slots = [f"{ratio:g}" for ratio in ratios] + ["alone"]
    ends = [n for each in arms for n in (each.value, each.low, each.high) if n is not None]
    y, parts = MARGIN + 14, [text(MARGIN, MARGIN + 14, TITLE, "title")]
    y += 8
    for drawing, words in _legend(arms):
        y += LINE
        parts.append(f'<g transform="translate({MARGIN} {y - 4})">{drawing}</g>')
        parts.append(text(MARGIN + 30, y, words, "faint"))
    for share in sorted({each.share for each in arms}):
        own = [each for each in arms if each.share == share]
        count = next(each.num_real for each in own if each.arm == REAL)
        y += HEADING
        parts.append(text(MARGIN, y, f"{percent(share)} of the real images: {count}", "metric"))
        parts.append(text(WIDTH - MARGIN, y, f"{found.leading}, higher is better", "faint", "end"))
        parts.extend(_panel(own, ratios, slots, ends, y + 6))
        y += 6 + HEIGHT + TICKS
    parts.append(
        text((LEFT + RIGHT) / 2, y + 8, "synthetic images for each real one", "faint", "middle")
    )
    y += 12
    about = [found.verdict, f"{found.about}."]
    for line in (line for each in about for line in wrapped(each)):
        y += LINE
        parts.append(text(MARGIN, y, line, "faint"))
    return document(TITLE, about, parts, y + MARGIN, STYLE)


def _legend(arms: Sequence[ArmScore]) -> Iterator[tuple[str, str]]:
    """Yield a line for each kind of mark that there is: its drawing, and what it is."""
    yield (
        '<path class="curve" d="M0 0H22"/><path class="mark" d="M11 -6V6"/>'
        '<circle class="mark" cx="11" r="3"/>',
        "real and synthetic images, with intervals of 95 %",
    )
    if any(each.arm == SYNTHETIC for each in arms):
        yield '<circle class="biased" cx="11" r="3.5"/>', "synthetic images alone"
    for name in CONTROLS:
        if any(each.arm == name for each in arms):
            yield f'<path class="{KINDS[name]}" d="M0 0H22"/>', f"control: {name}"


def _panel(
    arms: Sequence[ArmScore],
    ratios: Sequence[float],
    slots: Sequence[str],
    ends: Sequence[float],
    top: float,
) -> Iterator[str]:
    """Yield what stands in the panel of one share."""
    low, high, ticks, digits = scale(ends)

    def y(value: float) -> float:
        return round(top + HEIGHT * (high - value) / (high - low), 1)

    def x(slot: int) -> float:
        return round(LEFT + (RIGHT - LEFT) * (slot + 0.5) / len(slots), 1)

    for tick in ticks:
        yield f'<path class="grid" d="M{LEFT} {y(tick)}H{RIGHT}"/>'
        yield text(LEFT - 5, y(tick) + 3, shown(tick, digits), "faint tick", "end")
    yield f'<path class="axis" d="M{LEFT} {top + HEIGHT}H{RIGHT}"/>'
    for slot, words in enumerate(slots):
        yield text(x(slot), top + HEIGHT + 13, words, "faint tick", "middle")
    for name in CONTROLS:
        own = [each for each in arms if each.arm == name]
        if own:
            best = max(own, key=lambda each: each.value)
            yield f"<g><title>{escaped(_told(best))}</title>"
            yield f'<path class="{KINDS[name]}" d="M{LEFT} {y(best.value)}H{RIGHT}"/></g>'
    curve = [
        (x(ratios.index(each.ratio or 0.0)), each)
        for each in sorted(arms, key=lambda each: each.ratio or 0.0)
        if each.arm in (REAL, BOTH)
    ]
    line = "L".join(f"{place} {y(each.value)}" for place, each in curve)
    yield f'<path class="curve" d="M{line}"/>'
    curve += [(x(len(slots) - 1), each) for each in arms if each.arm == SYNTHETIC]
    for place, each in curve:
        yield f"<g><title>{escaped(_told(each))}</title>"
        if each.low is not None and each.high is not None:
            yield f'<path class="mark" d="M{place} {y(each.low)}V{y(each.high)}"/>'
        kind = "biased" if each.arm == SYNTHETIC else "mark"
        yield f'<circle class="{kind}" cx="{place}" cy="{y(each.value)}" r="3"/></g>'


def _told(arm: ArmScore) -> str:
    digits = places(arm)
    at = f" at ratio {arm.ratio:g}" if arm.ratio else ""
    words = f"{arm.arm}{at}: {arm.metric} {shown(arm.value, digits)}"
    if arm.low is None:
        return words
    return f"{words} ({shown(arm.low, digits)} to {shown(arm.high, digits)})"
