"""Features in blocks, so that no more than a few of them are in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from medigan_hub.evaluation.metrics.base import BLOCK

if TYPE_CHECKING:
    from numpy.typing import NDArray

NOISE = 1e-12
"""Squared distances below this share of the squared lengths are rounding errors of none."""


def flat(features: np.ndarray) -> np.ndarray:
    """Return the features of each image as one row: (N, d), of (N, ...); nothing is copied."""
    return features.reshape(len(features), -1)


def read(features: np.ndarray, places: np.ndarray | slice) -> NDArray[np.float64]:
    """Return the features of some images as float64, a copy: (n, d)."""
    return np.array(flat(features)[places], np.float64)


def blocks(number: int) -> Iterator[slice]:
    """Yield the places of so many images, a block at a time."""
    for start in range(0, number, BLOCK):
        yield slice(start, min(start + BLOCK, number))


def pieces(groups: np.ndarray, count: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield each group, in parts of a block at most, with the places of its images."""
    for group in range(count):
        places = np.flatnonzero(groups == group)
        for block in blocks(len(places)):
            yield group, places[block]


def centre(features: np.ndarray) -> NDArray[np.float64]:
    """Return the mean of all features: (d,)."""
    total = sum(read(features, block).sum(axis=0) for block in blocks(len(features)))
    return np.asarray(total / len(features))


def squares(one: np.ndarray, other: np.ndarray) -> NDArray[np.float64]:
    """Return the squared Euclidean distances of rows, (n, d) and (m, d): (n, m).

    Equal rows are at 0, exactly: what rounding leaves of it is cut off.
    """
    lengths = (one**2).sum(axis=1)[:, np.newaxis] + (other**2).sum(axis=1)
    found = one @ other.T
    found *= -2
    found += lengths
    lengths *= NOISE
    found[found <= lengths] = 0
    return np.asarray(found)
