"""In what images are near to each other: the features of an extractor, or the pixels themselves."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from medigan_hub.evaluation.metrics.blocks import blocks, centre, read, squares


@dataclass(frozen=True)
class Nearest:
    """The image of another set that is nearest to each one."""

    distances: np.ndarray
    """(n,) float64, 0 or more; infinite where there is none."""
    places: np.ndarray
    """(n,) int64."""


@dataclass(frozen=True)
class Apart:
    """What images belong to, as numbers: those with one number are not held against each other."""

    one: np.ndarray
    other: np.ndarray


class Space(ABC):
    """Tells how far images are from each other, by one function for all sets."""

    name: str
    """As it is reported, such as ``texture``."""

    @abstractmethod
    def nearest(self, one: np.ndarray, other: np.ndarray, apart: Apart | None = None) -> Nearest:
        """Return which image of ``other`` is nearest to each of ``one``.

        Both are (n, ...), as the space describes images; they are read in blocks. The first of
        several that are equally near is returned.
        """


@dataclass(frozen=True)
class Features(Space):
    """Features of an extractor, (n, ...), by their Euclidean distance."""

    name: str

    def nearest(self, one: np.ndarray, other: np.ndarray, apart: Apart | None = None) -> Nearest:
        """Compare each with each."""
        middle = centre(other)
        distances, places = np.full(len(one), np.inf), np.zeros(len(one), np.int64)
        for block in blocks(len(one)):
            rows = read(one, block) - middle
            for others in blocks(len(other)):
                between = squares(rows, read(other, others) - middle)
                if apart is not None:
                    is_same = np.equal.outer(apart.one[block], apart.other[others])
                    between[is_same] = np.inf
                found = between.argmin(axis=1)
                least = np.sqrt(between[np.arange(len(found)), found])
                is_nearer = least < distances[block]
                distances[block][is_nearer] = least[is_nearer]
                places[block][is_nearer] = found[is_nearer] + others.start
        return Nearest(distances, places)
