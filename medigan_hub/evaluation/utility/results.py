"""What was found of the use of synthetic images, and how it is saved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medigan_hub.evaluation.documents import Form, finite, number

NOTICE = (
    "Figures of learners that were given synthetic images. They say whether these helped this "
    "learner with these real images, and not that they are fit for diagnosis or any other use."
)
HELPS = "helps"
MATCHES = "helps no more than its controls"
NOTHING = "makes no difference that these images tell"
HARMS = "harms"
UNTOLD = "can't be told"


@dataclass(frozen=True)
class Gain:
    """How much better one arm does than another, in the unit of the score."""

    value: float
    low: float | None
    """Of the interval of 95 %; None where there is none."""
    high: float | None

    def document(self) -> dict[str, float | None]:
        """Return it as it stands in ``utility.json``."""
        return {"value": finite(self.value), "low": finite(self.low), "high": finite(self.high)}


@dataclass(frozen=True)
class ArmScore:
    """One score of what was learned from some images, on the test images; the mean of repeats."""

    arm: str
    """``real``, ``synthetic``, ``real + synthetic``; or a control: ``real, equal steps``,
    ``real, flips and noise``."""
    ratio: float | None
    """Synthetic images, or varied copies, by the number of real ones; 0 of real ones alone."""
    share: float
    """Of the training images, above 0 to 1. ``synthetic`` has none of them, and is held against
    real ones of this share."""
    metric: str
    value: float
    low: float | None
    """Of the interval of 95 %; None where there is none."""
    high: float | None
    gain: Gain | None
    """Over real images alone, of the same share; None of these."""
    gain_over_controls: Gain | None
    """Of a mixture, over the better control of the same share."""
    num_real: int
    """Images, the mean of the repeats."""
    num_synthetic: int
    steps: int | None
    """Of the optimiser, the mean of the repeats; None where there is none."""
    verdict: str | None = None
    """Of a mixture, by the leading score, in words."""
    group: str | None = None
    """Of which test images, where not of all."""

    def document(self) -> dict[str, Any]:
        """Return it as it stands in ``utility.json``."""
        told = {name: getattr(self, name) for name in self.__dataclass_fields__}
        told |= {name: finite(told[name]) for name in ("value", "low", "high")}
        for name in ("gain", "gain_over_controls"):
            told[name] = told[name] and told[name].document()
        return told

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> ArmScore:
        """Read it from a valid ``utility.json``."""
        found = {**document, "value": number(document["value"])}
        for name in ("gain", "gain_over_controls"):
            gain = document[name]
            found[name] = gain and Gain(**{**gain, "value": number(gain["value"])})
        return cls(**found)


@dataclass(frozen=True)
class Utility:
    """Whether synthetic images helped, with all that it takes to find it again."""

    arms: Sequence[ArmScore]
    verdict: str
    label: str | None
    """The column that was learned; None of masks."""
    masks: Mapping[str, str] | None
    """Where the masks of each set come from; None of a label."""
    learner: Mapping[str, object]
    """``name``, ``title``, and what else decides it."""
    sets: Mapping[str, Mapping[str, object]]
    """``train``, ``test`` and ``synthetic``: ``title``, ``num_images``, ``key``, and what else is
    known."""
    settings: Mapping[str, object]
    versions: Mapping[str, str]
    notes: tuple[str, ...] = ()

    @property
    def leading(self) -> str:
        """The score that the verdict is by."""
        return self.arms[0].metric

    @property
    def model(self) -> str | None:
        """The model that made the synthetic images, where that is known."""
        name = self.sets["synthetic"].get("model")
        return None if name is None else str(name)

    @property
    def about(self) -> str:
        """What was learned from what, on one line."""
        what = self.label if self.masks is None else "masks"
        train, test, synthetic = (self.sets[name] for name in ("train", "test", "synthetic"))
        return (
            f"{self.learner['title']} learns {what} from {train['num_images']} real images "
            f"({train['title']}) and {synthetic['num_images']} synthetic ones "
            f"({synthetic['title']}), tested on {test['num_images']} real ones ({test['title']})"
        )

    def chosen(self, metric: str | None = None, group: str | None = None) -> list[ArmScore]:
        """Return the arms by one score, the leading one by default; of all images, or a group."""
        wanted = metric or self.leading
        return [each for each in self.arms if (each.metric, each.group) == (wanted, group)]

    def document(self) -> dict[str, Any]:
        """Return what ``utility.json`` holds: JSON alone, without secrets."""
        return FORM.plain(
            {
                "schema_version": 1,
                "synthetic": True,
                "notice": NOTICE,
                "verdict": self.verdict,
                "arms": [each.document() for each in self.arms],
                "label": self.label,
                "masks": self.masks,
                "learner": self.learner,
                "sets": self.sets,
                "settings": self.settings,
                "versions": self.versions,
                "notes": self.notes,
            }
        )

    def save(self, path: Path | str) -> Path:
        """Write it to a file, or to ``utility.json`` in a folder; return the file.

        Raises
        ------
        MetadataError
            It holds what can't be read again.
        OutputError
            The file can't be written.
        """
        return FORM.save(self.document(), path)

    @classmethod
    def load(cls, path: Path | str) -> Utility:
        """Read it from a file, or from ``utility.json`` in a folder.

        Raises
        ------
        MetadataError
            The file can't be read, is not JSON, or does not fit the schema; the message names the
            first faults.
        """
        document = FORM.load(path)
        given = ("verdict", "label", "masks", "learner", "sets", "settings", "versions")
        return cls(
            arms=[ArmScore.from_document(each) for each in document["arms"]],
            **{name: document[name] for name in given},
            notes=tuple(document["notes"]),
        )


def _contradictions(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a schema can't say."""
    for n, arm in enumerate(document["arms"]):
        for name in ("gain", "gain_over_controls"):
            yield from _fault(f"arms[{n}].{name}", arm[name])
        yield from _fault(f"arms[{n}]", arm)
    if (document["label"] is None) == (document["masks"] is None):
        yield "label and masks: one of them says what was learned, and the other is null"


def _fault(where: str, found: Mapping[str, Any] | None) -> Iterator[str]:
    if found is None:
        return
    low, high = found["low"], found["high"]
    if (low is None) != (high is None) or (low is not None and low > high):
        yield f"{where}: low and high are {low} and {high}; they must be numbers that rise"


FORM = Form("utility", _contradictions)
"""How it is saved."""
FILE = FORM.file
