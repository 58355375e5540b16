"""Distances to the training images as a picture, in SVG: of synthetic and of held-out images.

A panel for each space. A line climbs as more images have a training image within a distance: where
the synthetic one leaves the ground before the held-out one, images are nearer than chance gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from medigan_hub.evaluation.digits import shown
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

TITLE = "How near images are to training images"
HEIGHT, GAP = 90, 12
"""Of a panel, and between its heading and it."""
LEFT, RIGHT = 44, WIDTH - MARGIN
KINDS = {"heldout": "held-out images", "synthetic": "synthetic images"}
STYLE = """.heldout { fill: none; stroke: #d55e00; stroke-width: 1.5; stroke-dasharray: 6 3 }
.synthetic { fill: none; stroke: #0072b2; stroke-width: 2 }
.threshold { stroke: #777; stroke-dasharray: 2 2 }
@media (prefers-color-scheme: dark) { .synthetic { stroke: #56b4e9 } }
"""


def svg(found: Mapping[str, Any]) -> str:
    """Return a picture of findings, as ``privacy.json`` has them."""
    y, parts = MARGIN + 14, [text(MARGIN, MARGIN + 14, TITLE, "title")]
    y += 8
    for kind, words in KINDS.items():
        y += LINE
        parts.append(f'<path class="{kind}" d="M{MARGIN} {y - 4}h22"/>')
        parts.append(text(MARGIN + 30, y, words, "faint"))
    y += LINE
    parts.append(f'<path class="threshold" d="M{MARGIN + 11} {y - 10}v12"/>')
    parts.append(text(MARGIN + 30, y, "nearer than 1 % of the held-out images", "faint"))
    for space in found["spaces"]:
        y += HEADING
        parts.append(text(MARGIN, y, space["space"], "metric"))
        parts.extend(_panel(space, y + GAP))
        y += GAP + HEIGHT + TICKS
    y += 10
    about = "Share of the images (up) that have a training image within a distance (across)."
    for line in wrapped(about):
        y += LINE
        parts.append(text(MARGIN, y, line, "faint"))
    return document(TITLE, [about, found["verdict"]], parts, y + MARGIN, STYLE)


def _panel(space: Mapping[str, Any], top: float) -> Iterator[str]:
    quantiles = {kind: space["quantiles"][kind] for kind in KINDS}
    low, high, ticks, digits = scale([n for each in quantiles.values() for n in each])
    bottom = top + HEIGHT

    def x(value: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * (value - low) / (high - low), 1)

    for share in (0, 0.5, 1):
        y = round(bottom - HEIGHT * share, 1)
        yield text(LEFT - 5, y + 3, f"{share:.0%}", "faint tick", "end")
    yield f'<path class="axis" d="M{LEFT} {bottom}H{RIGHT}"/>'
    for tick in ticks:
        yield f'<path class="axis" d="M{x(tick)} {bottom}v3"/>'
        yield text(x(tick), bottom + 13, shown(tick, digits), "faint tick", "middle")
    threshold = space["tests"][0]["threshold"]
    if threshold is not None and low <= threshold <= high:
        yield f'<path class="threshold" d="M{x(threshold)} {top}V{bottom}"/>'
    for kind, values in quantiles.items():
        count = len(values)
        line = "L".join(
            f"{x(value)} {bottom - HEIGHT * (n + 1) / count:.1f}" for n, value in enumerate(values)
        )
        yield f"<g><title>{escaped(KINDS[kind])}</title>"
        yield f'<path class="{kind}" d="M{x(values[0])} {bottom}L{line}"/></g>'
