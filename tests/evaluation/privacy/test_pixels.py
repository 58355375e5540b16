"""Whether images that are moved and mirrored are known again."""

from __future__ import annotations

import numpy as np
import pytest

from medigan_hub.evaluation.privacy.pixels import (
    FLIPS,
    Pixels,
    Thumbnails,
    correlations,
    is_flat,
)
from medigan_hub.evaluation.privacy.spaces import Apart, Features


def fields(number, seed=0):
    """Return smooth random pictures, (n, 64, 64)."""
    frequency = np.fft.fftfreq(64)
    gain = (np.hypot(*np.meshgrid(frequency, frequency)) + 0.02) ** -2.0
    gain[0, 0] = 0
    noise = np.random.default_rng(seed).standard_normal((number, 64, 64))
    found = np.fft.ifft2(np.fft.fft2(noise) * gain).real
    found *= 0.15 / found.std(axis=(1, 2), keepdims=True)
    return np.clip(0.5 + found, 0, 1).astype(np.float32)


def moved(image, flip, down, right):
    image = image[:: -1 if flip & 2 else 1, :: -1 if flip & 1 else 1]
    return np.roll(image, (down, right), (0, 1))


def test_a_copy_is_found_however_it_is_mirrored_and_moved():
    training, synthetic = fields(60), fields(40, seed=1)
    rng = np.random.default_rng(2)
    for n in range(20):
        down, right = rng.integers(-4, 5, 2)
        synthetic[n] = moved(training[2 * n], n % 4, down, right)
        synthetic[n] += rng.normal(0, 0.02, (64, 64))
    found = Pixels().nearest(synthetic, training)
    assert found.places[:20].tolist() == list(range(0, 40, 2))
    assert found.distances[:20].max() < 0.02
    assert found.distances[20:].min() > 0.2
    best, flips = correlations(synthetic[:20], training[:40:2])
    assert flips == [FLIPS[n % 4] for n in range(20)]
    assert 1 - best == pytest.approx(found.distances[:20], abs=1e-6)


def test_what_is_sought_coarsely_is_what_a_search_of_all_finds():
    one, other = fields(8, seed=3), fields(50, seed=4)
    found = Pixels().nearest(one, other)
    every = np.array([correlations(np.repeat(each[np.newaxis], 50, 0), other)[0] for each in one])
    assert found.distances == pytest.approx(1 - every.max(axis=1), abs=1e-6)
    assert found.places.tolist() == every.argmax(axis=1).tolist()


def test_an_equal_image_is_at_nothing_and_brightness_does_not_count():
    images = fields(5, seed=5)
    found = Pixels().nearest(0.5 * images + 0.2, images)
    assert found.distances == pytest.approx(np.zeros(5), abs=1e-5)
    assert found.places.tolist() == [0, 1, 2, 3, 4]


def test_an_image_without_contrast_is_like_none():
    images = np.stack([np.zeros((64, 64), np.float32), fields(1)[0], np.full((64, 64), 0.7)])
    found = Pixels().nearest(images, images)
    assert found.distances == pytest.approx([1, 0, 1], abs=1e-5)
    assert is_flat(images).tolist() == [True, False, True]


@pytest.mark.parametrize("space", [Pixels(), Features("texture")])
def test_images_that_belong_together_are_not_held_against_each_other(space):
    images = fields(9, seed=6)
    images[3] = images[0]
    images[8] = images[4]
    own = np.arange(9)
    found = space.nearest(images, images, Apart(own, own))
    assert found.places[[0, 3, 4, 8]].tolist() == [3, 0, 8, 4]
    patients = np.array([0, 1, 2, 0, 3, 4, 5, 6, 7])
    apart = space.nearest(images, images, Apart(patients, patients))
    assert apart.places[4] == 8
    assert apart.places[0] not in (0, 3)
    assert apart.distances[0] > 0.1
    nothing = space.nearest(images, images, Apart(0 * own, 0 * own))
    assert np.isinf(nothing.distances).all()


def test_features_are_compared_as_they_are_in_several_blocks(monkeypatch):
    monkeypatch.setattr("medigan_hub.evaluation.metrics.blocks.BLOCK", 7)
    rng = np.random.default_rng(7)
    one, other = rng.standard_normal((20, 3, 4)), rng.standard_normal((30, 3, 4))
    between = np.linalg.norm((one[:, np.newaxis] - other).reshape(20, 30, 12), axis=2)
    found = Features("any").nearest(one, other)
    assert found.distances == pytest.approx(between.min(axis=1))
    assert found.places.tolist() == between.argmin(axis=1).tolist()


def test_pixels_in_several_blocks_are_those_in_one(monkeypatch):
    one, other = fields(20, seed=8), fields(30, seed=9)
    whole = Pixels().nearest(one, other)
    monkeypatch.setattr("medigan_hub.evaluation.metrics.blocks.BLOCK", 7)
    parts = Pixels().nearest(one, other)
    assert parts.places.tolist() == whole.places.tolist()
    assert parts.distances == pytest.approx(whole.distances, abs=1e-6)


def test_thumbnails_are_the_images_without_their_channel():
    image = np.arange(64 * 64, dtype=np.float32).reshape(64, 64, 1)
    made = Thumbnails().features([image, image])
    assert made.shape == (2, *Thumbnails().shape)
    assert (made[1] == image[:, :, 0]).all()
