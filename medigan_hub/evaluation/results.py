"""What an evaluation found: figures, with all that it takes to repeat them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medigan_hub.evaluation.documents import Form, finite, number
from medigan_hub.evaluation.intervals import Estimate
from medigan_hub.evaluation.verdicts import Condition, Subgroup

NOTICE = (
    "Figures of synthetic images. They say how far these are from real ones by some features, "
    "and not that they are fit for diagnosis or any other use."
)
ENDS = (("low", "high"), ("ceiling_low", "ceiling_high"), ("difference_low", "difference_high"))
"""Of intervals, as documents call them."""


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
        """Real-real by real-synthetic, as the medigan paper has it: 1 is best.

        None where it means nothing: without bias, a distance may come out below 0.
        """
        return self.value / self.compared if self.value >= 0 and self.compared > 0 else None


@dataclass(frozen=True)
class Figure:
    """One metric, of one extractor's features, prepared in one way."""

    metric: str
    extractor: str | None
    normalize: str
    """``none`` or ``minmax``."""
    value: float
    """NaN where it could not be told; in a file, null."""
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
    is_distance: bool = True
    """Whether it grows with the difference of the sets, so that a ratio to a baseline has a
    meaning."""
    left_out: tuple[float, ...] = ()
    """The value without each group of the jackknife; in the files of a benchmark alone."""
    shares: tuple[float, ...] = ()
    """The share of the images that is in each of them."""

    @property
    def estimate(self) -> Estimate:
        """The value with its interval, and what tells it from that of another model."""
        return Estimate(
            self.value,
            self.low,
            self.high,
            self.corrected,
            self.groups,
            self.left_out,
            self.shares,
        )

    @property
    def described(self) -> str:
        """What it compares, in words: whose features, prepared how."""
        words = self.extractor or "the images themselves"
        return f"{words}, min-max" if self.normalize == "minmax" else words

    @property
    def can_be_ranked(self) -> bool:
        """Whether models can be put in an order by it: neither biased nor without a direction."""
        has_order = self.better is not None or self.ideal is not None
        return has_order and not self.biased and math.isfinite(self.value)

    @property
    def features(self) -> str:
        """What it compares, in words: whose features, prepared how, of which images."""
        return self.described if self.group is None else f"{self.described}, {self.group} alone"

    @property
    def ratio(self) -> float | None:
        """Of the baseline, to the value at as many images; None where there is none."""
        return self.baseline.ratio if self.baseline and self.is_distance else None

    def document(self, *, is_whole: bool = False) -> dict[str, Any]:
        """Return the figure as it stands in ``evaluation.json``.

        Where it ``is_whole``, as in ``benchmark.json``, the values without each group are there.
        """
        baseline = self.baseline
        groups = {"left_out": list(self.left_out), "shares": list(self.shares)} if is_whole else {}
        return {
            "metric": self.metric,
            "extractor": self.extractor,
            "normalize": self.normalize,
            "value": finite(self.value),
            "low": finite(self.low),
            "high": finite(self.high),
            "better": self.better,
            "ideal": finite(self.ideal),
            "num_real": self.num_real,
            "num_synthetic": self.num_synthetic,
            "baseline": finite(baseline.value if baseline else None),
            "baseline_spread": finite(baseline.spread if baseline else None),
            "baseline_num_images": baseline.num_images if baseline else None,
            "baseline_splits": baseline.splits if baseline else None,
            "compared": finite(baseline.compared if baseline else None),
            "difference": finite(baseline.difference if baseline else None),
            "ratio": finite(self.ratio),
            "biased": self.biased,
            "corrected": self.corrected,
            "groups": self.groups,
            "group": self.group,
            "is_distance": self.is_distance,
            **groups,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Figure:
        """Read a figure of a valid ``evaluation.json``."""
        found = {key: document[key] for key in cls.__dataclass_fields__ if key in document}
        baseline = None
        if document.get("baseline_splits") is not None:
            baseline = Baseline(
                value=number(document["baseline"]),
                spread=number(document["baseline_spread"]),
                num_images=document["baseline_num_images"],
                splits=document["baseline_splits"],
                compared=number(document["compared"]),
            )
        return cls(
            **{
                "ideal": None,
                **found,
                "value": number(document["value"]),
                "baseline": baseline,
                **{name: tuple(document.get(name, ())) for name in ("left_out", "shares")},
            }
        )


@dataclass(frozen=True)
class Evaluation:
    """All figures of one run, and what it takes to repeat it."""

    figures: list[Figure]
    settings: Mapping[str, object]
    """What was asked: metrics, extractors, normalize, protocol, patients, seed, counts."""
    sets: Mapping[str, Mapping[str, object]]
    """``real`` and ``synthetic``: ``title``, ``num_images``, ``key``, and what else is known, such
    as ``model`` and ``version``."""
    extractors: Mapping[str, Mapping[str, object]]
    """Of each, by name: title, version, weights, size, shape."""
    versions: Mapping[str, str]
    """Of the hub (``medigan-hub``) and the packages that took part."""
    notes: tuple[str, ...] = ()
    """What is to be known with the figures, in words."""
    subgroups: tuple[Subgroup, ...] = ()
    """Of groups of real images: whether synthetic ones cover them as they do the others."""
    conditions: tuple[Condition, ...] = ()
    """Whether synthetic images show what they were asked for."""

    @property
    def verdicts(self) -> list[str]:
        """Whom the images leave out, and what they don't show that they were asked for."""
        words = [each.verdict for each in self.subgroups]
        words += [each.verdict for each in self.conditions]
        return [each for each in words if each is not None]

    @property
    def model(self) -> str | None:
        """The model that made the synthetic images, where that is known."""
        name = self.sets["synthetic"].get("model")
        return None if name is None else str(name)

    @property
    def about(self) -> str:
        """What was held against what, on one line."""
        synthetic, real = self.sets["synthetic"], self.sets["real"]
        version, title = synthetic.get("version"), synthetic["title"]
        maker = f"{self.model} {version}" if version else self.model or "a model that is not known"
        place = "" if title == f"model:{self.model}" else f" ({title})"
        return (
            f"{synthetic['num_images']} synthetic images by {maker}{place}, "
            f"against {real['num_images']} real ones ({real['title']})"
        )

    def document(self, *, is_whole: bool = False) -> dict[str, Any]:
        """Return what ``evaluation.json`` holds: JSON alone, without secrets.

        What ``is_whole`` adds is said of ``Figure.document``.
        """
        return FORM.plain(
            {
                "schema_version": 1,
                "synthetic": True,
                "notice": NOTICE,
                "figures": [figure.document(is_whole=is_whole) for figure in self.figures],
                "subgroups": [each.document() for each in self.subgroups],
                "conditions": [each.document() for each in self.conditions],
                "verdicts": self.verdicts,
                "sets": self.sets,
                "settings": self.settings,
                "extractors": self.extractors,
                "versions": self.versions,
                "notes": self.notes,
            }
        )

    def save(self, path: Path | str) -> Path:
        """Write the evaluation to a file, or to ``evaluation.json`` in a folder; return the file.

        Raises
        ------
        MetadataError
            It holds what can't be read again.
        OutputError
            The file can't be written.
        """
        return FORM.save(self.document(), path)

    @classmethod
    def load(cls, path: Path | str) -> Evaluation:
        """Read an evaluation from a file, or from ``evaluation.json`` in a folder.

        Raises
        ------
        MetadataError
            The file can't be read, is not JSON, or does not fit the schema; the message names the
            first faults.
        """
        return cls.from_document(FORM.load(path))

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Evaluation:
        """Read a valid document."""
        return cls(
            figures=[Figure.from_document(figure) for figure in document["figures"]],
            settings=document["settings"],
            sets=document["sets"],
            extractors=document["extractors"],
            versions=document["versions"],
            notes=tuple(document["notes"]),
            subgroups=tuple(Subgroup(**each) for each in document.get("subgroups", ())),
            conditions=tuple(Condition(**each) for each in document.get("conditions", ())),
        )


def contradictions(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a schema can't say."""
    for n, figure in enumerate(document["figures"]):
        told = {figure.get(key) is None for key in ("baseline_num_images", "baseline_splits")}
        if len(told) > 1:
            yield f"figures[{n}]: baseline_num_images and baseline_splits go together"
        if len(figure.get("left_out", ())) != len(figure.get("shares", ())):
            yield f"figures[{n}]: left_out and shares go together"
        if any(not 0 < share < 1 for share in figure.get("shares", ())):
            yield f"figures[{n}]: shares are between 0 and 1"
    for kind in ("figures", "subgroups", "conditions"):
        for n, found in enumerate(document.get(kind, ())):
            for ends in ENDS:
                low, high = (found.get(key) for key in ends)
                if (low is None) != (high is None) or (low is not None and low > high):
                    yield (
                        f"{kind}[{n}]: {' and '.join(ends)} are {low} and {high}; they must be "
                        "numbers that rise"
                    )
            extractor = found["extractor"]
            if extractor is not None and extractor not in document["extractors"]:
                yield f"{kind}[{n}]: nothing is said of the extractor {extractor}"


FORM = Form("evaluation", contradictions)
"""How an evaluation is saved."""
FILE = FORM.file
