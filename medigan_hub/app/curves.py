"""The distribution of grey levels of several sources, drawn and as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medigan_hub.app import pictures
from medigan_hub.app.html import render
from medigan_hub.evaluation import levels

BINS = 64
WIDTH, HEIGHT = 600, 200
"""Of the drawing, in its own units."""
LEAST = -4
"""Power of ten of the least share that is drawn: of fewer pixels a few samples tell nothing."""


def drawn(sources: Mapping[str, Sequence[np.ndarray]]) -> str:
    """Return what the images of each source look like as a distribution, as HTML.

    Images are fractions of their range. The scale of the shares is logarithmic: most medical images
    are black around the body, which on a linear one leaves the body a line on the ground.
    """
    shares = {name: levels.histogram(images, 0, 1, BINS) for name, images in sources.items()}
    most = int(np.ceil(np.log10(max(each.max() for each in shares.values()))))
    curves: list[dict[str, Any]] = [
        {
            "name": name,
            "colour": pictures.COLOURS[number % len(pictures.COLOURS)],
            "points": " ".join(
                f"{x / (BINS - 1) * WIDTH:.1f},{_height(share, most):.1f}"
                for x, share in enumerate(shares[name])
            ),
            "facts": levels.summary(images),
        }
        for number, (name, images) in enumerate(sources.items())
    ]
    powers = range(LEAST, most + 1)
    marks = [(_height(10.0**power, most), f"{100 * 10.0**power:g} %") for power in powers]
    return render("levels.html", curves=curves, marks=marks)


def _height(share: float, most: int) -> float:
    """Return where a share is drawn: 0 for 10 to the power ``most``, and down to ``HEIGHT``."""
    return float((most - np.log10(max(share, 10.0**LEAST))) / (most - LEAST) * HEIGHT)
