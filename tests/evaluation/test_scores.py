"""Scores of predictions, by hand and by closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from medigan_hub.evaluation import scores

TRUTH = np.array([0, 0, 1, 1])
SAID = np.array([[0.9, 0.1], [0.4, 0.6], [0.55, 0.45], [0.2, 0.8]])


def test_two_classes_by_hand():
    # Of four pairs of an image of each class, three are in order.
    assert scores.AUC(TRUTH, SAID) == pytest.approx(0.75)
    # Chosen: 0, 1, 0, 1.
    assert scores.BALANCED(TRUTH, SAID) == pytest.approx(0.5)
    assert scores.F1(TRUTH, SAID) == pytest.approx(0.5)
    assert scores.KAPPA(TRUTH, SAID) == pytest.approx(0.0)


@pytest.mark.parametrize("score", [scores.AUC, scores.AUPRC, scores.F1, scores.BALANCED])
def test_all_right_is_1_and_classes_may_be_swapped(score):
    said = np.eye(3)[[0, 1, 2, 2]]
    assert score(np.array([0, 1, 2, 2]), said) == pytest.approx(1)
    order = [2, 0, 1]
    assert score(TRUTH, SAID) == pytest.approx(score(1 - TRUTH, SAID[:, ::-1]))
    assert score(np.array([1, 2, 0, 0]), said[:, order]) == pytest.approx(1)


def test_one_class_alone_has_no_auc():
    assert math.isnan(scores.AUC(np.zeros(3, int), SAID[:3]))
    assert math.isnan(scores.KAPPA(np.zeros(2, int), np.array([[1.0, 0], [1.0, 0]])))


def test_several_classes_count_alike():
    """A class of many images weighs no more than one of few."""
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], [80, 10, 10])
    said = np.full((100, 3), 1 / 3)
    said[truth == 0] = [1, 0, 0]
    said[truth != 0, 1:] = rng.dirichlet([1, 1], 20)
    each = [scores.AUC(truth == n, np.stack([1 - said[:, n], said[:, n]], 1)) for n in range(3)]
    assert scores.AUC(truth, said) == pytest.approx(np.mean(each))


def test_numbers():
    truth, said = np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 5.0])
    assert scores.MAE(truth, said) == pytest.approx(2 / 3)
    assert scores.R2(truth, said) == pytest.approx(1 - 4 / 2)
    assert math.isnan(scores.R2(np.ones(3), said))


def test_dice_is_the_mean_of_images_that_have_one():
    truth = np.zeros((3, 2, 2), bool)
    said = truth.copy()
    truth[0, 0] = True  # two pixels, of which one is said
    said[0, 0, 0] = True
    said[1, 0, 0] = True  # said where nothing is
    assert scores.DICE(truth, said) == pytest.approx((2 / 3 + 0) / 2)
    assert math.isnan(scores.DICE(truth[2:], said[2:]))
