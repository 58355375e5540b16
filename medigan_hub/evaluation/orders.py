"""Which of several models comes first by a figure, and whether figures agree on that.

Two models are told apart by a figure where the interval of 95 % of the difference does not hold 0;
both are held against the same real images, so that it is narrower than their own intervals
suggest. That takes the values without each group in turn. Where these are not there, as in a saved
evaluation, two are told apart where their own intervals don't overlap, which is stricter. What is
not told apart is left undecided. Each pair is judged by itself: of many pairs of equal models,
about one in twenty is told apart by chance.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from medigan_hub.errors import RequestError, listed
from medigan_hub.evaluation import intervals
from medigan_hub.evaluation.results import Evaluation, Figure


@dataclass(frozen=True)
class Order:
    """Models in the order that one figure gives."""

    metric: str
    extractor: str | None
    normalize: str
    badness: Mapping[str, float]
    """By the model's name, the best first: how bad its value is. Only the order of these numbers
    means something."""
    decided: frozenset[tuple[str, str]]
    """Pairs of a better and a worse model that are told apart."""

    @property
    def ranks(self) -> Mapping[str, tuple[int, int]]:
        """By the model's name, the first and the last place that it may have, 1 for the best.

        All are before it that are told to be better, and after it that are told to be worse.
        """
        better = Counter(worse for _, worse in self.decided)
        worse = Counter(better for better, _ in self.decided)
        return {name: (1 + better[name], len(self.badness) - worse[name]) for name in self.names}

    @property
    def names(self) -> tuple[str, ...]:
        """The models, the best first."""
        return tuple(self.badness)

    @property
    def num_pairs(self) -> int:
        """Pairs of models that there are."""
        return math.comb(len(self.badness), 2)


@dataclass(frozen=True)
class Agreement:
    """How far two orders of the same models agree."""

    one: str
    other: str
    num_models: int
    spearman: float | None
    """Rank correlation, -1 to 1; None where an order has all models on one place."""
    kendall: float | None
    """Tau-b, -1 to 1: pairs in the same order less those in the opposite one; None likewise."""
    num_pairs: int
    decided: tuple[int, int]
    """Pairs that each of the two orders decides."""
    decided_by_both: int
    agreed: int
    """Pairs that both decide, and in the same way."""


def order(
    evaluations: Mapping[str, Evaluation],
    metric: str,
    extractor: str | None,
    normalize: str = "none",
    group: str | None = None,
) -> Order:
    """Return the order that a figure gives to several models; of all images, or a group of them.

    Parameters
    ----------
    evaluations
        By the model's name; all against the same real images, by the same features, with as many
        synthetic images.

    Raises
    ------
    RequestError
        There are fewer than two models; one lacks the figure, or its figure is biased, no number
        or has no better direction; or the figures were not made alike.
    """
    if len(evaluations) < 2:
        raise RequestError(f"there are {len(evaluations)} models; an order needs two or more")
    figures = {
        name: _figure(name, evaluation, (metric, extractor, normalize, group))
        for name, evaluation in evaluations.items()
    }
    _check_alike(evaluations, figures, extractor)
    worth = {name: _badness(figure, figure.value) for name, figure in figures.items()}
    names = sorted(worth, key=lambda name: worth[name])
    keys = {name: each.sets["real"].get("groups") for name, each in evaluations.items()}

    def is_decided(better: str, worse: str) -> bool:
        one, other = figures[better], figures[worse]
        if keys[better] is not None and keys[better] == keys[worse] and _are_grouped(one, other):
            found = intervals.difference(one.estimate, other.estimate)
            return found is not None and not found[0] <= 0 <= found[1]
        return _reach(one)[1] < _reach(other)[0]

    return Order(
        metric,
        extractor,
        normalize,
        {name: worth[name] for name in names},
        frozenset(
            (better, worse)
            for better, worse in combinations(names, 2)
            if worth[better] < worth[worse] and is_decided(better, worse)
        ),
    )


def agreement(orders: Mapping[str, Order]) -> list[Agreement]:
    """Return how far orders of the same models agree, each with each.

    Ties share the mean of their ranks. Sources: Spearman (1904), "The proof and measurement of
    association between two things", doi:10.2307/1412159; Kendall (1945), "The treatment of ties
    in ranking problems", doi:10.1093/biomet/33.3.239 (tau-b).

    Parameters
    ----------
    orders
        By a name for each, such as that of its extractor.

    Raises
    ------
    RequestError
        Two orders are of different models.
    """
    found = []
    for (one, first), (other, second) in combinations(orders.items(), 2):
        odd = sorted(set(first.names) ^ set(second.names))
        if odd:
            raise RequestError(
                f"the orders {one} and {other} are of different models; {listed(odd)} "
                "is in one of them alone"
            )
        values = [
            np.array([each.badness[name] for name in first.names]) for each in (first, second)
        ]
        ranks = [_ranks(each) for each in values]
        signs = [np.sign(each[:, None] - each).ravel() for each in values]
        backwards = {(worse, better) for better, worse in second.decided}
        agreed = len(first.decided & second.decided)
        found.append(
            Agreement(
                one,
                other,
                len(first.names),
                _correlation(*(each - each.mean() for each in ranks)),
                _correlation(*signs),
                first.num_pairs,
                (len(first.decided), len(second.decided)),
                agreed + len(first.decided & backwards),
                agreed,
            )
        )
    return found


def _badness(figure: Figure, value: float) -> float:
    if figure.better is None:
        return abs(value - (figure.ideal or 0.0))
    return -value if figure.better == "higher" else value


def _figure(
    name: str, evaluation: Evaluation, wanted: tuple[str, str | None, str, str | None]
) -> Figure:
    metric, extractor, normalize, group = wanted
    of = normalize if group is None else f"{normalize}, {group} alone"
    what = f"{metric} of {extractor or 'images'} ({of})"
    for figure in evaluation.figures:
        if (figure.metric, figure.extractor, figure.normalize, figure.group) != wanted:
            continue
        if figure.biased:
            raise RequestError(
                f"{what} of {name} is biased, and can't be ranked; evaluate more images"
            )
        if figure.better is None and figure.ideal is None:
            raise RequestError(f"{what} has no better direction, and can't be ranked")
        if not math.isfinite(figure.value):
            raise RequestError(f"{what} of {name} is no number, and can't be ranked")
        return figure
    raise RequestError(f"the evaluation of {name} has no {what}; evaluate it with that")


def _check_alike(
    evaluations: Mapping[str, Evaluation], figures: Mapping[str, Figure], extractor: str | None
) -> None:
    """Refuse figures that differ for another reason than their models."""
    first = next(iter(evaluations))
    for name, evaluation in evaluations.items():
        for what, one, other in zip(
            ("real images", "protocol", "extractor", "number of synthetic images"),
            _conditions(evaluation, figures[name], extractor),
            _conditions(evaluations[first], figures[first], extractor),
            strict=True,
        ):
            if one != other:
                raise RequestError(
                    f"{first} and {name} differ in the {what}, and not in the model alone; "
                    "evaluate both in the same way"
                )


def _conditions(
    evaluation: Evaluation, figure: Figure, extractor: str | None
) -> tuple[object, ...]:
    features = {} if extractor is None else evaluation.extractors[extractor]
    return (
        evaluation.sets["real"]["key"],
        evaluation.settings.get("protocol"),
        (features.get("version"), features.get("weights")),
        figure.num_synthetic,
    )


def _are_grouped(one: Figure, other: Figure) -> bool:
    """Tell whether two figures have values without each group, whose difference means something.

    Of a figure that is best in the middle it does not.
    """
    return one.better is not None and 0 < len(one.left_out) == len(other.left_out)


def _reach(figure: Figure) -> tuple[float, float]:
    """Return the least and the greatest badness within a figure's interval."""
    if figure.low is None or figure.high is None:
        return -math.inf, math.inf
    ends = sorted(_badness(figure, end) for end in (figure.low, figure.high))
    if figure.better is None and figure.low <= (figure.ideal or 0.0) <= figure.high:
        ends[0] = 0.0
    return ends[0], ends[1]


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return the place of each value, 1 for the least; equal ones share the mean of theirs."""
    below = (values[:, None] > values).sum(axis=1)
    equal = (values[:, None] == values).sum(axis=1)
    return np.asarray(below + (equal + 1) / 2)


def _correlation(one: np.ndarray, other: np.ndarray) -> float | None:
    scale = math.sqrt(float((one**2).sum() * (other**2).sum()))
    return float((one * other).sum()) / scale if scale else None
