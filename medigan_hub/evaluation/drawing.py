"""What pictures in SVG are drawn with: texts, scales, and one style.

They need no font, link or script, and follow the viewer's colours.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from html import escape

from medigan_hub.terminal import printable

WIDTH = 400
MARGIN = 10
TICKS, HEADING, LINE = 17, 24, 15
"""Heights of a scale, of a panel's heading and of a line of text."""
CHARACTERS = 60
"""Characters of a line of text."""
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


def document(
    title: str, about: Sequence[str], parts: Sequence[str], height: float, style: str = ""
) -> str:
    """Return a picture, so high, of its parts; ``about`` says what it shows.

    ``style`` is of what no other picture has.
    """
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'width="{WIDTH}" height="{height}" role="img">',
            f"<title>{escaped(title)}</title>",
            f"<desc>{escaped(' '.join(about))}</desc>",
            f"<style>{STYLE}{style}</style>",
            f'<rect class="paper" width="{WIDTH}" height="{height}"/>',
            *parts,
            "</svg>\n",
        ]
    )


def wrapped(words: str) -> list[str]:
    """Return the lines of a paragraph."""
    return textwrap.wrap(printable(words), CHARACTERS)


def scale(numbers: Sequence[float]) -> tuple[float, float, list[float], int]:
    """Return a scale that holds some numbers: its ends, its ticks and their decimal places."""
    low, high = min(numbers, default=0.0), max(numbers, default=1.0)
    high = high if high > low else low + (abs(low) or 1.0)
    pad = (high - low) / 25
    power = math.floor(math.log10((high - low) / 2))
    step = next(n * 10.0**power for n in (1, 2, 5, 10) if (high - low) / (n * 10.0**power) <= 4)
    first, last = math.ceil((low - pad) / step), math.floor((high + pad) / step)
    return low - pad, high + pad, [n * step for n in range(first, last + 1)], -power


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    """Return text whose beginning, middle or end stands at a place."""
    role = f' class="{kind}"' if kind else ""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}"{role}>{escaped(words)}</text>'


def escaped(words: str) -> str:
    """Return text as XML has it, without characters that XML does not."""
    return escape(printable(words))
