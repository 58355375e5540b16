"""The concentric circles that a tumour is drawn from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Circles(NamedTuple):
    """Centre and radii in pixels."""

    x_center: int
    """Row, as the published code has it."""
    y_center: int
    """Column."""
    radius_1: int
    """Of the innermost circle: necrotic and non-enhancing tumour."""
    radius_2: int
    """Of the middle one: enhancing tumour."""
    radius_3: int
    """Of the outermost one: oedema."""


def draw(circles: Circles, size: int) -> np.ndarray:
    """Return the map of the circles: (size, size, 1) float32.

    0 outside, 0.5 in the outermost circle, 0.75 in the middle one, 1 in the
    innermost: the levels of the code of the publication (Kim et al., "Synthesis
    of brain tumor multicontrast MR images for improved data augmentation",
    Medical Physics 48, 2021, https://doi.org/10.1002/mp.14701).
    """
    rows, columns = np.mgrid[:size, :size]
    squared = (rows - circles.x_center) ** 2 + (columns - circles.y_center) ** 2
    levels = np.zeros((size, size, 1), np.float32)
    for radius, share in (
        (circles.radius_1, 0.25),
        (circles.radius_2, 0.25),
        (circles.radius_3, 0.5),
    ):
        levels[squared < radius**2] += np.float32(share)
    return levels


def vary(circles: Circles, rng: np.random.Generator) -> Circles:
    """Move the centre by up to 5 pixels and change the radii by up to a tenth, in their order."""
    x, y = (int(each) for each in rng.integers(-5, 6, 2))
    shares = rng.uniform(0.9, 1.1, 3)
    radii = [max(1, round(r * s)) for r, s in zip(circles[2:], shares, strict=True)]
    first = radii[0]
    second = max(radii[1], first + 1)
    return Circles(
        circles.x_center + x, circles.y_center + y, first, second, max(radii[2], second + 1)
    )
