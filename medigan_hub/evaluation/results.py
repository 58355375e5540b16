"""What an evaluation found: figures, with all that it takes to repeat them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Baseline:
    """What the same metric says of real images against other real ones, and of the model so."""

    value: float
    """Mean over the splits: real against real."""
    spread: float
    """Standard deviation over the splits."""
    num_images: int
    """Images in each set, in both comparisons."""
    splits: int
    compared: float
    """Mean over the splits: real against synthetic, with as many images."""

    @property
    def difference(self) -> float:
        """How much farther the synthetic images are than other real ones."""
        return self.compared - self.value

    @property
    def ratio(self) -> float | None:
        """Real-real by real-synthetic, as the medigan paper has it: 1 is best; None at 0."""
        return self.value / self.compared if self.compared else None


@dataclass(frozen=True)
class Figure:
    """One metric, of one extractor's features, prepared in one way."""

    metric: str
    extractor: str | None
    normalize: str
    """``none`` or ``minmax``."""
    value: float
    low: float | None
    """Of the interval of 95 %; None where there are too few groups to tell."""
    high: float | None
    better: str | None
    ideal: float | None
    num_real: int
    num_synthetic: int
    baseline: Baseline | None
    biased: bool
    """Off beyond correction: not to be ranked, or held against other numbers of images."""
    corrected: bool = False
    """Whether a jackknife took the bias away."""
    groups: int = 0
    """Groups of the jackknife."""
    group: str | None = None
    """Of which images, where not of all."""


@dataclass(frozen=True)
class Evaluation:
    """All figures of one run, and what it takes to repeat it."""

    figures: list[Figure]
    settings: Mapping[str, object]
    """What was asked: metrics, extractors, normalize, protocol, patients, seed, counts."""
    sets: Mapping[str, Mapping[str, object]]
    """``real`` and ``synthetic``: what they are, N, key."""
    extractors: Mapping[str, Mapping[str, object]]
    """Of each: title, version, weights, size, shape."""
    versions: Mapping[str, str]
    """Of the hub and the packages that took part."""
    notes: tuple[str, ...] = ()
    """What is to be known with the figures, in words."""
