"""The probe: it learns what features tell, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from medigan_hub.evaluation import scores
from medigan_hub.evaluation.probe import Probe
from medigan_hub.evaluation.targets import Target

CLASSES = Target("label", ("a", "b", "c"))


def test_it_tells_classes_that_features_tell():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 300)
    features = rng.normal(size=(300, 20)) + 3 * np.eye(3, 20)[truth]
    probe = Probe(CLASSES).fit(features[:200], truth[:200])
    said = probe.predict(features[200:])
    assert said.sum(axis=1) == pytest.approx(np.ones(100))
    assert scores.AUC(truth[200:], said) > 0.95


def test_of_noise_it_tells_nothing():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 400)
    probe = Probe(CLASSES).fit(rng.normal(size=(400, 20)), truth)
    assert scores.AUC(rng.integers(0, 3, 400), probe.predict(rng.normal(size=(400, 20)))) < 0.6


def test_a_class_that_it_never_saw_has_no_probability():
    rng = np.random.default_rng(0)
    probe = Probe(CLASSES).fit(rng.normal(size=(20, 4)), np.repeat([0, 2], 10))
    assert probe.predict(rng.normal(size=(5, 4)))[:, 1].tolist() == [0] * 5


def test_it_predicts_numbers():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(300, 5))
    truth = 40 + 10 * features[:, 0]
    probe = Probe(Target("age", ())).fit(features[:200], truth[:200])
    assert scores.R2(truth[200:], probe.predict(features[200:])) > 0.9


def test_units_of_features_change_nothing():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 100)
    features = rng.normal(size=(100, 6)) + np.eye(3, 6)[truth]
    features[:, 5] = 7  # constant
    scaled = features * [1, 10, 1e6, 1e-6, 5, 5] + 3
    one, other = (Probe(CLASSES).fit(each, truth).predict(each) for each in (features, scaled))
    assert one == pytest.approx(other, abs=1e-4)
