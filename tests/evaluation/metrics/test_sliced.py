from __future__ import annotations

import numpy as np
import pytest

from medigan_hub.evaluation import metrics
from medigan_hub.evaluation.metrics import Metric
from support.features import uneven


@pytest.fixture(scope="module")
def patches():
    return np.random.default_rng(0).random((12, 3, 8, 9), np.float32)


def test_equal_sets_are_close_and_different_ones_are_not(patches):
    metric = metrics.find("SWD")
    same = np.random.default_rng(1).random(patches.shape, np.float32)
    floor = metric(patches, same)
    for other in (0.5 * patches, patches + 0.3, np.sort(patches, axis=3)):
        assert metric(patches, other) > 3 * floor


def test_a_shift_of_one_feature_is_in_standard_deviations():
    real = np.random.default_rng(0).normal(5, 2, (400, 1))
    assert metrics.find("SWD")(real, real + 3) == pytest.approx(3 / real.std(), rel=1e-5)
    # Sets of different size are the same where their shares are.
    twice = np.repeat(real, 2, axis=0)
    assert metrics.find("SWD")(real, twice) == pytest.approx(0, abs=1e-9)


def test_levels_count_alike_each_on_its_own_scale(patches):
    metric = metrics.find("SWD")
    per_level = [metric(patches[:, [n]], patches[:, [n]] ** 2) for n in range(3)]
    scaled = patches * np.array([1, 10, 100])[:, np.newaxis, np.newaxis]
    darker = patches**2 * np.array([1, 10, 100])[:, np.newaxis, np.newaxis]
    assert metric(scaled, darker) == pytest.approx(np.mean(per_level), rel=1e-4)


def test_groups_of_images_are_left_out_with_all_their_patches(patches):
    metric, groups = metrics.find("SWD"), uneven(12, 12, 3)
    slow = Metric.left_out(metric, patches, patches**2, groups)
    np.testing.assert_allclose(metric.left_out(patches, patches**2, groups), slow, rtol=1e-9)
