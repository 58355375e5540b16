"""Sorting models by how they scored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medigan_hub.errors import RequestError, listed
from medigan_hub.metadata import ModelMetadata

ORDERS = ("asc", "desc")
CONDITIONS = {
    "reference": "real images",
    "extractor": "extractor",
    "normalized": "normalisation",
    "num_images": "number of images",
    "protocol": "protocol",
}
"""What figures must share to be an order of models alone, in words."""
SHOWN = 3
"""Values of one that are named."""


@dataclass(frozen=True)
class Metric:
    """How some models scored by one metric."""

    name: str
    better: str | None
    """``lower``, ``higher``, or None where the documents name no direction."""
    ideal: float | None
    """The best value where it lies between others."""
    values: Mapping[int, Sequence[float]]
    """By the model's place among the models; several where several were reported."""
    reported: Sequence[tuple[int, Mapping[str, Any]]] = ()
    """The figures that the values are of, as documents have them, with the models' places."""

    def caution(self, rows: Sequence[int]) -> str | None:
        """Return in one line why the order of these models is not one of the models alone.

        None where their figures were made alike, or there are no two to be put in an order.
        """
        chosen = {*rows}
        figures = [figure for row, figure in self.reported if row in chosen]
        if len({row for row, _ in self.reported if row in chosen}) < 2:
            return None
        differ, unknown = [], []
        for key, words in CONDITIONS.items():
            told = [figure.get(key) for figure in figures]
            values = [each for each in dict.fromkeys(told) if each is not None]
            if len(values) > 1:
                differ.append(f"{words} ({listed(values, most=SHOWN, length=60)})")
            elif None in told:
                unknown.append(words)
        if not differ and not unknown:
            return None
        parts = [f"differ in {listed(differ)}"] if differ else []
        parts += [f"don't all say their {listed(unknown, ' and ')}"] if unknown else []
        return (
            f"the figures of {self.name} {', and '.join(parts)}: this is no order of the models "
            "alone; to measure models side by side: medigan benchmark"
        )

    def key(self, order: str | None) -> Callable[[float], float]:
        """Return the key by which values are sorted; without an order, the better first.

        Raises
        ------
        RequestError
            There is no such order, or none was given and the metric has no
            better direction.
        """
        if order is not None and order.lower() not in ORDERS:
            raise RequestError(f"there is no order {order!r}; use {' or '.join(ORDERS)}")
        if order is None and self.ideal is not None:
            ideal = self.ideal
            return lambda value: abs(value - ideal)
        if order is None and self.better is None:
            raise RequestError(f"{self.name} has no better direction; name an order: asc or desc")
        falling = order.lower() == "desc" if order else self.better == "higher"
        return lambda value: -value if falling else value

    def rank(self, rows: Sequence[int], order: str | None) -> tuple[list[int], dict[int, float]]:
        """Return the models in order, and the value of each that has one.

        Of several values of a model the one that comes first counts. Models
        without a value keep their order after the others.
        """
        key = self.key(order)
        scored = [row for row in rows if row in self.values]
        values = {row: min(self.values[row], key=key) for row in scored}
        scored.sort(key=lambda row: key(values[row]))
        return scored + [row for row in rows if row not in values], values


def metrics(models: Sequence[ModelMetadata]) -> dict[str, Metric]:
    """Return every metric by which a model scored, by what ``metric_key`` makes of its name.

    Figures of some of the images alone are left out: others' are of all.
    """
    figures: dict[str, list[tuple[int, Mapping[str, Any]]]] = {}
    for row, model in enumerate(models):
        for figure in model.document.get("performance", ()):
            if "group" in figure:
                continue
            figures.setdefault(metric_key(figure["metric"]), []).append((row, figure))
    found = {}
    for key, reported in figures.items():
        values: dict[int, list[float]] = {}
        for row, figure in reported:
            values.setdefault(row, []).append(figure["value"])
        found[key] = Metric(
            name=reported[0][1]["metric"],
            better=next((f["better"] for _, f in reported if f.get("better")), None),
            ideal=next((f["ideal"] for _, f in reported if "ideal" in f), None),
            values=values,
            reported=reported,
        )
    return found


def metric_key(name: str) -> str:
    """Return what is the same for all ways to write a metric's name, medigan's among them.

    >>> metric_key("downstream_task.SEG.trained_on_real.Dice")
    'seg.trained_on_real.dice'
    """
    return name.strip().casefold().removeprefix("performance.").removeprefix("downstream_task.")
