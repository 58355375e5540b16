"""Scores that are written out, against those of scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from medigan_hub.evaluation.scores import AUC, AUPRC, BALANCED, F1

THEIRS = {
    AUC: lambda truth, said: metrics.roc_auc_score(truth, said[:, 1]),
    AUPRC: lambda truth, said: np.mean(
        [metrics.average_precision_score(truth == n, said[:, n]) for n in (0, 1)]
    ),
    F1: lambda truth, said: metrics.f1_score(truth, said.argmax(axis=1), average="macro"),
    BALANCED: lambda truth, said: metrics.balanced_accuracy_score(truth, said.argmax(axis=1)),
}


@pytest.mark.parametrize("steps", [3, 1000])
@pytest.mark.parametrize("score", THEIRS, ids=lambda score: score.name)
def test_scores_are_those_of_scikit_learn_with_ties_or_without(score, steps):
    rng = np.random.default_rng(steps)
    for _ in range(20):
        truth = rng.permutation(np.arange(50) % 5 == 0).astype(int)
        one = np.round(steps * rng.random(50)) / steps
        said = np.stack([1 - one, one], axis=1)
        assert score(truth, said) == pytest.approx(THEIRS[score](truth, said), abs=1e-12)


def test_of_several_classes_each_is_held_against_the_others():
    rng = np.random.default_rng(0)
    truth = np.arange(60) % 3
    said = rng.dirichlet((1, 1, 1), 60)
    theirs = metrics.roc_auc_score(truth, said, multi_class="ovr", average="macro")
    assert AUC(truth, said) == pytest.approx(theirs)


def test_of_one_class_alone_there_is_none():
    assert np.isnan(AUC(np.zeros(3, int), np.full((3, 2), 0.5)))
