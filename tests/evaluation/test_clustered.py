from __future__ import annotations

import numpy as np
import pytest

from medigan_hub.evaluation.clustered import Mean

stats = pytest.importorskip("scipy.stats")


def test_values_that_stand_alone_have_the_usual_interval():
    values = np.random.default_rng(0).normal(3, 2, 25)
    found = Mean.of(values, [str(n) for n in range(25)])
    low, high = stats.t.interval(0.95, 24, values.mean(), stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-9)
    assert found.deviation == pytest.approx(values.std(ddof=1))
    assert found.median == np.median(values)


def test_the_interval_holds_the_truth_where_images_of_a_patient_are_alike():
    rng = np.random.default_rng(0)
    sizes = [3, 4, 5, 6] * 6
    groups = [str(n) for n, size in enumerate(sizes) for _ in range(size)]
    alone = [str(n) for n in range(len(groups))]
    held = dict.fromkeys(("by patient", "by image"), 0)
    for _ in range(300):
        patients = np.repeat(rng.normal(size=len(sizes)), sizes)
        values = patients + rng.normal(0, 0.5, len(groups))
        for name, each in (("by patient", groups), ("by image", alone)):
            found = Mean.of(values, each)
            held[name] += found.low < 0 < found.high
    assert held["by patient"] >= 0.9 * 300
    assert held["by image"] < 0.8 * 300


def test_no_end_lies_beyond_the_bounds():
    found = Mean.of([1.0, 1.0, 0.9, 0.2], list("abcd"), (0.0, 1.0))
    assert found.high == 1.0
    assert 0 <= found.low < found.value


def test_two_groups_make_no_interval():
    found = Mean.of([1.0, 2.0, 3.0, 4.0], list("aabb"))
    assert (found.low, found.high, found.groups) == (None, None, 2)
