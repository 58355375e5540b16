from __future__ import annotations

import numpy as np
import pytest

from medigan_hub.evaluation import metrics
from support.features import pair

NAMES = ("precision", "recall", "density", "coverage")


@pytest.mark.parametrize(("real", "synthetic", "length"), [(90, 70, 12), (30, 120, 2)])
def test_values_equal_prdc(real, synthetic, length, monkeypatch):
    prdc = pytest.importorskip("prdc")
    monkeypatch.setattr("builtins.print", lambda *_: None)
    sets = [each.astype(np.float64) for each in pair(real, synthetic, length)]
    expected = prdc.compute_prdc(*sets, nearest_k=5)
    assert 0 < expected["precision"] < 1
    for name in NAMES:
        assert metrics.find(name)(*sets) == pytest.approx(expected[name], rel=1e-12)


def test_equal_sets_have_all():
    real = pair()[0]
    assert [metrics.find(name)(real, real.copy()) for name in NAMES] == [1, 1, 1, 1]


def test_copies_far_from_the_origin_are_copies():
    real = np.repeat(pair(5)[0], 10, axis=0) + 1000
    assert [metrics.find(name)(real, real[::-1]) for name in NAMES] == [1, 1, 1, 1]


def test_a_copy_of_one_kind_of_image_covers_that_kind_alone():
    real = np.repeat(np.eye(2), 10, axis=0)
    synthetic = np.repeat([[1.0, 0.0]], 20, axis=0)
    found = {name: metrics.find(name)(real, synthetic) for name in NAMES}
    assert found == {"precision": 1, "recall": 0.5, "density": 1, "coverage": 0.5}
