"""How the height of a slice goes into the network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LOWEST, HIGHEST = -30.0, 60.0
"""Heights that training covers, in mm of MNI space: z of the slice, upwards from the
anterior commissure."""
WAVES = 8
"""Sines and cosines in the encoding; the shortest has a period of 22.5 mm."""


def encode(heights: Sequence[float] | np.ndarray) -> np.ndarray:
    """Encode heights in mm as (N, 1 + 2 * WAVES) float32 of about unit size.

    The first number rises linearly with the height; sines and cosines of rising
    frequency let the network tell apart neighbouring slices.

    >>> encode([-30, 15, 60])[:, 0].tolist()
    [-1.5, 0.0, 1.5]
    """
    middle, half = (HIGHEST + LOWEST) / 2, (HIGHEST - LOWEST) / 2
    place = (np.asarray(heights, np.float64)[:, np.newaxis] - middle) / half
    phase = np.pi / 2 * place * np.arange(1, WAVES + 1)
    waves = np.sqrt(2) * np.concatenate([np.sin(phase), np.cos(phase)], axis=1)
    return np.concatenate([1.5 * place, waves], axis=1).astype(np.float32)
