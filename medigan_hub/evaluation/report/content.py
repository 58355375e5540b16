"""What a report holds, whatever it is shown as."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Criterion:
    """A heading of a report, and the question under it."""

    name: str
    question: str
    examined_by: str
    """What would answer it, where a report does not."""


CRITERIA = (
    Criterion(
        "Congruence",
        "How far are the synthetic images from real ones?",
        "medigan evaluate REAL SYNTHETIC",
    ),
    Criterion(
        "Coverage",
        "Do they show all that real images show?",
        "medigan evaluate REAL SYNTHETIC",
    ),
    Criterion(
        "Constraint",
        "Do they keep to what was asked for, and to what anatomy and physics allow?",
        "medigan evaluate REAL SYNTHETIC --probe COLUMN, for what was asked for; for anatomy, "
        "readers in a blind test: medigan app",
    ),
    Criterion(
        "Completeness",
        "Does what a use needs come along: numbers, labels, masks, spacing, origin?",
        "medigan evaluate REAL SYNTHETIC",
    ),
    Criterion(
        "Compliance",
        "May they be shared: are training images given away, and is there a licence?",
        "medigan privacy TRAIN HELDOUT SYNTHETIC",
    ),
    Criterion(
        "Comprehension",
        "Can a reader tell how they were made and judged, and repeat it?",
        "medigan evaluate REAL SYNTHETIC",
    ),
    Criterion(
        "Consistency",
        "Is it the same for all groups of patients?",
        "medigan evaluate REAL SYNTHETIC --by COLUMN",
    ),
    Criterion(
        "Use",
        "Do they help a task?",
        "medigan utility TRAIN TEST SYNTHETIC --label COLUMN",
    ),
)
"""Seven criteria of synthetic medical data, in words of our own, and one of this project's.

Source of the seven: Zamzmi et al. (2025), "Scorecard for synthetic medical data evaluation",
doi:10.1038/s44172-025-00450-1.
"""


@dataclass(frozen=True)
class Table:
    """A table; the first cell of each row is its heading."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Picture:
    """An image with what it is written into it."""

    uri: str
    """``data:`` URI of a PNG."""
    width: int
    height: int
    origin: str
    """``Synthetic``, or ``Real, confidential``."""
    words: str
    """What else is to be said of it."""


@dataclass(frozen=True)
class Gallery:
    """Pictures that belong together."""

    heading: str
    words: str
    pictures: Sequence[Picture] = ()


@dataclass(frozen=True)
class Part:
    """What is said under one criterion."""

    words: Sequence[str] = ()
    """Paragraphs, before all else."""
    drawings: Sequence[str] = ()
    """SVG."""
    tables: Sequence[Table] = ()
    galleries: Sequence[Gallery] = ()

    def __add__(self, other: Part) -> Part:
        """Return both, one after the other."""
        return Part(
            *(
                (*getattr(self, name), *getattr(other, name))
                for name in ("words", "drawings", "tables", "galleries")
            )
        )


@dataclass(frozen=True)
class Report:
    """What was found of one set of synthetic images."""

    title: str
    about: str
    """What was held against what, on one line."""
    verdict: Sequence[str]
    """The answer in words, a paragraph each."""
    parts: Mapping[str, Part]
    """By the names of ``CRITERIA``; of others the report says that they were not examined."""
    notes: Sequence[str] = ()
    """What is to be known beside."""
    document: Mapping[str, object] = field(default_factory=dict)
    """All of it, as JSON."""
    shows_real: bool = False
    """Whether images of patients are in it."""

    @property
    def examined(self) -> list[tuple[Criterion, Part]]:
        """Each criterion of which something is said."""
        return [(each, self.parts[each.name]) for each in CRITERIA if each.name in self.parts]

    @property
    def unexamined(self) -> list[Criterion]:
        """The others."""
        return [each for each in CRITERIA if each.name not in self.parts]
