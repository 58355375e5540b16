"""The extractor texture: what it sees, and what it says of images with nothing in them."""

from __future__ import annotations

import numpy as np
import pytest

from medigan_hub.evaluation.extractors import find

SIDE = 128
RINGS = slice(27, 35)
DIRECTIONS = slice(35, 39)
COOCCURRENCE = slice(39, 44)
"""At a distance of one pixel."""


def described(*images):
    return find("texture").features([np.asarray(image, np.float32)[:, :, None] for image in images])


def blurred(images, times):
    for _ in range(times):
        for axis in (1, 2):
            before, after = (np.roll(images, step, axis) for step in (1, -1))
            images = (before + 2 * images + after) / 4
    return images


def tissue(seed, count=24):
    """Return pictures of blobs with fine structure on them, each of its own: (count, 128, 128)."""
    rng = np.random.default_rng(seed)
    coarse = blurred(rng.standard_normal((count, SIDE, SIDE)), 60)
    fine = blurred(rng.standard_normal((count, SIDE, SIDE)), 1)
    both = coarse / coarse.std() + 0.2 * fine / fine.std()
    return np.clip(0.45 + 0.12 * both + 0.02 * rng.standard_normal((count, 1, 1)), 0, 1)


def distance(real, other):
    """Return the energy distance of two sets of features, each scaled as the extractor says."""
    low, middle, high = np.percentile(real, (25, 50, 75), axis=0)
    real, other = (np.clip((x - middle) / (high - low + 1e-6), -5, 5) for x in (real, other))

    def apart(one, two):
        return np.linalg.norm(one[:, None] - two[None], axis=2).mean()

    return 2 * apart(real, other) - apart(real, real) - apart(other, other)


@pytest.fixture(scope="module")
def real():
    return described(*tissue(0))


@pytest.fixture(scope="module")
def floor(real):
    """How far other images of the same kind are."""
    return distance(real, described(*tissue(1)))


def test_it_ranks_blur_and_noise_by_how_much_they_change(real, floor):
    images = tissue(1)
    noise = np.random.default_rng(2).random(images.shape)
    order = [
        floor,
        distance(real, described(*blurred(images, 1))),
        distance(real, described(*blurred(images, 30))),
        distance(real, described(*noise)),
    ]
    assert order == sorted(order)
    assert order[1] > 3 * floor


def flatter(images):
    return 0.45 + 0.7 * (images - 0.45)


def shuffled(images):
    """Return images with the same grey levels, each block of eight pixels elsewhere."""
    blocks = images.reshape(len(images), 16, 8, 16, 8)
    order = np.random.default_rng(3).permutation(16)
    return blocks[:, order][:, :, :, order].reshape(images.shape)


def stretched(images):
    """Return images with fine structure along their rows alone."""
    smooth = images
    for _ in range(4):
        smooth = (np.roll(smooth, 1, 2) + 2 * smooth + np.roll(smooth, -1, 2)) / 4
    return smooth


@pytest.mark.parametrize("change", [flatter, shuffled, stretched])
def test_it_sees_contrast_structure_and_direction(real, floor, change):
    assert distance(real, described(*change(tissue(1)))) > 3 * floor


@pytest.mark.parametrize("level", [0.0, 0.3, 1.0])
def test_constant_images_have_features_that_are_numbers(level):
    (features,) = described(np.full((SIDE, SIDE), level))
    assert features.shape == find("texture").shape
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    assert features[0] == pytest.approx(level, abs=1e-3)
    assert features[1] == 0


def test_rounding_is_no_texture():
    flat = np.full((SIDE, SIDE), 0.3)
    rounded = flat + 1e-6 * np.random.default_rng(0).standard_normal(flat.shape)
    np.testing.assert_array_equal(described(flat), described(rounded))


def point():
    image = np.zeros((SIDE, SIDE))
    image[5, 77] = 1
    return image


@pytest.mark.parametrize("image", [point(), np.indices((SIDE, SIDE)).sum(axis=0) % 2.0])
def test_extreme_images_have_features_that_are_numbers(image):
    assert np.isfinite(described(image)).all()


def test_features_of_an_image_do_not_depend_on_those_beside_it():
    images = tissue(5, 4)
    alone = np.concatenate([described(image) for image in images])
    np.testing.assert_array_equal(described(*images), alone)


def waves(number):
    across = 0.5 + 0.4 * np.sin(2 * np.pi * number * np.arange(SIDE) / SIDE)
    return np.tile(across, (SIDE, 1))


def test_finer_waves_have_their_power_in_finer_rings():
    rings = described(*(waves(number) for number in (3, 6, 12, 24, 48)))[:, RINGS].argmax(axis=1)
    assert (np.diff(rings) > 0).all()


def test_the_direction_of_waves_is_seen():
    right, down = described(waves(6), waves(6).T)[:, DIRECTIONS]
    assert right[0] > 5
    assert down[0] == pytest.approx(-right[0], rel=0.05)
    diagonal = 0.5 + 0.4 * np.sin(2 * np.pi * 30 * np.indices((SIDE, SIDE)).sum(axis=0) / SIDE)
    falling, rising = described(diagonal, diagonal[::-1])[:, DIRECTIONS]
    assert falling[3] > 5
    assert rising[3] == pytest.approx(-falling[3], rel=0.05)


def test_cooccurrence_is_that_of_scikit_image():
    feature = pytest.importorskip("skimage.feature")
    levels = np.random.default_rng(0).permutation(np.arange(SIDE**2) * 16 // SIDE**2)
    levels = np.sort(levels.reshape(-1, 8), axis=1).reshape(SIDE, SIDE)  # some structure
    angles = np.arange(4) * np.pi / 4
    counts = feature.graycomatrix(levels.astype(np.uint8), [1], angles, 16, symmetric=True)
    share = counts.sum(axis=3, keepdims=True).astype(float)
    expected = {
        kind: feature.graycoprops(share, kind).item()
        for kind in ("contrast", "correlation", "homogeneity", "ASM", "entropy")
    }
    contrast, correlation, homogeneity, energy, entropy = described(levels / 16)[0, COOCCURRENCE]
    assert np.expm1(contrast) == pytest.approx(expected["contrast"], rel=1e-5)
    assert correlation == pytest.approx(expected["correlation"], rel=1e-5)
    assert homogeneity == pytest.approx(expected["homogeneity"], rel=1e-5)
    assert np.exp(energy) - 1 / 4096 == pytest.approx(expected["ASM"], rel=1e-4)
    assert entropy == pytest.approx(expected["entropy"], rel=1e-5)
