"""What a metric of pairs is: the contract."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np


class Undefined(Exception):  # noqa: N818 (nothing failed)
    """A metric has no value for a pair; the message says why, as "both masks are empty" does."""


@dataclass(frozen=True, eq=False)
class Pair:
    """Two images that are to be alike, of one size, pixel by pixel."""

    real: np.ndarray
    """(height, width, channels) float64, 0 to 1; of a mask, (height, width) bool."""
    synthetic: np.ndarray
    """Of the same shape and type."""
    spacing: tuple[float, float] | None = None
    """Distance of rows and of columns in mm; None where it is not known."""
    region: np.ndarray | None = None
    """(height, width) bool: the pixels that count, one at least; None: all."""


class PairMetric(ABC):
    """Compares two images, or two masks: a pure function of a pair."""

    name: ClassVar[str]
    """As it is asked for, such as ``SSIM``."""
    title: ClassVar[str]
    """What it measures, in a few words."""
    source: ClassVar[str]
    """Publication that it follows."""
    better: ClassVar[str | None] = "lower"
    """``lower`` or ``higher``; None where neither is."""
    ideal: ClassVar[float | None] = 0.0
    """The value of two equal images; None where there is none."""
    bounds: ClassVar[tuple[float, float]] = (0.0, math.inf)
    """No value lies beyond them."""
    is_of_masks: ClassVar[bool] = False
    """Whether it compares masks, and not images."""
    is_local: ClassVar[bool] = True
    """Whether it can be taken inside a region."""

    @abstractmethod
    def __call__(self, pair: Pair) -> float:
        """Return the value of a pair.

        Raises
        ------
        Undefined
            There is none.
        """

    def called(self, pair: Pair) -> str:
        """Return the name that the value of a pair is reported under.

        Values under different names, such as of different units, are never averaged together.
        """
        return self.name
