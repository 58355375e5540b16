"""Whether intervals of scores and gains hold what they promise, by simulation."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from scipy.stats import norm

from medigan_hub.evaluation.scores import AUC
from medigan_hub.evaluation.utility.gains import Cases, Scored, estimate

RUNS, REPEATS, PATIENTS, EACH = 200, 10, 50, 4
LIMITS = (0.0, 1.0)


def cases(patients=PATIENTS, each=EACH):
    belongs = [f"patient {n // each}" for n in range(patients * each)]
    return Cases.of(belongs, np.arange(len(belongs)), seed=0)


TRUTH = np.arange(PATIENTS * EACH) // 2 % 2


def area(outcome, places, truth=TRUTH):
    return AUC(truth[places], np.stack([-outcome[places], outcome[places]], axis=1))


def outcomes(rng, *distances, between=0.25, patient=0.5, own=0.5):
    """Return what several learners say of the same patients, in each repeat.

    Repeats differ in how far the classes are apart, patients in level, and each repeat errs in
    each image by itself.
    """
    of_patients = np.repeat(rng.normal(0, patient, PATIENTS), EACH)
    of_images = rng.normal(0, 1, len(TRUTH))
    return [
        [
            TRUTH * (distance + rng.normal(0, between))
            + of_patients
            + of_images
            + rng.normal(0, own, len(TRUTH))
            for _ in range(REPEATS)
        ]
        for distance in distances
    ]


def expected(distance, between=0.25, patient=0.5, own=0.5):
    spread = np.sqrt(2 * (patient**2 + 1 + own**2) + between**2)
    return norm.cdf(distance / spread)


def held(distances, truth):
    """Return how many intervals hold the truth, and how many of them don't hold 0."""
    of_all, count, sure = cases(), 0, 0
    rng = np.random.default_rng(5)
    for _ in range(RUNS):
        scored = [Scored.of(area, each, of_all) for each in outcomes(rng, *distances)]
        value = scored[-1] if len(scored) == 1 else scored[1] - scored[0]
        found = estimate(value, LIMITS if len(scored) == 1 else (-1, 1))
        count += found.low <= truth <= found.high
        sure += found.p < 0.05
        assert (found.p < 0.05) == (not found.low <= 0 <= found.high)
    return count / RUNS, sure / RUNS


def test_intervals_of_a_score_hold_it():
    share, _ = held([1.0], expected(1.0))
    assert 0.92 <= share <= 0.995


def test_intervals_of_a_gain_hold_it():
    share, sure = held([0.8, 1.3], expected(1.3) - expected(0.8))
    assert 0.92 <= share <= 1
    assert sure > 0.5


def test_where_nothing_is_gained_few_intervals_say_so():
    share, sure = held([1.0, 1.0], 0.0)
    assert share >= 0.93
    assert sure <= 0.07


def test_patients_are_left_out_whole():
    found = cases()
    assert found.count == 20
    for group in range(found.count):
        kept = found.without(group)
        assert len(kept) % EACH == 0
        assert len(kept) < len(TRUTH)
    assert found.shares.sum() == pytest.approx(1)


def test_dependence_widens_an_interval():
    rng = np.random.default_rng(1)
    (said,) = outcomes(rng, 0.0, patient=3.0)
    of_patients = partial(area, truth=np.arange(len(TRUTH)) // EACH % 2)
    together = estimate(Scored.of(of_patients, said, cases()), LIMITS)
    apart = estimate(Scored.of(of_patients, said, cases(PATIENTS * EACH, 1)), LIMITS)
    assert together.high - together.low > 1.2 * (apart.high - apart.low)


@pytest.mark.parametrize("patients", [1, 2])
def test_too_few_patients_tell_no_interval(patients):
    whole = np.full(5, 0.7)
    left_out = np.full((patients, 5), 0.6)
    found = estimate(Scored(whole, left_out, np.full(patients, 1 / patients)), LIMITS)
    assert (found.low, found.high, found.p) == (None, None, 1.0)


def test_what_is_always_the_same_tells_no_interval():
    found = estimate(Scored(np.ones(5), np.ones((20, 5)), np.full(20, 0.05)), LIMITS)
    assert (found.value, found.low, found.p) == (1, None, 1)


def test_no_interval_ends_beyond_the_limits():
    rng = np.random.default_rng(0)
    found = estimate(
        Scored(rng.normal(0.98, 0.02, 5), rng.normal(0.98, 0.02, (20, 5)), np.full(20, 0.05)),
        LIMITS,
    )
    assert found.high == 1
