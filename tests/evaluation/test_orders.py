from __future__ import annotations

import numpy as np
import pytest

from medigan_hub.errors import RequestError
from medigan_hub.evaluation.orders import Order, agreement, order
from support.evaluations import evaluation, figure


def judged(value, reach=0.1, **more):
    ends = {} if reach is None else {"low": value - reach, "high": value + reach}
    return evaluation(figure(**{"value": value, "low": None, "high": None, **ends, **more}))


def test_the_better_comes_first_and_models_whose_intervals_overlap_are_undecided():
    found = order({"a": judged(3.0), "b": judged(1.0), "c": judged(1.15)}, "KID", "texture")
    assert found.names == ("b", "c", "a")
    assert found.decided == {("b", "a"), ("c", "a")}
    assert found.num_pairs == 3


@pytest.mark.parametrize(
    ("more", "names"),
    [
        ({"better": "higher", "ideal": None}, ("b", "c", "a")),
        ({"better": "lower", "ideal": None}, ("a", "c", "b")),
        ({"better": None, "ideal": 0.52}, ("c", "a", "b")),
    ],
)
def test_the_direction_is_that_of_the_metric(more, names):
    models = {"a": judged(0.2, **more), "b": judged(0.9, **more), "c": judged(0.5, **more)}
    found = order(models, "KID", "texture")
    assert found.names == names
    assert (names[0], names[2]) in found.decided


def grouped(value, left_out, key="f" * 64, **more):
    """Return an evaluation whose figure has values without each of some groups of even size."""
    made = judged(
        value, 0.5, left_out=tuple(left_out), shares=(1 / len(left_out),) * len(left_out), **more
    )
    return elsewhere(made, groups=key)


def test_the_difference_decides_where_both_are_of_the_same_groups():
    """What real images do to both values falls away: their intervals overlap, and b is better."""
    moves = np.random.default_rng(0).normal(0, 0.05, 20)
    apart = np.random.default_rng(1).normal(0, 0.005, 20)
    one, other = grouped(1.2, 1.2 + moves), grouped(1.0, 1.0 + moves + apart)
    assert order({"a": one, "b": other}, "KID", "texture").decided == {("b", "a")}
    elsewhere_grouped = grouped(1.0, 1.0 + moves + apart, key="0" * 64)
    assert not order({"a": one, "b": elsewhere_grouped}, "KID", "texture").decided
    fewer = grouped(1.0, 1.0 + moves[:10])
    assert not order({"a": one, "b": fewer}, "KID", "texture").decided
    of_files = {"a": judged(1.2, 0.5), "b": judged(1.0, 0.5)}
    assert not order(of_files, "KID", "texture").decided


def test_what_scatters_more_than_it_differs_is_undecided():
    rng = np.random.default_rng(0)
    models = {name: grouped(value, value + rng.normal(0, 0.05, 20)) for name, value in A_AND_B}
    found = order(models, "KID", "texture")
    assert found.decided == frozenset()
    assert found.ranks == {"b": (1, 2), "a": (1, 2)}


A_AND_B = (("a", 1.2), ("b", 1.1))


def test_ranks_are_ranges_between_those_that_are_told_to_be_better_and_worse():
    models = {"a": judged(1.0), "b": judged(1.15), "c": judged(1.3), "d": judged(9), "e": judged(1)}
    found = order(models, "KID", "texture")
    assert found.ranks == {"a": (1, 3), "e": (1, 3), "b": (1, 4), "c": (3, 4), "d": (5, 5)}


def test_a_group_has_an_order_of_its_own():
    def both(whole, part):
        return evaluation(figure(value=whole), figure(value=part, group="benign"))

    models = {"a": both(1, 4), "b": both(2, 3)}
    assert order(models, "KID", "texture").names == ("a", "b")
    assert order(models, "KID", "texture", group="benign").names == ("b", "a")


def test_without_intervals_nothing_is_decided():
    found = order({"a": judged(1, None), "b": judged(9, None)}, "KID", "texture")
    assert (found.names, found.decided) == (("a", "b"), frozenset())


def elsewhere(made, **facts):
    changed = {**made.sets, "real": {**made.sets["real"], **facts}}
    return evaluation(*made.figures, sets=changed)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (judged(1, biased=True), "KID of texture (none) of b is biased, and can't be ranked"),
        (judged(float("nan"), None), "of b is no number"),
        (judged(1, better=None, ideal=None), "has no better direction"),
        (judged(1, extractor="random"), "the evaluation of b has no KID of texture (none)"),
        (judged(1, group="benign"), "the evaluation of b has no KID of texture (none)"),
        (judged(1, normalize="minmax"), "the evaluation of b has no KID of texture (none)"),
        (judged(1, num_synthetic=599), "a and b differ in the number of synthetic images"),
        (elsewhere(judged(1), key="0" * 64), "a and b differ in the real images"),
        (
            evaluation(figure(), settings={"seed": 0, "protocol": "medigan"}),
            "a and b differ in the protocol",
        ),
        (
            evaluation(figure(), extractors={"texture": {"title": "t", "version": "2"}}),
            "a and b differ in the extractor",
        ),
    ],
)
def test_what_can_not_be_ranked_is_refused(other, words):
    with pytest.raises(RequestError) as error:
        order({"a": judged(2), "b": other}, "KID", "texture")
    assert words in str(error.value)


def test_one_model_is_no_order():
    with pytest.raises(RequestError, match="there are 1 models"):
        order({"a": judged(1)}, "KID", "texture")


def ranked(values, decided=()):
    badness = {f"m{n}": float(value) for n, value in enumerate(values)}
    names = sorted(badness, key=badness.get)
    return Order("KID", None, "none", {n: badness[n] for n in names}, frozenset(decided))


@pytest.mark.parametrize("seed", range(4))
def test_correlations_are_those_of_scipy_also_with_ties(seed):
    stats = pytest.importorskip("scipy.stats")
    one, other = np.random.default_rng(seed).integers(0, 6, (2, 9))
    (found,) = agreement({"x": ranked(one), "y": ranked(other)})
    assert found.spearman == pytest.approx(stats.spearmanr(one, other).statistic)
    assert found.kendall == pytest.approx(stats.kendalltau(one, other).statistic)
    assert (found.one, found.other, found.num_models, found.num_pairs) == ("x", "y", 9, 36)


def test_agreement_counts_the_pairs_that_both_orders_decide():
    orders = {
        "x": ranked([1, 2, 3], [("m0", "m1"), ("m0", "m2"), ("m1", "m2")]),
        "y": ranked([2, 1, 3], [("m1", "m0"), ("m1", "m2")]),
        "z": ranked([1, 1, 1]),
    }
    first, second, third = agreement(orders)
    assert (first.decided, first.decided_by_both, first.agreed) == ((3, 2), 2, 1)
    assert (first.spearman, first.kendall) == pytest.approx((0.5, 1 / 3))
    assert (second.one, second.other) == ("x", "z")
    assert (second.spearman, second.kendall, second.decided_by_both) == (None, None, 0)
    assert third.decided == (2, 0)


def test_orders_of_different_models_do_not_compare():
    with pytest.raises(RequestError, match="x and y are of different models; m2 is in one"):
        agreement({"x": ranked([1, 2]), "y": ranked([1, 2, 3])})
