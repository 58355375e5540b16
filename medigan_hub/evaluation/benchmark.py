"""Models side by side: what was found of each against the same real images, and their ranks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from medigan_hub import metadata
from medigan_hub.errors import MetadataError, listed
from medigan_hub.evaluation import orders, results
from medigan_hub.evaluation.documents import MAX_DIGITS, Form, finite
from medigan_hub.evaluation.results import Evaluation, Figure

NOT_YET = "not measured yet"


class Kind(NamedTuple):
    """What keeps figures from being held against each other: of one kind they may be."""

    metric: str
    extractor: str | None
    normalize: str

    @classmethod
    def of(cls, figure: Figure) -> Kind:
        """Return the kind of a figure."""
        return cls(figure.metric, figure.extractor, figure.normalize)


@dataclass(frozen=True)
class Rank:
    """What a model has by one metric, and the places that it may have."""

    model: str
    metric: str
    extractor: str | None
    normalize: str
    value: float
    low: float | None
    """Of the interval of 95 %; None where there is none."""
    high: float | None
    rank_low: int | None
    """1, and one more for each model that is told to be better; None where there is no order."""
    rank_high: int | None
    """The number of models, less those that are told to be worse."""

    def document(self) -> dict[str, Any]:
        """Return it as it stands in ``benchmark.json``."""
        return {**vars(self), **{key: finite(vars(self)[key]) for key in ("value", "low", "high")}}


@dataclass(frozen=True)
class Benchmark:
    """Evaluations of several models, against the same real images and with as many images."""

    evaluations: Mapping[str, Evaluation]
    """By the name of the model, or the folder of its images, in the order that was asked for."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """By its name, why a model has none."""
    notes: tuple[str, ...] = ()
    """What is to be known with the figures, in words."""

    @property
    def is_complete(self) -> bool:
        """Whether all models were measured."""
        return not self.missing

    @cached_property
    def ranks(self) -> list[Rank]:
        """Every figure of every model with its places: those of one kind together, the best first.

        There are no places where there is no better direction, or where figures are biased or no
        numbers.

        Raises
        ------
        RequestError
            The evaluations were not made alike.
        """
        return [
            Rank(name, *kind, figure.value, figure.low, figure.high, *places)
            for kind in self.kinds
            for name, figure, places in self._placed(kind)
        ]

    @property
    def kinds(self) -> list[Kind]:
        """The kinds of the figures, in their order."""
        every = (figure for each in self.evaluations.values() for figure in each.figures)
        return list(dict.fromkeys(Kind.of(each) for each in every if each.group is None))

    def _placed(self, kind: Kind) -> Iterator[tuple[str, Figure, tuple[int | None, int | None]]]:
        figures = {
            name: figure
            for name, evaluation in self.evaluations.items()
            for figure in evaluation.figures
            if figure.group is None and Kind.of(figure) == kind
        }
        sound = {
            name: self.evaluations[name] for name, each in figures.items() if each.can_be_ranked
        }
        ranks = orders.order(sound, *kind).ranks if len(sound) > 1 else {}
        for name, places in ranks.items():
            yield name, figures[name], places
        for name, figure in figures.items():
            if name not in ranks:
                yield name, figure, (None, None)

    def document(self) -> dict[str, Any]:
        """Return what ``benchmark.json`` holds: JSON alone, without secrets."""
        return FORM.plain(
            {
                "schema_version": 1,
                "synthetic": True,
                "notice": results.NOTICE,
                "complete": self.is_complete,
                "ranks": [each.document() for each in self.ranks],
                "evaluations": {
                    name: each.document(is_whole=True) for name, each in self.evaluations.items()
                },
                "missing": self.missing,
                "notes": self.notes,
            }
        )

    def save(self, path: Path | str) -> Path:
        """Write it to a file, or to ``benchmark.json`` in a folder; return the file.

        Raises
        ------
        MetadataError
            It holds what can't be read again.
        OutputError
            The file can't be written.
        """
        return FORM.save(self.document(), path)

    @classmethod
    def load(cls, path: Path | str) -> Benchmark:
        """Read it from a file, or from ``benchmark.json`` in a folder.

        Raises
        ------
        MetadataError
            The file can't be read, is not JSON, or does not fit the schema; the message names the
            first faults.
        """
        document = FORM.load(path)
        return cls(
            {name: Evaluation.from_document(of) for name, of in document["evaluations"].items()},
            document["missing"],
            tuple(document["notes"]),
        )


def evaluations(path: Path | str) -> dict[str, Evaluation]:
    """Return what a benchmark or an evaluation holds, by the name of the model.

    Parameters
    ----------
    path
        A file of either, or a folder with one.

    Raises
    ------
    MetadataError
        It is neither, or can't be read.
    """
    path = Path(path)
    if path.is_dir():
        path /= FORM.file if (path / FORM.file).exists() else results.FILE
    document = metadata.read(path, digits=MAX_DIGITS)
    if isinstance(document, dict) and "evaluations" in document:
        return dict(Benchmark.load(path).evaluations)
    if not isinstance(document, dict) or "figures" not in document:
        raise MetadataError(
            f"{path} is neither a benchmark nor an evaluation; name a benchmark.json, or make one "
            "with medigan benchmark"
        )
    found = Evaluation.load(path)
    return {found.model or str(found.sets["synthetic"]["title"]): found}


def _contradictions(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a schema can't say."""
    known = document["evaluations"]
    for name, each in known.items():
        for words in results.contradictions(each):
            yield f"evaluations.{name}: {words}"
    alike = [(of["settings"], of["extractors"], of["sets"]["real"]["key"]) for of in known.values()]
    odd = [name for name, each in zip(known, alike, strict=True) if each != alike[0]]
    if odd:
        yield f"{listed(odd)} and {next(iter(known))} were not measured alike"
    if document["complete"] == bool(document["missing"]):
        yield "complete: it must be true where nothing is missing, and else false"
    both = [name for name in known if name in document["missing"]]
    if both:
        yield f"{listed(both)}: it is measured and missing at once"
    strange = {each["model"] for each in document["ranks"]} - set(known)
    if strange:
        yield f"ranks: there is no evaluation of {listed(sorted(strange))}"


FORM = Form("benchmark", _contradictions)
"""How a benchmark is saved."""
