"""What looking for copied training images found, with all that it takes to repeat it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medigan_hub.evaluation.documents import Form, finite
from medigan_hub.evaluation.privacy.copying import Authenticity, DataCopying
from medigan_hub.evaluation.privacy.duplicates import Duplicate
from medigan_hub.evaluation.privacy.membership import Membership
from medigan_hub.evaluation.privacy.nearness import ERROR
from medigan_hub.evaluation.privacy.verdict import verdict
from medigan_hub.evaluation.proportions import Share
from medigan_hub.evaluation.sources import ImageSet

NOTICE = (
    "Findings on synthetic images: whether some of them are near to training images. Finding none "
    "does not mean that none can be got from the model."
)


@dataclass(frozen=True)
class Test:
    """How many synthetic images are nearer to a training image than all but some held-out ones."""

    rank: int
    """The threshold is the distance of the held-out image that is so many-th nearest."""
    threshold: float
    expected: float
    """The share of other images that would be nearer, on average."""
    flagged: int
    """Synthetic images that are nearer than the threshold."""
    counted: int
    """Those of them that are also twice as near to a training image as to any held-out one."""
    p_value: float
    """Of ``counted``, by itself."""
    corrected: float
    """Of ``counted``, by Holm, over all tests in all spaces: 0.05 or less is a finding."""

    @property
    def is_found(self) -> bool:
        """Whether so many are more than chance gives."""
        return self.corrected <= ERROR


@dataclass(frozen=True)
class SpaceFindings:
    """What was found in one space."""

    name: str
    """``pixels``; or the extractor, such as ``texture`` or ``texture, min-max``."""
    extractor: str | None
    normalize: str
    share: Share
    """Synthetic images that are nearer to a training image than 1 % of the held-out ones are."""
    tests: Sequence[Test]
    """The first is that of the share."""
    data_copying: DataCopying | None
    """None where there are too few images."""
    authenticity: Authenticity | None
    """None where there is one training image alone."""
    membership: Membership
    quantiles: Mapping[str, Sequence[float]]
    """``heldout`` and ``synthetic``: distances to the nearest training image, 200 or fewer from the
    least to the greatest."""

    @property
    def expected(self) -> float:
        """The share of other images that would be so near, on average."""
        return self.tests[0].expected

    @property
    def is_found(self) -> bool:
        """Whether a test found copies."""
        return any(test.is_found for test in self.tests)

    def document(self) -> dict[str, Any]:
        """Return it as it stands in ``privacy.json``."""
        low, high = self.share.interval()
        copying, authentic = self.data_copying, self.authenticity
        return {
            "space": self.name,
            "extractor": self.extractor,
            "normalize": self.normalize,
            "share_flagged": self.share.value,
            "low": low,
            "high": high,
            "expected": self.expected,
            "flagged": self.share.count,
            "num_synthetic": self.share.number,
            "tests": [{**vars(test), "threshold": finite(test.threshold)} for test in self.tests],
            "data_copying": None if copying is None else dict(vars(copying)),
            "authentic": None if authentic is None else _share(authentic.synthetic),
            "authentic_heldout": None if authentic is None else _share(authentic.heldout),
            "membership": attack(self.membership),
            "quantiles": {name: list(values) for name, values in self.quantiles.items()},
        }


@dataclass(frozen=True)
class Pair:
    """A synthetic image and the training image that is nearest to it, by their places."""

    synthetic: int
    training: int
    space: str
    distance: float
    """In that space."""
    correlation: float
    """Of the pixels, where they fit best: -1 to 1."""
    mirrored: str
    """How the training image is mirrored then: empty, or such as ``left-right``."""
    flagged: bool
    """Whether it is nearer than 1 % of the held-out images are."""
    counted: bool
    """Whether it is also twice as near to the training image as to any held-out one."""
    duplicate: bool
    """Whether both are the same, pixel for pixel."""


@dataclass(frozen=True)
class Privacy:
    """All findings of one run, and what it takes to repeat it."""

    spaces: Sequence[SpaceFindings]
    duplicates: Sequence[Duplicate]
    """Synthetic images that are a training image, pixel for pixel."""
    near_duplicates: Sequence[int]
    """Places of other synthetic images whose pixels are all but those of a training image."""
    pairs: Sequence[Pair]
    """The nearest of each space, the nearest first."""
    detectable: float | None
    """The least share of close copies that would be found in 80 % of cases; None: not even 1."""
    leading_membership: Membership
    """Of the space where the attack works best, with an interval that is wider for the choice."""
    sets: Mapping[str, Mapping[str, object]]
    """``train``, ``heldout`` and ``synthetic``: ``title``, ``num_images``, ``key``, and more."""
    settings: Mapping[str, object]
    extractors: Mapping[str, Mapping[str, object]]
    versions: Mapping[str, str]
    notes: tuple[str, ...] = ()
    sources: Mapping[str, ImageSet] = field(default_factory=dict, repr=False, compare=False)
    """The sets of images themselves, by the names of ``sets``; they are in no document."""

    @property
    def found(self) -> str:
        """``copies``, or ``none``."""
        is_equal = self.duplicates or self.near_duplicates
        is_found = is_equal or any(each.is_found for each in self.spaces)
        return "copies" if is_found else "none"

    @property
    def leading(self) -> SpaceFindings:
        """The space with the greatest share of near images."""
        return max(self.spaces, key=lambda each: each.share.value)

    @property
    def attacked(self) -> SpaceFindings:
        """The space in which the attack on membership works best."""
        return max(self.spaces, key=lambda each: each.membership.auc)

    @property
    def model(self) -> str | None:
        """The model that made the synthetic images, where that is known."""
        name = self.sets["synthetic"].get("model")
        return None if name is None else str(name)

    @property
    def verdict(self) -> str:
        """What was looked for, how, and what was found, in words."""
        return str(self.document()["verdict"])

    def document(self) -> dict[str, Any]:
        """Return what ``privacy.json`` holds: JSON alone, without secrets and names of images."""
        leading = self.leading.document()
        numbers = {f"num_{name}": each["num_images"] for name, each in self.sets.items()}
        document = {
            "schema_version": 1,
            "synthetic": True,
            "notice": NOTICE,
            "found": self.found,
            "space": leading["space"],
            **{key: leading[key] for key in ("share_flagged", "low", "high", "expected")},
            "duplicates": len(self.duplicates),
            "near_duplicates": len(self.near_duplicates),
            "detectable": self.detectable,
            "membership": {"space": self.attacked.name, **attack(self.leading_membership)},
            **numbers,
            "spaces": [each.document() for each in self.spaces],
            "pairs": [dict(vars(pair)) for pair in self.pairs],
            "sets": self.sets,
            "settings": self.settings,
            "extractors": self.extractors,
            "versions": self.versions,
            "notes": self.notes,
        }
        return FORM.plain({**document, "verdict": verdict(document)})

    def save(self, path: Path | str) -> Path:
        """Write the findings to a file, or to ``privacy.json`` in a folder; return the file.

        Raises
        ------
        MetadataError
            They hold what can't be read again.
        OutputError
            The file can't be written.
        """
        return FORM.save(self.document(), path)


def attack(found: Membership) -> dict[str, Any]:
    """Return how well an attack works as it stands in ``privacy.json``."""
    rate = found.rate
    return {
        "auc": found.auc,
        "low": found.low,
        "high": found.high,
        "level": found.level,
        "tpr_at_1": None if rate is None else rate.value,
        "tpr_low": None if rate is None else rate.low,
        "tpr_high": None if rate is None else rate.high,
    }


def _share(found: Share) -> dict[str, float]:
    low, high = found.interval()
    return {"value": found.value, "low": low, "high": high}


FORM = Form("privacy")
"""How findings are saved."""
FILE = FORM.file
