from __future__ import annotations

import numpy as np
import pytest

from medigan_hub import RequestError
from medigan_hub.evaluation import compare, sliced_wasserstein


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((12, 48, 40, 2), np.float32)


def test_equal_sets_are_close_and_different_ones_are_not(images):
    same = np.random.default_rng(1).random((12, 48, 40, 2), np.float32)
    floor = sliced_wasserstein(same, images)
    for other in (0.5 * images, images + 0.2, np.sort(images, axis=2)):
        assert sliced_wasserstein(other, images) > 3 * floor


def test_the_order_of_images_and_the_number_of_resamples_change_nothing(images):
    found = compare({"a": images[:6] / 2}, images, resamples=0)["a"]
    again = compare({"a": images[:6] / 2}, images, resamples=3)["a"]
    assert found[0] == again[0]
    assert np.isnan(found[1])
    assert 0 < again[1] < again[0]


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((12, 48, 41, 2), r"images one have the shape \[12, 48, 41, 2\]; all sets must be"),
        ((12, 48, 40), "images one have the shape"),
        ((0, 48, 40, 2), "images one have the shape"),
    ],
)
def test_sets_that_do_not_fit_are_refused(images, shape, message):
    with pytest.raises(RequestError, match=message):
        compare({"one": np.zeros(shape, np.float32)}, images)


def test_images_smaller_than_a_patch_are_refused():
    tiny = np.zeros((2, 6, 6, 1), np.float32)
    with pytest.raises(RequestError, match="smaller than 7 x 7 pixels"):
        sliced_wasserstein(tiny, tiny)
