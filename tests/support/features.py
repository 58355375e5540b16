"""Features of two sets of images, for tests of metrics."""

from __future__ import annotations

import numpy as np

from medigan_hub.evaluation.metrics import Groups


def pair(real: int = 90, synthetic: int = 70, length: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Return correlated features of two sets that differ: (real, length), (synthetic, length)."""
    rng = np.random.default_rng(7)
    mix = rng.standard_normal((length, length)) / np.sqrt(length) + np.eye(length)
    one = rng.standard_normal((real, length)) @ mix
    other = 1.2 * rng.standard_normal((synthetic, length)) @ mix + 0.3
    return one.astype(np.float32), other.astype(np.float32)


def uneven(real: int, synthetic: int, count: int = 5) -> Groups:
    """Return groups of quite different sizes, in no order; each has one image at least."""
    rng = np.random.default_rng(3)
    shares = np.arange(1, count + 1) / np.arange(1, count + 1).sum()
    drawn = (rng.choice(count, number - count, p=shares) for number in (real, synthetic))
    one, other = (rng.permutation(np.concatenate([np.arange(count), each])) for each in drawn)
    return Groups(one, other, count)
