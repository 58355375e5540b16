from __future__ import annotations

import importlib.util
import sys

import numpy as np
import pytest

from medigan_hub.errors import RequestError
from medigan_hub.evaluation import metrics
from medigan_hub.evaluation.intervals import difference, groups, jackknife
from medigan_hub.evaluation.metrics import Groups, Metric
from support import ROOT
from support.features import pair


class Mean(Metric):
    """The mean of the synthetic features, plus a bias that falls with their number."""

    name, title, source = "mean", "a mean", "tests"
    is_of_one_set = True

    def __init__(self, bias=0.0, *, is_corrected=False, limits=(-np.inf, np.inf)):
        self.bias, self.is_corrected, self.limits = bias, is_corrected, limits

    def __call__(self, real, synthetic):
        return float(synthetic.mean() + self.bias / len(synthetic))


@pytest.fixture
def simulation(monkeypatch):
    path = ROOT / "benchmarks" / "intervals.py"
    spec = importlib.util.spec_from_file_location("benchmark_of_intervals", path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def words(number, size):
    return [f"patient {n // size}" for n in range(number)]


def alone(real, synthetic):
    return groups([""] * len(real), [""] * len(synthetic))


def test_groups_are_of_even_size_and_random_but_fixed():
    found, again = groups([""] * 100, [""] * 45), groups([""] * 100, [""] * 45)
    assert found.count == 20
    assert set(np.bincount(found.real)) == {5}
    assert set(np.bincount(found.synthetic)) == {2, 3}
    np.testing.assert_array_equal(found.real, again.real)
    assert (found.real != np.sort(found.real)).any()
    assert (found.real != groups([""] * 100, [""] * 45, seed=1).real).any()


def test_patients_stay_together_and_decide_how_many_groups_there_are():
    real = [*words(60, 4), "large"] + ["large"] * 9
    synthetic = [f"volunteer {n // 4}" for n in range(28)]
    found = groups(real, synthetic)
    assert found.count == 7
    for each, of in ((real, found.real), (synthetic, found.synthetic)):
        assert len({(word, group) for word, group in zip(each, of, strict=True)}) == len(set(each))
        assert set(of) == set(range(7))
    assert max(np.bincount(found.real)) <= 12


def test_a_patient_of_both_sets_is_left_out_of_both():
    real, synthetic = words(40, 4), words(20, 2)[::-1]
    found = groups(real, synthetic, count=5)
    places = dict(zip(real, found.real, strict=True))
    assert [places[word] for word in synthetic] == found.synthetic.tolist()


def test_groups_of_real_images_do_not_depend_on_the_synthetic_ones():
    real = words(120, 2)
    sets = ([""] * 30, words(90, 1), [*words(40, 2), *[""] * 50], [*["patient 3"] * 50, *[""] * 40])
    wanted = groups(real, sets[0]).real
    for synthetic in sets:
        found = groups(real, synthetic)
        assert (found.count, found.real.tolist()) == (20, wanted.tolist())
        assert set(found.synthetic) == set(range(20))
    few = groups(real, words(10, 1))  # which lie where the real images put them
    assert set(few.synthetic) == set(range(few.count))
    assert 3 <= few.count < 10
    assert few.real.tolist() == groups(real, [""] * few.count).real.tolist()


@pytest.mark.parametrize(
    ("real", "wishes", "message"),
    [
        ([], {}, "a set has no images"),
        (["a"], {"count": 0}, "the number of groups is 0"),
        (["a"], {"seed": -1}, "the seed is -1"),
    ],
)
def test_what_makes_no_groups_is_refused(real, wishes, message):
    with pytest.raises(RequestError, match=message):
        groups(real, ["b"], **wishes)


def test_of_a_mean_the_interval_is_students():
    values = np.random.default_rng(0).normal(3, 2, (20, 1))
    found = jackknife(Mean(), values, values, alone(values, values))
    reach = 2.093024 * values.std(ddof=1) / np.sqrt(20)  # t at 97.5 %, 19 degrees of freedom
    assert (found.value, found.count, found.corrected) == (pytest.approx(values.mean()), 20, False)
    assert found.low == pytest.approx(found.value - reach)
    assert found.high == pytest.approx(found.value + reach)


@pytest.mark.parametrize("size", [1, 7])
def test_a_bias_that_falls_with_the_number_is_taken_away_for_groups_of_any_size(size):
    values = np.random.default_rng(0).normal(3, 2, (60, 1))
    of = groups(words(60, size), [*words(50, size), *["large"] * 10])
    found = jackknife(Mean(30, is_corrected=True), values, values, of)
    assert found.corrected
    assert found.value == pytest.approx(values.mean())
    plain = jackknife(Mean(30), values, values, of)
    assert plain.value == pytest.approx(values.mean() + 0.5)
    assert plain.high - plain.value == pytest.approx(found.high - found.value)


def test_no_end_lies_beyond_what_can_be():
    values = np.array([[1.0]] * 19 + [[0.0]])
    found = jackknife(Mean(limits=(0, 1)), values, values, alone(values, values))
    assert (found.value, found.high) == (pytest.approx(0.95), 1)
    assert 0 < found.low < 0.95


@pytest.mark.parametrize(
    ("name", "number", "count", "length"),
    [
        ("KID", 30, 2, 3),  # too few groups
        ("coverage", 7, 3, 3),  # too few images without a group
        ("FD", 30, 20, 13),  # biased beyond correction
    ],
)
def test_where_an_interval_would_say_nothing_there_is_none(name, number, count, length):
    real, synthetic = pair(number, number, length)
    of = groups([""] * number, [""] * number, count=count)
    found = jackknife(metrics.find(name), real, synthetic, of)
    assert found.value == metrics.find(name)(real, synthetic)
    assert (found.low, found.high, found.corrected, found.count) == (None, None, False, 0)


def test_what_is_the_same_without_each_group_has_no_interval():
    real = pair()[0]
    copies = groups(words(90, 1), words(60, 1))
    found = jackknife(metrics.find("precision"), real, real[:60], copies)
    assert (found.value, found.low, found.high) == (1, None, None)


def test_features_and_groups_that_do_not_fit_are_refused():
    real, synthetic = pair()
    few = Groups(np.zeros(3, int), np.zeros(3, int), 1)
    with pytest.raises(RequestError, match="groups of 3 real and 3 synthetic images are no"):
        jackknife(metrics.find("FD"), real, synthetic, few)
    real[5, 0] = np.nan
    with pytest.raises(RequestError, match="a feature of real image 5 is no number"):
        jackknife(metrics.find("FD"), real, synthetic, alone(real, synthetic))


def test_intervals_hold_the_truth_about_as_often_as_they_say(simulation):
    """The same simulation, larger, is ``benchmarks/intervals.py``."""
    names = ("FD", "KID", "density", "coverage")
    rows = {row.name: row for row in simulation.simulate(simulation.Case(8, 100), names, 60)}
    assert all(0.85 <= row.held <= 1 for row in rows.values())
    assert rows["FD"].plain > 1.5 * rows["FD"].truth
    assert rows["FD"].given == pytest.approx(rows["FD"].truth, rel=0.15)
    assert rows["KID"].plain == pytest.approx(rows["KID"].truth, rel=0.15)


@pytest.mark.parametrize("is_corrected", [False, True])
def test_of_two_means_the_interval_of_the_difference_is_students(is_corrected):
    rng = np.random.default_rng(0)
    one, other = rng.normal(3, 2, (2, 20, 1))
    metric = Mean(30, is_corrected=is_corrected)
    found = [jackknife(metric, one, each, alone(one, each)) for each in (one, other)]
    at = [np.argsort(alone(one, each).synthetic) for each in (one, other)]
    paired = (one[at[0]] - other[at[1]]).ravel()
    reach = 2.093024 * paired.std(ddof=1) / np.sqrt(20)
    assert difference(*found) == pytest.approx((paired.mean() - reach, paired.mean() + reach))
    low, high = difference(*reversed(found))
    assert (-high, -low) == pytest.approx(difference(*found))


def test_there_is_no_interval_of_a_difference_that_does_not_vary():
    values = np.random.default_rng(0).normal(3, 2, (40, 1))
    one, other = (jackknife(Mean(bias), values, values, alone(values, values)) for bias in (0, 0))
    assert difference(one, other) is None
    fewer = groups([""] * 40, [""] * 40, count=10)
    assert difference(one, jackknife(Mean(), values, values, fewer)) is None
    without = jackknife(Mean(), values, np.ones((40, 1)), alone(values, values))
    assert (without.low, difference(one, without)) == (None, None)


def test_intervals_of_differences_hold_the_truth_and_are_narrower_than_two_apart(simulation):
    """The same simulation, larger, is ``benchmarks/intervals.py --differences``."""
    rows = {each.name: each for each in simulation.differences(simulation.Case(8, 100), runs=60)}
    assert all(0.88 <= row.held <= 1 for row in rows.values())
    assert all(row.alike <= 0.12 for row in rows.values())
    assert all(row.decided > row.apart + 0.1 for row in rows.values())
