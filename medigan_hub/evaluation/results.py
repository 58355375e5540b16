"""What an evaluation found: figures, with all that it takes to repeat them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from medigan_hub import metadata
from medigan_hub.errors import MetadataError, OutputError, listed
from medigan_hub.files import can_be_made, check_replaceable, write_atomically
from medigan_hub.metadata.schemas import excess, faults
from medigan_hub.secrecy import struck
from medigan_hub.terminal import one_line

FILE = "evaluation.json"
SCHEMA = "evaluation.schema.json"
NOTICE = (
    "Figures of synthetic images. They say how far these are from real ones by some features, "
    "and not that they are fit for diagnosis or any other use."
)
MAX_VALUES = 500_000
"""Values, and keys, that a document may hold; a figure has some 40."""
MAX_CHARACTERS = 8000
"""Characters of a line; the schema allows as many."""
MAX_DIGITS = 20
"""Of a whole number: a seed may have as many."""


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

    @property
    def features(self) -> str:
        """What it compares, in words: whose features, prepared how, of which images."""
        words = [self.extractor or "the images themselves"]
        words += ["min-max"] if self.normalize == "minmax" else []
        words += [f"{self.group} alone"] if self.group is not None else []
        return ", ".join(words)

    @property
    def ratio(self) -> float | None:
        """Of the baseline, to the value at as many images; None where there is none."""
        return self.baseline.ratio if self.baseline and self.is_distance else None

    def document(self) -> dict[str, Any]:
        """Return the figure as it stands in ``evaluation.json``."""
        baseline = self.baseline
        return {
            "metric": self.metric,
            "extractor": self.extractor,
            "normalize": self.normalize,
            "value": _finite(self.value),
            "low": _finite(self.low),
            "high": _finite(self.high),
            "better": self.better,
            "ideal": _finite(self.ideal),
            "num_real": self.num_real,
            "num_synthetic": self.num_synthetic,
            "baseline": _finite(baseline.value if baseline else None),
            "baseline_spread": _finite(baseline.spread if baseline else None),
            "baseline_num_images": baseline.num_images if baseline else None,
            "baseline_splits": baseline.splits if baseline else None,
            "compared": _finite(baseline.compared if baseline else None),
            "difference": _finite(baseline.difference if baseline else None),
            "ratio": _finite(self.ratio),
            "biased": self.biased,
            "corrected": self.corrected,
            "groups": self.groups,
            "group": self.group,
            "is_distance": self.is_distance,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Figure:
        """Read a figure of a valid ``evaluation.json``."""
        found = {key: document[key] for key in cls.__dataclass_fields__ if key in document}
        baseline = None
        if document.get("baseline_splits") is not None:
            baseline = Baseline(
                value=_number(document["baseline"]),
                spread=_number(document["baseline_spread"]),
                num_images=document["baseline_num_images"],
                splits=document["baseline_splits"],
                compared=_number(document["compared"]),
            )
        return cls(
            **{
                "ideal": None,
                **found,
                "value": _number(document["value"]),
                "baseline": baseline,
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

    def document(self) -> dict[str, Any]:
        """Return what ``evaluation.json`` holds: JSON alone, without secrets."""
        found: dict[str, Any] = _plain(
            {
                "schema_version": 1,
                "synthetic": True,
                "notice": NOTICE,
                "figures": [figure.document() for figure in self.figures],
                "sets": self.sets,
                "settings": self.settings,
                "extractors": self.extractors,
                "versions": self.versions,
                "notes": self.notes,
            },
            cache(_line),
        )
        return found

    def save(self, path: Path | str) -> Path:
        """Write the evaluation to a file, or to ``evaluation.json`` in a folder; return the file.

        Raises
        ------
        MetadataError
            It holds what can't be read again.
        OutputError
            The file can't be written.
        """
        path = place(path)
        document = self.document()
        _check(document, "the evaluation")
        text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
        try:
            write_atomically(path, f"{text}\n".encode())
        except OSError as error:
            raise OutputError(
                f"{path} can't be written: {error.strerror}; name another file"
            ) from error
        return path

    @classmethod
    def load(cls, path: Path | str) -> Evaluation:
        """Read an evaluation from a file, or from ``evaluation.json`` in a folder.

        Raises
        ------
        MetadataError
            The file can't be read, is not JSON, or does not fit the schema; the message names the
            first faults.
        """
        path = _file(path)
        document = metadata.read(path, digits=MAX_DIGITS)
        _check(document, str(path))
        return cls(
            figures=[Figure.from_document(figure) for figure in document["figures"]],
            settings=document["settings"],
            sets=document["sets"],
            extractors=document["extractors"],
            versions=document["versions"],
            notes=tuple(document["notes"]),
        )


def place(path: Path | str) -> Path:
    """Return where an evaluation is saved: a file, or ``evaluation.json`` in a folder.

    Raises
    ------
    OutputError
        It can't be written there.
    """
    path = _file(path)
    check_replaceable(path)
    if not can_be_made(path):
        raise OutputError(f"{path} can't be written: {path.parent} is no folder of yours")
    return path


def _file(path: Path | str) -> Path:
    path = Path(path)
    return path / FILE if path.is_dir() else path


def _check(document: Any, what: str) -> None:
    too_much = excess(document, MAX_VALUES)
    found = [too_much] if too_much else [fault.words for fault in faults(document, SCHEMA)]
    found = found or list(_contradictions(document))
    if found:
        raise MetadataError(f"{what} is no evaluation that can be read: {listed(found, '; ')}")


def _contradictions(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a schema can't say."""
    for n, figure in enumerate(document["figures"]):
        low, high = figure["low"], figure["high"]
        if (low is None) != (high is None) or (low is not None and low > high):
            yield f"figures[{n}]: low and high are {low} and {high}; they must be numbers that rise"
        told = {figure.get(key) is None for key in ("baseline_num_images", "baseline_splits")}
        if len(told) > 1:
            yield f"figures[{n}]: baseline_num_images and baseline_splits go together"
        if figure["extractor"] is not None and figure["extractor"] not in document["extractors"]:
            yield f"figures[{n}]: nothing is said of the extractor {figure['extractor']}"


def _plain(value: object, line: Callable[[str], str]) -> Any:
    """Return a value as JSON has it; ``line`` is what becomes of texts."""
    if isinstance(value, Mapping):
        return {line(str(key)): _plain(each, line) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each, line) for each in value]
    if isinstance(value, np.generic):
        return _plain(value.item(), line)
    if isinstance(value, (str, Path)):
        return line(str(value))
    return _finite(value) if isinstance(value, float) else value


def _line(text: str) -> str:
    return one_line(struck(text), MAX_CHARACTERS)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _number(value: float | None) -> float:
    return math.nan if value is None else value
