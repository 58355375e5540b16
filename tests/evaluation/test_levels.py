from __future__ import annotations

import numpy as np
import pytest

from medigan_hub import RequestError
from medigan_hub.evaluation import levels


def test_a_histogram_is_the_share_of_pixels_at_each_level():
    images = [np.array([[[0.0], [0.3]]]), np.array([[[0.3], [1.0]]])]
    assert levels.histogram(images, bins=4).tolist() == [0.25, 0.5, 0, 0.25]


def test_levels_beyond_the_range_count_as_its_ends():
    image = np.array([[[-5.0], [300.0], [100.0], [100.0]]])
    assert levels.histogram([image], 0, 255, bins=3).tolist() == [0.25, 0.5, 0.25]


def test_images_of_any_size_count_by_their_pixels():
    images = [np.zeros((10, 10, 1)), np.ones((1, 1, 1))]
    assert levels.histogram(images, bins=2) == pytest.approx([100 / 101, 1 / 101])


def test_colour_counts_by_its_luma():
    green = np.array([[[0.0, 1.0, 0.0]]])
    assert levels.summary([green])["mean"] == pytest.approx(0.587)


def test_a_summary_is_of_all_pixels_together():
    images = [np.linspace(0, 1, 101).reshape(101, 1, 1)]
    facts = levels.summary(images)
    assert facts == pytest.approx(
        {
            "mean": 0.5,
            "SD": np.sqrt(np.mean((np.linspace(0, 1, 101) - 0.5) ** 2)),
            "1st percentile": 0.01,
            "median": 0.5,
            "99th percentile": 0.99,
        }
    )


@pytest.mark.parametrize("use", [levels.histogram, levels.summary])
@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([], "there are no images"),
        ([np.zeros((0, 4, 1))], "there are no images"),
        ([np.full((2, 2, 3), np.nan)], "values that are not numbers"),
    ],
)
def test_what_has_no_levels_is_refused(use, images, message):
    with pytest.raises(RequestError, match=message):
        use(images)
