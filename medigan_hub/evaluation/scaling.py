"""Features of different units, brought to one scale by what real images have."""

from __future__ import annotations

import numpy as np

from medigan_hub.evaluation.metrics.base import BLOCK

ROBUST = 5.0
"""Where robustly scaled features are cut off."""


def scaled(real: np.ndarray, synthetic: np.ndarray, scaling: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the features of both sets, scaled by the real ones as an extractor asks for.

    ``none``: as they are. ``robust``: less the median, by the interquartile range (of features that
    are constant among half of the images, the standard deviation, or else 1), cut off at 5: a
    feature that is far from all real images counts, and does not drown the others.
    """
    if scaling == "none":
        return real, synthetic
    low, middle, high = np.percentile(real, (25, 50, 75), axis=0)
    width = high - low
    width = np.where(width > 0, width, real.std(axis=0, dtype=np.float64))
    width = np.where(width > 0, width, 1)
    ours, theirs = (np.empty(rows.shape, np.float32) for rows in (real, synthetic))
    for rows, found in ((real, ours), (synthetic, theirs)):
        for start in range(0, len(rows), BLOCK):
            part = (rows[start : start + BLOCK] - middle) / width
            found[start : start + BLOCK] = np.clip(part, -ROBUST, ROBUST)
    return ours, theirs
