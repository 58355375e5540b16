"""What is compared: learners that differ in the images that they are given, and in nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

REAL = "real"
SYNTHETIC = "synthetic"
BOTH = "real + synthetic"
STEPS = "real, equal steps"
VARIED = "real, flips and noise"
CONTROLS = (STEPS, VARIED)
"""What may help as well as synthetic images do, and costs nothing."""


@dataclass(frozen=True)
class Arm:
    """Images that are learned from, in each repeat others of the kind."""

    name: str
    share: float
    """Of the real images, above 0 to 1."""
    ratio: float | None = None
    """Synthetic images, or varied copies of real ones, by the number of real ones; None where that
    has no meaning."""

    @property
    def words(self) -> str:
        """What it is, for a note.

        >>> Arm(BOTH, 0.1, 2).words
        'real + synthetic at ratio 2 with 10 % of the real images'
        """
        at = "" if self.ratio is None else f" at ratio {self.ratio:g}"
        return f"{self.name}{at} with {percent(self.share)} of the real images"


@dataclass(frozen=True, eq=False)
class Job:
    """What one learner learns from, in one repeat."""

    real: np.ndarray
    """Places among the training images."""
    synthetic: np.ndarray
    """Places among the synthetic images."""
    copies: int
    """Flipped and noised copies of each real image beside it; where a learner takes steps, any
    number above 0 varies every image anew each time."""
    steps: int | None
    """Of the optimiser; None where there is none."""
    repeat: int


def percent(share: float) -> str:
    """Return a share in words.

    >>> percent(0.125)
    '12.5 %'
    """
    return f"{100 * share:g} %"
