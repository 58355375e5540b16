"""What an evaluation says beside its figures: whom images leave out, and what was not obeyed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from medigan_hub.evaluation.digits import places, told
from medigan_hub.evaluation.documents import finite

LEVEL = 0.05
"""Below which a p-value, corrected for how many there are, is a verdict."""
CHANCE: Mapping[str, float] = {"AUC": 0.5, "R2": 0.0}
"""What scores are where features tell nothing."""
SHARES = ("AUC", "kappa", "R2")
"""Scores that are 1 at best, and have no unit."""
LEADING = ("AUC", "MAE")
"""Scores by which a model is said not to obey: one of classes, and one of numbers."""


@dataclass(frozen=True)
class _Finding:
    """By which features it was found."""

    extractor: str
    normalize: str
    """``none`` or ``minmax``."""

    @property
    def features(self) -> str:
        """By which features, in words."""
        return f"{self.extractor}, min-max" if self.normalize == "minmax" else self.extractor

    def document(self) -> dict[str, Any]:
        """Return it as it stands in ``evaluation.json``."""
        return {
            key: finite(value) if isinstance(value, float) else value
            for key, value in asdict(self).items()
        }


@dataclass(frozen=True)
class Subgroup(_Finding):
    """The coverage of a group of real images, against that of all others."""

    group: str
    """As ``sex F``."""
    num_real: int
    num_others: int
    coverage: float
    """Share of the group that has a synthetic image near, among all real images."""
    others: float
    """The same of all other real images."""
    difference: float
    low: float
    """Of the interval of 95 % of the difference."""
    high: float
    p: float
    """Of no difference, two-sided."""
    p_corrected: float
    """By Holm's correction, over all groups and features of the evaluation."""

    @property
    def is_left_out(self) -> bool:
        """Whether synthetic images cover it less than the others."""
        return self.difference < 0 and self.p_corrected < LEVEL

    @property
    def verdict(self) -> str | None:
        """What is to be said of it; None where it is no worse off than others."""
        if not self.is_left_out:
            return None
        return (
            f"left out: {self.group} (coverage {self.coverage:.2f} against {self.others:.2f} of "
            f"the others, by {self.features})"
        )


@dataclass(frozen=True)
class Condition(_Finding):
    """How well a probe of real images tells what synthetic ones were asked for."""

    column: str
    """What was asked for, as ``label``."""
    score: str
    """``AUC``, ``kappa``, ``MAE`` or ``R2``."""
    better: str
    value: float
    """Of the synthetic images."""
    low: float | None
    """Of the interval of 95 %; None where there are too few patients or files to tell it."""
    high: float | None
    ceiling: float
    """Of real images that the probe did not learn from."""
    ceiling_low: float | None
    ceiling_high: float | None
    difference_low: float | None
    """Of the interval of 95 % of the value less the ceiling."""
    difference_high: float | None
    num_real: int
    num_synthetic: int

    @property
    def difference(self) -> float:
        """How much more the score of synthetic images is than that of real ones."""
        return self.value - self.ceiling

    @property
    def is_swapped(self) -> bool:
        """Whether what was asked for as one class looks like another."""
        return self.score == "AUC" and self.high is not None and self.high < CHANCE["AUC"]

    @property
    def is_untold(self) -> bool:
        """Whether these features may not tell it of real images either."""
        chance = CHANCE.get(self.score)
        return chance is not None and (self.ceiling_low is None or self.ceiling_low <= chance)

    @property
    def is_worse(self) -> bool:
        """Whether it shows less in synthetic images than in real ones."""
        if self.better == "higher":
            return self.difference_high is not None and self.difference_high < 0
        return self.difference_low is not None and self.difference_low > 0

    @property
    def places(self) -> int:
        """The decimal places that it is shown with: three at most, where it is a share."""
        return min(places(self), 3) if self.score in SHARES else places(self)

    @property
    def told(self) -> tuple[str, str]:
        """The score of synthetic images, and that of real ones, each with its interval."""
        return (
            told(self.value, self.low, self.high, self.places),
            told(self.ceiling, self.ceiling_low, self.ceiling_high, self.places),
        )

    @property
    def verdict(self) -> str | None:
        """What is to be said of it; None where it shows as in real images, as far as is known."""
        synthetic, real = self.told
        against = f"{self.score} {synthetic} against {real} on real images, by {self.features}"
        if self.is_untold:
            return (
                f"not told: whether {self.column} is as asked for, as these features may not tell "
                f"it of real images ({self.score} {real}, by {self.features})"
            )
        if self.is_swapped:
            return f"swapped: {self.column}, as what is asked for looks like another ({against})"
        if self.is_worse and self.score in LEADING:
            return f"not as asked for: {self.column} ({against})"
        return None
