"""What a metric is: the contract."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np


@dataclass(frozen=True, eq=False)
class Groups:
    """Images that are left out together, as a jackknife does: the same number in both sets."""

    real: np.ndarray
    """(N,) int: the group of each real image, from 0 to ``count`` - 1."""
    synthetic: np.ndarray
    """(M,) int."""
    count: int


class Metric(ABC):
    """Compares two sets of images by their features: a pure function of two arrays.

    Interval, baseline and the smallest number of images are the business of who calls it.
    """

    name: ClassVar[str]
    """As it is asked for and reported, such as ``KID``."""
    title: ClassVar[str]
    """What it measures, in a few words."""
    source: ClassVar[str]
    """Publication that it follows."""
    better: ClassVar[str | None] = "lower"
    """``lower`` or ``higher``; None where neither is."""
    ideal: ClassVar[float | None] = 0.0
    """The value of two equal distributions; None where it depends on them."""
    smallest: ClassVar[int] = 2
    """The least number of images in a set for which it means something."""
    is_distance: ClassVar[bool] = True
    """Whether it grows with the difference of the sets, so that a ratio to a baseline has a
    meaning."""
    is_of_one_set: ClassVar[bool] = False
    """Whether the synthetic images alone decide it, as diversity."""
    is_corrected: ClassVar[bool] = False
    """Whether its bias falls with the number of images, and a jackknife takes it away."""
    extractors: ClassVar[tuple[str, ...] | None] = None
    """Extractors whose features it is for; None: all that name no metrics of their own."""

    @abstractmethod
    def __call__(self, real: np.ndarray, synthetic: np.ndarray) -> float:
        """Return the value for features, (N, ...) and (M, ...), scaled as the extractor says."""

    def left_out(self, real: np.ndarray, synthetic: np.ndarray, groups: Groups) -> np.ndarray:
        """Return the value without each group in turn, in both sets: (``groups.count``,) float64.

        A metric that can do so with less work than as many calls overrides it.
        """
        return np.array(
            [
                self(real[groups.real != n], synthetic[groups.synthetic != n])
                for n in range(groups.count)
            ]
        )

    def is_biased(self, number: int, shape: Sequence[int]) -> bool:
        """Tell whether the value is off beyond correction, for so many images of features of a shape.

        ``number`` is that of the smaller set. A biased value is marked, and never ranked.
        """
        return False
