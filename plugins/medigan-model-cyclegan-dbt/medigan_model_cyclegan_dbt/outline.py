"""The outline of a compressed breast, seen from above, and its rounded rim."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FIELD_MM = 204.8
"""Side of the square field of view in mm: 0.8 mm pixels in an image of 256."""


@dataclass(frozen=True)
class Shape:
    """Outline of the breast seen from above; lengths in mm, chest wall at x = 0."""

    edge: np.ndarray  # (points, 2): y and x of points on the skin line
    nipple: tuple[float, float]  # y, x
    distance: np.ndarray  # (size, size): to the skin line, positive inside
    reach: float  # from the chest wall to the nipple


def make_shape(rng: np.random.Generator, size: int, view: str) -> Shape:
    """Draw the outline: for each y, the x where the skin lies."""
    reach = rng.uniform(60, 150)
    half = float(np.clip(reach * rng.uniform(0.75, 1.1), 55, 100))
    if view == "CC":
        nipple_y = FIELD_MM / 2 + rng.normal(0, 6)
        above, top = half * rng.uniform(0.9, 1.1), 0.0
    else:
        nipple_y = rng.uniform(0.5, 0.68) * FIELD_MM
        above, top = nipple_y + rng.uniform(0, 30), reach * rng.uniform(0.2, 0.6)
    below = min(half * rng.uniform(0.8, 1.0), FIELD_MM * 1.02 - nipple_y)

    y = np.linspace(-20, FIELD_MM + 20, 500)
    up = np.clip((nipple_y - y) / above, 0, 1)
    down = np.clip((y - nipple_y) / below, 0, 1)
    power = rng.uniform(1.9, 2.5)
    round_up = (1 - up**power) ** (1 / rng.uniform(1.8, 2.2))
    if view == "MLO":  # the axilla: a slope rather than an arc
        arc = rng.uniform(0.1, 0.7)
        round_up = arc * round_up + (1 - arc) * (0.5 + 0.5 * np.cos(np.pi * up))
    round_down = (1 - down**power) ** (1 / rng.uniform(1.7, 2.3))
    x = np.where(y < nipple_y, top + (reach - top) * round_up, reach * round_down)
    for waves in (1, 2, 3):  # no skin line is a perfect curve
        swing = 0.012 * reach / waves * rng.normal()
        x += swing * np.sin(2 * np.pi * waves * y / FIELD_MM + rng.uniform(0, 6.3)) * (x > 5)
    x += rng.uniform(0.5, 4) * np.exp(-(((y - nipple_y) / rng.uniform(4.0, 7.0)) ** 4))
    x = np.where((up >= 1) & (top == 0), -5.0, np.where(down >= 1, -5.0, x))

    grid = np.linspace(0, 1, 128) * FIELD_MM
    # Steep stretches of the line need more points than its rows give.
    length = np.concatenate([[0], np.cumsum(np.hypot(np.diff(y), np.diff(x)))])
    steps = np.linspace(0, length[-1], 400)
    edge = np.stack([np.interp(steps, length, y), np.interp(steps, length, x)], axis=1)
    squared = (grid[:, None, None] - edge[:, 0]) ** 2 + (grid[None, :, None] - edge[:, 1]) ** 2
    coarse = np.sqrt(squared.astype(np.float32).min(axis=2))
    coarse *= np.where(grid[None] < np.interp(grid, y, x)[:, None], 1, -1)
    lift = _interpolation(size, 128)
    distance = (lift @ coarse.astype(np.float32) @ lift.T).astype(np.float32)
    return Shape(edge, (nipple_y, reach), distance, reach)


def _interpolation(n_out: int, n_in: int) -> np.ndarray:
    """Return the (n_out, n_in) matrix that interpolates linearly from n_in to n_out points."""
    place = np.linspace(0, n_in - 1, n_out)
    left = np.minimum(place.astype(int), n_in - 2)
    matrix = np.zeros((n_out, n_in), np.float32)
    rows = np.arange(n_out)
    matrix[rows, left] = 1 - (place - left)
    matrix[rows, left + 1] = place - left
    return matrix


def pillow(
    distance: np.ndarray, z: np.ndarray, half: float, layer: float, depth: float
) -> np.ndarray:
    """Share of each voxel that lies more than ``depth`` mm under a pillow's surface.

    The pillow is flat above and below and has a semicircular rim. The share is
    exact along z, so coarse layers leave no terraces in the projection.
    """
    radius = half - depth
    rim = np.clip(half - distance, 0, radius)
    height = np.sqrt(np.maximum(radius**2 - rim**2, 0)).astype(np.float32)
    height[distance < depth] = 0
    upper = np.minimum(z[:, None, None] + layer / 2, height)
    lower = np.maximum(z[:, None, None] - layer / 2, -height)
    return np.maximum(upper - lower, 0).astype(np.float32) / np.float32(layer)
