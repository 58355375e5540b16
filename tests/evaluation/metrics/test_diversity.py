from __future__ import annotations

import numpy as np
import pytest

from medigan_hub.evaluation import metrics
from support.features import pair, uneven


def kinds(features):
    rows = features / np.linalg.norm(features, axis=1, keepdims=True)
    shares = np.linalg.eigvalsh(rows @ rows.T / len(rows))
    shares = shares[shares > 1e-12]
    return np.exp(-(shares * np.log(shares)).sum())


def vendi(features):
    return metrics.find("Vendi")(features, features)


@pytest.mark.parametrize("number", [1, 5, 50])
def test_images_of_so_many_kinds_are_so_many_kinds(number):
    assert vendi(np.tile(np.eye(50)[:number], (50 // number, 1))) == pytest.approx(number)


def test_fifty_images_are_taken_whole():
    features = pair(50)[0].astype(float)
    assert vendi(features) == pytest.approx(kinds(features))


def test_more_images_of_the_same_kinds_change_little():
    rng = np.random.default_rng(0)
    few, many = (vendi(rng.standard_normal((number, 40))) for number in (100, 1000))
    assert many == pytest.approx(few, rel=0.03)


def test_images_without_any_feature_are_one_kind():
    assert vendi(np.concatenate([np.zeros((25, 2)), np.tile([1.0, 0], (25, 1))])) == (
        pytest.approx(2)
    )


def test_groups_are_left_out_of_the_fifty():
    features, groups = pair(50)[0].astype(float), uneven(50, 50)
    expected = [kinds(features[groups.synthetic != n]) for n in range(groups.count)]
    found = metrics.find("Vendi").left_out(features, features, groups)
    np.testing.assert_allclose(found, expected)
