"""Ranking models by what a benchmark measured, and by nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from medigan_hub.errors import RequestError, listed, shortened
from medigan_hub.search.ranking import Metric, metric_key

if TYPE_CHECKING:
    from medigan_hub.evaluation.results import Figure


class _Measured(NamedTuple):
    title: str
    model: str
    """Empty where it is not known."""
    figure: Figure


def measured(path: str | Path, name: str, rows: Mapping[str, int]) -> tuple[Metric, list[str]]:
    """Return the figures that a file has of a metric, and what is to be known with them.

    Parameters
    ----------
    path
        A benchmark or an evaluation, or a folder with one.
    name
        The metric, with its features where the file has it of several: ``KID.texture.minmax``.
    rows
        The places of the models, by their names.

    Raises
    ------
    MetadataError
        The file is neither, or can't be read.
    RequestError
        It has no such figure, several, or none that can be put in an order.
    """
    figures = _figures(path)
    key = metric_key(name)
    found = [each for each in figures if metric_key(each) == key]
    found = found or [each for each in figures if metric_key(_metric(figures[each])) == key]
    if not found:
        raise RequestError(
            f"{path} has no figure {shortened(name)!r}; it has {listed(figures, most=40)}"
        )
    if len(found) > 1:
        raise RequestError(
            f"{path} has several figures of {shortened(name)!r}; name one of {listed(found)}"
        )
    whole = found[0]
    sound = [each for each in figures[whole] if each.figure.can_be_ranked]
    if not sound:
        raise RequestError(
            f"{whole} of {path} can't be ranked: it is biased with so few images, no number, or "
            "neither direction is better; name another"
        )
    values: dict[int, list[float]] = {}
    for each in sound:
        if each.model in rows:
            values.setdefault(rows[each.model], []).append(each.figure.value)
    first = sound[0].figure
    return (
        Metric(whole, first.better, None if first.better else first.ideal, values),
        [*_notes(path, whole, sound, rows)],
    )


def _figures(path: str | Path) -> dict[str, list[_Measured]]:
    """Return the figures in a file, by what tells them from others of the same model."""
    from medigan_hub.evaluation import benchmark
    from medigan_hub.evaluation.performance import metric_name

    found: dict[str, list[_Measured]] = {}
    for title, evaluation in benchmark.evaluations(path).items():
        protocol = str(evaluation.settings.get("protocol", "hub"))
        for figure in evaluation.figures:
            if figure.group is None:
                measured = _Measured(title, evaluation.model or "", figure)
                found.setdefault(metric_name(figure, protocol), []).append(measured)
    return found


def _metric(measured: list[_Measured]) -> str:
    return measured[0].figure.metric


def _notes(
    path: str | Path, name: str, sound: list[_Measured], rows: Mapping[str, int]
) -> list[str]:
    notes = []
    models: dict[str, list[str]] = {}
    for each in sound:
        if each.model in rows:
            models.setdefault(each.model, []).append(each.title)
    for model, titles in models.items():
        if len(titles) > 1:
            notes.append(
                f"{path} has {name} of {model} {len(titles)} times ({listed(titles)}); the value "
                "that comes first counts"
            )
    strange = [each.title for each in sound if each.model not in rows]
    if strange:
        notes.append(f"{listed(strange)} in {path}: no model that is known here, and left out")
    return notes
