"""A benchmark as a table, for people: a row a model, a column a metric, and how to read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from medigan_hub.errors import listed
from medigan_hub.evaluation.benchmark import Benchmark, Kind, Rank
from medigan_hub.evaluation.digits import places, shown
from medigan_hub.evaluation.results import Figure
from medigan_hub.evaluation.table import LEAD, directions
from medigan_hub.terminal import text

if TYPE_CHECKING:
    from rich.console import RenderableType

WIDTH = 100
"""Characters of a line; further metrics have rows of their own."""
GAP = 2


def table(found: Benchmark) -> RenderableType:
    """Return a benchmark to be printed: its figures with places, and how to read them."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.table import Table

    parts: list[RenderableType] = [text(about(found))]
    names = order(found)
    for features, kinds in groupby(found.kinds, lambda kind: kind[1:]):
        columns = {kind.metric: _column(found, kind, names) for kind in kinds}
        figure = _figure(found, names, Kind(next(iter(columns)), *features))
        parts.append(text(f"\n{figure.features if figure else features[0]}", style="bold"))
        for some in _fitting(columns, names):
            grid = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0))
            grid.add_column("model", overflow="fold")
            for metric in some:
                grid.add_column(metric, no_wrap=True)
            for n, name in enumerate(names):
                grid.add_row(text(name), *(text(columns[metric][n]) for metric in some))
            parts.append(Padding(grid, (0, 0, 1, GAP)))
    return Group(*parts, *map(text, reading(found)))


def about(found: Benchmark) -> str:
    """Return what was held against what, on one line."""
    if not found.evaluations:
        return "No model was measured."
    sets = next(iter(found.evaluations.values())).sets
    models = len(found.evaluations)
    return (
        f"{models} model{'' if models == 1 else 's'}, {sets['synthetic']['num_images']} synthetic "
        f"images each, against {sets['real']['num_images']} real ones ({sets['real']['title']})."
    )


def order(found: Benchmark) -> list[str]:
    """Return the models in the order of the leading figure; last those that were not measured."""
    ranked = [each for each in found.ranks if each.rank_low is not None]
    lead = next((each for each in ranked if each.metric == LEAD), next(iter(ranked), None))
    kind = None if lead is None else _kind(lead)
    first = [each.model for each in ranked if _kind(each) == kind]
    return list(dict.fromkeys([*first, *found.evaluations, *found.missing]))


def reading(found: Benchmark) -> Iterator[str]:
    """Yield what is to be known to read the figures, a line each."""
    figures = [each for of in found.evaluations.values() for each in of.figures]
    ranks = found.ranks
    if any(each.rank_low is not None for each in ranks):
        yield (
            "Below a value stands its interval of 95 %, and beside it the place of the model: 1-2 "
            "is the first or the second. Two models are told apart where the interval of 95 % of "
            "their difference does not hold 0; of twenty pairs of equal models, about one is, by "
            "chance."
        )
    yield from directions(figures)
    without = dict.fromkeys(
        _kind(each).metric for each in ranks if each.rank_low is None and len(found.evaluations) > 1
    )
    if without:
        yield (
            f"{listed(without)} without a place: biased with so few images, no number, or neither "
            "direction is better."
        )
    if any(each.rank_low is not None and each.low is None for each in ranks):
        yield "A value without an interval is told from no other."
    if len({(each.extractor, each.normalize) for each in ranks}) > 1:
        yield "Values of different features can't be held against each other."
    yield from dict.fromkeys(
        (*found.notes, *(note for each in found.evaluations.values() for note in each.notes))
    )
    for name, reason in found.missing.items():
        yield f"{name} is missing: {reason}"


def _kind(rank: Rank) -> Kind:
    return Kind(rank.metric, rank.extractor, rank.normalize)


def _figure(found: Benchmark, names: Sequence[str], kind: Kind) -> Figure | None:
    """Return the figure of the first of some models that has it."""
    figures = (each for name in names if name in found.evaluations for each in _of(found, name))
    return next((each for each in figures if Kind.of(each) == kind), None)


def _of(found: Benchmark, name: str) -> list[Figure]:
    return [each for each in found.evaluations[name].figures if each.group is None]


def _column(found: Benchmark, kind: Kind, names: Sequence[str]) -> list[str]:
    """Return the cells of a metric: value and place, and the interval below."""
    ranks = {each.model: each for each in found.ranks if _kind(each) == kind}
    cells = []
    for name in names:
        figure = _figure(found, [name], kind)
        if figure is None:
            cells.append("-")
            continue
        digits, rank = places(figure), ranks[name]
        value = shown(figure.value, digits)
        if rank.rank_low is not None:
            one = rank.rank_low == rank.rank_high
            value += f"  {rank.rank_low}" if one else f"  {rank.rank_low}-{rank.rank_high}"
        interval = "-" if figure.low is None else f"{shown(figure.low, digits)} to "
        interval += "" if figure.high is None else shown(figure.high, digits)
        cells.append(f"{value}\n{'biased' if figure.biased else interval}")
    return cells


def _fitting(columns: dict[str, list[str]], names: Sequence[str]) -> Iterator[list[str]]:
    """Yield the metrics a few at a time, so that their columns fit beside the names."""
    room = WIDTH - GAP - max(map(len, names))
    some: list[str] = []
    left = room
    for metric, cells in columns.items():
        width = GAP + max(len(line) for cell in (metric, *cells) for line in cell.split("\n"))
        if some and width > left:
            yield some
            some, left = [], room
        some.append(metric)
        left -= width
    yield some
