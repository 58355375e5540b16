"""Whether an attack is given its area, and an interval that holds it."""

from __future__ import annotations

import numpy as np
import pytest

from medigan_hub.evaluation.metrics.blocks import squares
from medigan_hub.evaluation.privacy.membership import Attacked, membership
from medigan_hub.evaluation.privacy.nearness import logarithm, one_of_each

metrics = pytest.importorskip("sklearn.metrics")


def attacked(scores, groups=None):
    words = [str(n) for n in range(len(scores))] if groups is None else groups
    return Attacked(np.asarray(scores), words, one_of_each(words, np.random.default_rng(0)))


def test_the_area_is_that_under_the_curve():
    rng = np.random.default_rng(0)
    ours, theirs = np.round(rng.normal(-1, 1, 50), 1), np.round(rng.normal(0, 1, 70), 1)
    found = membership(attacked(ours), attacked(theirs))
    truth = np.repeat([1, 0], [50, 70])
    assert found.auc == pytest.approx(metrics.roc_auc_score(truth, -np.r_[ours, theirs]))
    assert found.low < found.auc < found.high
    assert found.rate is None


def test_the_interval_is_that_of_delong():
    """Of fifty and seventy images: the variance as the paper's equations have it, by loops."""
    rng = np.random.default_rng(4)
    ours, theirs = rng.normal(-1, 1, 50), rng.normal(0, 1, 70)
    kernel = (ours[:, np.newaxis] < theirs).astype(float)
    area = kernel.mean()
    error = np.sqrt(kernel.mean(axis=1).var(ddof=1) / 50 + kernel.mean(axis=0).var(ddof=1) / 70)
    found = membership(attacked(ours), attacked(theirs))
    width = np.log(found.high / (1 - found.high)) - np.log(found.low / (1 - found.low))
    assert width / 2 == pytest.approx(2.0096 * error / (area * (1 - area)), rel=1e-3)


def nothing_told(seed, length=6):
    """Return the attack on a model whose images are others of the same distribution."""
    rng = np.random.default_rng(seed)
    synthetic, real = rng.standard_normal((120, length)), rng.standard_normal((200, length))
    among = squares(real, real)
    np.fill_diagonal(among, np.inf)
    scores = logarithm(np.sqrt(squares(real, synthetic).min(axis=1)))
    scores -= logarithm(np.sqrt(among.min(axis=1)))
    return membership(attacked(scores[:80]), attacked(scores[80:]))


def test_a_half_is_in_the_interval_where_nothing_is_told():
    runs = [nothing_told(seed) for seed in range(300)]
    assert 0.92 <= np.mean([each.low <= 0.5 <= each.high for each in runs]) <= 0.98
    assert np.mean([each.auc for each in runs]) == pytest.approx(0.5, abs=0.01)


def test_images_of_a_patient_count_as_the_few_that_they_are():
    rng = np.random.default_rng(5)
    words = [str(n // 10) for n in range(200)]
    held = dict.fromkeys(("by patient", "by image"), 0)
    for _ in range(200):
        ours, theirs = (
            np.repeat(rng.standard_normal(20), 10) + 0.3 * rng.standard_normal(200)
            for _ in range(2)
        )
        for name, groups in (("by patient", words), ("by image", None)):
            found = membership(attacked(ours, groups), attacked(theirs, groups))
            held[name] += found.low <= 0.5 <= found.high
    assert held["by patient"] >= 0.92 * 200
    assert held["by image"] < 0.7 * 200


def test_an_area_of_one_has_an_interval_all_the_same():
    found = membership(attacked(np.arange(12) - 20.0), attacked(np.arange(15.0)))
    assert found.auc == found.high == 1
    assert 0.7 < found.low < 0.95
    more = membership(attacked(np.arange(500) - 600.0), attacked(np.arange(500.0)))
    assert 0.98 < more.low < 1
    turned = membership(attacked(np.arange(15.0)), attacked(np.arange(12) - 20.0))
    assert (turned.low, turned.high) == pytest.approx((0, 1 - found.low))
    same = membership(attacked(np.ones(20)), attacked(np.ones(20)))
    assert same.auc == 0.5
    assert same.low < 0.5 < same.high


def test_two_patients_make_no_interval():
    found = membership(attacked(np.arange(6.0), list("aabbab")), attacked(np.arange(9.0)))
    assert (found.low, found.high, found.rate) == (None, None, None)


def test_the_rate_at_few_false_ones_holds_the_truth():
    """Scores of training images are lower by two deviations: 37 % are below the best 1 %."""
    rng = np.random.default_rng(6)
    held, values = 0, []
    for _ in range(200):
        ours, theirs = rng.normal(-2, 1, 300), rng.normal(0, 1, 400)
        rate = membership(attacked(ours), attacked(theirs)).rate
        held += rate.low <= 0.3722 <= rate.high
        values.append(rate.value)
    assert held >= 0.95 * 200
    assert np.mean(values) == pytest.approx(0.372, abs=0.04)


def test_a_narrower_level_makes_a_wider_interval():
    rng = np.random.default_rng(7)
    ours, theirs = attacked(rng.random(60)), attacked(rng.random(60))
    usual, wide = membership(ours, theirs), membership(ours, theirs, level=0.99)
    assert wide.low < usual.low < usual.high < wide.high
    assert wide.level == 0.99
