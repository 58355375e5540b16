"""Features read a block of rows at a time: all pairs of two large sets never fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

ROWS = 1000
"""Rows of a block."""

Matrix = NDArray[np.float64]


def blocks(rows: np.ndarray, keep: np.ndarray | None = None) -> Iterator[Matrix]:
    """Yield rows a few at a time, in float64; of those with a mask, the ones that it keeps."""
    for start in range(0, len(rows), ROWS):
        part = np.asarray(rows[start : start + ROWS])
        if keep is not None:
            part = part[keep[start : start + ROWS]]
        if len(part):
            yield part.reshape(len(part), -1).astype(np.float64)


def sums(
    one: np.ndarray,
    other: np.ndarray,
    kernel: Callable[[Matrix, Matrix], Matrix],
    groups: tuple[np.ndarray, np.ndarray],
    count: int,
) -> Matrix:
    """Return the sums of a kernel over all pairs, by the groups of both: (count, count)."""
    total = np.zeros((count, count))
    first, second = (np.eye(count)[each] for each in groups)
    place = 0
    for left in blocks(one):
        columns, across = 0, np.zeros((len(left), count))
        for right in blocks(other):
            across += kernel(left, right) @ second[columns : columns + len(right)]
            columns += len(right)
        total += first[place : place + len(left)].T @ across
        place += len(left)
    return total


def squared_distances(one: Matrix, other: Matrix) -> Matrix:
    """Return the squared distance of each row to each other one: (n, m), never below 0."""
    products = one @ other.T
    products *= -2
    products += (one**2).sum(axis=1)[:, np.newaxis]
    products += (other**2).sum(axis=1)
    return np.maximum(products, 0, out=products)
