from __future__ import annotations

import numpy as np
import pytest

from medigan_hub.evaluation.proportions import Share, corrected

stats = pytest.importorskip("scipy.stats")


@pytest.mark.parametrize(("count", "number"), [(0, 7), (3, 20), (20, 20), (5, 500)])
def test_the_interval_is_that_of_clopper_and_pearson(count, number):
    wanted = stats.binomtest(count, number).proportion_ci(0.9, "exact")
    assert Share(count, number).interval(0.9) == pytest.approx((wanted.low, wanted.high), abs=1e-12)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    for truth in (0.01, 0.2, 0.5):
        counts = np.arange(61)
        ends = np.array([Share(int(count), 60).interval() for count in counts])
        held = (ends[:, 0] <= truth) & (truth <= ends[:, 1])
        assert stats.binom.pmf(counts, 60, truth)[held].sum() >= 0.95


def test_corrected_values_reject_in_one_set_of_tests_of_twenty():
    rng = np.random.default_rng(0)
    found = [min(corrected(rng.random(5).tolist())) <= 0.05 for _ in range(2000)]
    assert 0.035 < np.mean(found) < 0.065
    assert corrected([0.2, 0.001, 0.02]) == pytest.approx([0.2, 0.003, 0.04])
    assert corrected([]) == []
