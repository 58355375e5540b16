"""Outlines of masses, and the tiling of texture that the network sees."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw


def draw_mask(rng: np.random.Generator, shape: str, size: int) -> np.ndarray:
    """Draw a random mass: (size, size) bool.

    An ``oval`` is a turned ellipse; a ``lobulated`` one is closed by quadratic
    Bezier curves between points at random distances from the centre.
    """
    centre = size / 2 + rng.uniform(-0.08, 0.08, 2) * size
    radius = rng.uniform(0.14, 0.28) * size
    turn = rng.uniform(0, 2 * math.pi)
    if shape == "oval":
        angles = np.linspace(0, 2 * math.pi, 90, endpoint=False)
        flat = np.stack([np.cos(angles), rng.uniform(0.6, 0.95) * np.sin(angles)])
        turned = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
        points = (centre[:, np.newaxis] + radius * (turned @ flat)).T
    else:
        lobes = int(rng.integers(4, 8))
        angles = turn + 2 * math.pi * (np.arange(lobes) + rng.uniform(-0.2, 0.2, lobes)) / lobes
        reach = radius * rng.uniform(0.8, 1.35, lobes)
        corners = centre + reach[:, np.newaxis] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        points = _bezier(corners)
    picture = Image.new("1", (size, size))
    ImageDraw.Draw(picture).polygon([(float(x), float(y)) for y, x in points], fill=1)
    return np.asarray(picture)


def tile(
    rng: np.random.Generator, texture: np.ndarray, mask: np.ndarray, patch: tuple[int, int]
) -> np.ndarray:
    """Tile a mask with pieces of texture: from the middle of it inside, from its margin outside.

    Parameters
    ----------
    texture
        A real patch with the mass in the middle: (size, size, channels).
    mask
        (size, size) bool.
    patch
        Height and width of a piece in pixels.
    """
    size = mask.shape[0]
    height, width = min(patch[0], size), min(patch[1], size)
    tiled = {}
    for inside in (True, False):
        canvas = np.empty_like(texture)
        for top in range(0, size, height):
            for left in range(0, size, width):
                y, x = _place(rng, size, (height, width), inside=inside)
                piece = texture[y : y + height, x : x + width]
                part = canvas[top : top + height, left : left + width]
                part[:] = piece[: part.shape[0], : part.shape[1]]
        tiled[inside] = canvas
    return np.where(mask[:, :, np.newaxis], tiled[True], tiled[False])


def _bezier(corners: np.ndarray) -> np.ndarray:
    """Return points of the closed curve whose arcs join the middles of a polygon's sides."""
    steps = np.linspace(0, 1, 16, endpoint=False)[:, np.newaxis]
    middles = (corners + np.roll(corners, -1, axis=0)) / 2
    arcs = [
        (1 - steps) ** 2 * before + 2 * steps * (1 - steps) * corner + steps**2 * after
        for before, corner, after in zip(np.roll(middles, 1, axis=0), corners, middles, strict=True)
    ]
    return np.concatenate(arcs)


def _place(
    rng: np.random.Generator, size: int, piece: tuple[int, int], *, inside: bool
) -> tuple[int, int]:
    """Draw the corner of a piece: in the middle of the texture, or in its margin of a sixth."""
    room = np.array([size - piece[0], size - piece[1]])
    if inside:
        low, high = room * 3 // 8, room * 5 // 8
    else:
        low, high = np.zeros(2, int), room.copy()
        axis = int(rng.integers(2))
        if rng.random() < 0.5:
            high[axis] //= 6
        else:
            low[axis] = room[axis] - room[axis] // 6
    y, x = rng.integers(low, high + 1)
    return int(y), int(x)
