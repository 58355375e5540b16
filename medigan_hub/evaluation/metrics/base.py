"""What a metric is: the contract."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from medigan_hub.errors import RequestError

BLOCK = 1024
"""Images that are read at a time."""


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
    """The best value, which two equal distributions come near; None where it depends on them."""
    limits: ClassVar[tuple[float, float]] = (-math.inf, math.inf)
    """Between which its values are; of an interval no end lies beyond."""
    smallest: ClassVar[int] = 2
    """The least number of images in a set for which it means something."""
    is_distance: ClassVar[bool] = True
    """Whether it grows with the difference of the sets, so that a ratio to a baseline has a
    meaning."""
    is_of_one_set: ClassVar[bool] = False
    """Whether the synthetic images alone decide it, as diversity."""
    is_corrected: ClassVar[bool] = False
    """Whether its bias falls with the number of images, and a jackknife takes it away."""
    scaling: ClassVar[str | None] = None
    """How its features are scaled in the place of the extractor's ``scaling``; None: as that
    says."""
    extractors: ClassVar[tuple[str, ...] | None] = None
    """Extractors whose features it is for; None: all that name no metrics of their own."""

    @abstractmethod
    def __call__(self, real: np.ndarray, synthetic: np.ndarray) -> float:
        """Return the value for features, (N, ...) and (M, ...), scaled as ``scaling`` says.

        They may be memory-mapped and many: no more than blocks of them are read at a time.
        """

    def left_out(self, real: np.ndarray, synthetic: np.ndarray, groups: Groups) -> np.ndarray:
        """Return the value without each group in turn, in both sets: (``groups.count``,) float64.

        A metric that can do so with less work than as many calls overrides it. What depends on
        all images but is no estimate (the width of a kernel, which pairs are drawn) may stay.
        """
        return np.array(
            [
                self(real[groups.real != n], synthetic[groups.synthetic != n])
                for n in range(groups.count)
            ]
        )

    def is_biased(self, number: int, shape: Sequence[int]) -> bool:
        """Tell whether so many images, of features of a shape, leave a bias beyond correction.

        ``number`` is that of the smaller set. A biased value is marked, and never ranked.
        """
        return False

    def check(self, real: np.ndarray, synthetic: np.ndarray) -> None:
        """Refuse features that have no value; they are read once, in blocks.

        Raises
        ------
        RequestError
            There are too few images, features of both sets differ in shape, or one is no number.
        """
        if real.shape[1:] != synthetic.shape[1:] or min(real.ndim, synthetic.ndim) < 2:
            raise RequestError(
                f"features of real images have the shape {list(real.shape)}, those of synthetic "
                f"ones {list(synthetic.shape)}; give as many of each image, from one extractor"
            )
        for kind, features in (("real", real), ("synthetic", synthetic)):
            if len(features) < self.smallest:
                raise RequestError(
                    f"{self.name} needs {self.smallest} images in each set, and there are "
                    f"{len(features)} {kind} ones; give more, or leave {self.name} out"
                )
            for start in range(0, len(features), BLOCK):
                whole = np.isfinite(features[start : start + BLOCK])
                if not whole.all():
                    place = start + int(whole.reshape(len(whole), -1).all(axis=1).argmin())
                    raise RequestError(
                        f"a feature of {kind} image {place} is no number; leave the image out, or "
                        "take another extractor"
                    )
