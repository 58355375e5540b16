"""Whether copies are found where there are some, and none where there are none."""

from __future__ import annotations

import numpy as np
import pytest

from medigan_hub.evaluation.metrics.blocks import squares
from medigan_hub.evaluation.privacy.nearness import (
    Near,
    detectable,
    levels,
    one_of_each,
    ranks,
    tail,
)
from medigan_hub.evaluation.proportions import corrected

stats = pytest.importorskip("scipy.stats")


def nearest(one, other, *, is_same=False):
    found = squares(one, other)
    if is_same:
        np.fill_diagonal(found, np.inf)
    return np.sqrt(found.min(axis=1))


def drawn(seed, *, number=300, length=8, spread=1.0):
    """Return features of training, held-out and synthetic images."""
    rng = np.random.default_rng(seed)
    training, heldout, synthetic = rng.standard_normal((3, number, length))
    return training, heldout, spread * synthetic


def found(training, heldout, synthetic):
    ours = Near(nearest(synthetic, training), nearest(synthetic, heldout))
    theirs = Near(nearest(heldout, training), nearest(heldout, heldout, is_same=True))
    return levels(ours, theirs)


def is_found(given):
    return min(corrected([each.p_value for each in given])) <= 0.05


@pytest.mark.parametrize(
    ("count", "number", "rank", "heldout"),
    [(3, 100, 2, 50), (10, 500, 1, 500), (15, 500, 5, 500), (100, 100, 1, 20), (1, 1, 3, 3)],
)
def test_the_tail_is_that_of_a_beta_binomial(count, number, rank, heldout):
    wanted = stats.betabinom.sf(count - 1, number, rank, heldout + 1 - rank)
    assert tail(count, number, rank, heldout) == pytest.approx(wanted, rel=1e-6, abs=1e-15)


def test_p_values_are_as_small_as_they_say_where_nothing_is_copied():
    rng = np.random.default_rng(1)
    values = []
    for _ in range(3000):
        ours, theirs = rng.random(80), np.sort(rng.random(60))
        values.append(tail(int((ours < theirs[1]).sum()), 80, 2, 60))
    for level in (0.01, 0.05, 0.2):
        assert np.mean(np.array(values) <= level) <= level + 3 * np.sqrt(level / 3000)
    assert np.mean(np.array(values) <= 0.2) > 0.1  # and not much less often


def test_nothing_is_found_where_nothing_is_copied():
    runs = [found(*drawn(seed)) for seed in range(40)]
    assert sum(map(is_found, runs)) <= 2
    shares = [run[0].share.value for run in runs]
    assert np.mean(shares) == pytest.approx(runs[0][0].expected, abs=0.003)


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_two_copies_in_a_hundred_are_found(noise):
    seen = 0
    for seed in range(10):
        training, heldout, synthetic = drawn(seed, number=500)
        rng = np.random.default_rng(seed)
        synthetic[:10] = training[:10] + noise * rng.standard_normal((10, 8))
        run = found(training, heldout, synthetic)
        assert run[0].counted[:10].all()
        seen += is_found(run)
        # What is usually given: the share that is nearer to a training than to a held-out image.
        usual = (nearest(synthetic, training) < nearest(synthetic, heldout)).mean()
        assert 0.4 < usual < 0.6
    assert seen >= 9


@pytest.mark.parametrize(("length", "spread"), [(8, 0.3), (20, 0.3), (20, 0.0)])
def test_images_that_are_near_to_everything_are_no_copies(length, spread):
    """As blurred ones are, or one image over and over: many are flagged, and no copy is found."""
    runs = [found(*drawn(seed, length=length, spread=spread)) for seed in range(10)]
    assert np.mean([run[0].share.value for run in runs]) > 0.05
    assert not any(map(is_found, runs))


def test_one_image_that_is_copied_over_and_over_is_found():
    training, heldout, synthetic = drawn(0)
    synthetic[:15] = training[7] + 0.05 * synthetic[:15]
    assert is_found(found(training, heldout, synthetic))


def test_images_at_the_threshold_are_not_below_it():
    ours = Near(np.full(50, 0.1), np.full(50, 3.0))
    theirs = Near(np.r_[0.1, np.full(29, 1.0)], np.full(30, 1.0))
    (level,) = levels(ours, theirs)
    assert level.share.count == 0
    assert level.p_value == 1


def test_few_held_out_images_make_one_level_and_many_two():
    assert (ranks(20), ranks(198), ranks(199)) == ([1], [1], [2, 1])


def test_what_is_detectable_is_found_in_four_of_five_cases():
    share = detectable(400, 300, 4)
    rng = np.random.default_rng(0)
    counts = rng.binomial(400, share, 4000)
    assert np.mean([4 * tail(int(n), 400, 1, 300) <= 0.05 for n in counts]) == pytest.approx(
        0.8, abs=0.03
    )
    assert detectable(1, 20, 4) is None
    assert detectable(500, 20, 4) > 3 * detectable(500, 100, 4)


def test_one_image_stands_for_each_group():
    rng = np.random.default_rng(0)
    groups = ["a"] * 5 + ["", "b", "", "b"]
    places = one_of_each(groups, rng)
    assert len(places) == 4
    assert [groups[place] for place in places] in (["a", "", "b", ""], ["a", "", "", "b"])
