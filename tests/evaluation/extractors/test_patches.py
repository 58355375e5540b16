from __future__ import annotations

import numpy as np
import pytest

from medigan_hub.evaluation import extractors, metrics


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((6, 128, 128, 1), np.float32)


def features(images):
    return extractors.find("patches").features(list(images))


def test_features_of_an_image_depend_on_it_alone(images):
    found = features(images)
    assert found.shape == (6, *extractors.find("patches").shape)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(features(images[3:4]), found[3:4])


def test_only_the_coarsest_level_knows_the_brightness(images):
    plain, brighter = features(images), features(images + 0.25)
    np.testing.assert_allclose(brighter[:, :3], plain[:, :3], atol=1e-6)
    np.testing.assert_allclose(brighter[:, 3], plain[:, 3] + 0.25, atol=1e-6)


def test_fine_noise_shows_at_the_finest_level():
    chessboard = np.indices((128, 128)).sum(axis=0)[..., np.newaxis] % 2
    levels = np.abs(features([chessboard.astype(np.float32)])).max(axis=(0, 2, 3))
    assert levels[0] == pytest.approx(0.5)
    np.testing.assert_allclose(levels[1:3], 0, atol=1e-6)


def test_the_distance_of_patches_tells_blurred_images_from_sharp_ones(images):
    swd, others = metrics.find("SWD"), np.random.default_rng(1).random(images.shape, np.float32)
    blurred = (others + np.roll(others, 1, axis=1) + np.roll(others, 1, axis=2)) / 3
    sharp, soft = (swd(features(images)[:, :1], features(e)[:, :1]) for e in (others, blurred))
    assert soft > 3 * sharp
