from __future__ import annotations

import numpy as np
import pytest

from medigan_hub.plugin import Hub, RequestError, generation
from medigan_model_singan_fundus import BOUNDS, COARSE, plugin
from medigan_model_singan_fundus.layout import draw_coordinates, sample_image


@pytest.fixture(scope="module")
def hub():
    return Hub()


def images(batches):
    return np.concatenate([batch.arrays["image"] for batch in batches])


def test_samples_differ_and_have_the_declared_size(hub):
    made = images(hub.generate("singan-fundus", 4, seed=7))
    (declared,) = plugin.metadata.document["outputs"]
    assert (made.shape, made.dtype) == ((4, *declared["default_size"], 3), np.uint8)
    assert len({image.tobytes() for image in made}) == 4


@pytest.mark.parametrize("size", [(32, 32), (45, 133), (192, 64)])
def test_an_image_has_the_size_that_was_asked_for(hub, size):
    options = {"height": size[0], "width": size[1]}
    made = images(hub.generate("singan-fundus", 1, options=options))
    assert made.shape == (1, *size, 3)


@pytest.mark.parametrize(("name", "value"), [("height", 31), ("width", 193), ("width", "wide")])
def test_an_impossible_size_is_refused_with_what_is_possible(hub, name, value):
    with pytest.raises(RequestError, match=f"{name} is an integer from 32 to 192 pixels"):
        hub.generate("singan-fundus", 1, options={name: value})


def test_samples_have_the_colours_of_a_fundus_and_hold_vessels(hub):
    made = images(hub.generate("singan-fundus", 8, seed=11)).astype(np.float32) / 255
    red, green, blue = made.mean(axis=(0, 1, 2))
    assert 0.7 < red < 0.95
    assert 0.25 < green < 0.45
    assert 0.15 < blue < 0.35
    # Vessels are thin and dark in green: against their surroundings, the image has
    # more strongly dark pixels than strongly bright ones.
    level = made[..., 1]
    windows = np.lib.stride_tricks.sliding_window_view(level, (15, 15), axis=(1, 2))
    relative = level[:, 7:-7, 7:-7] - np.median(windows, axis=(3, 4))
    low, high = np.percentile(relative, (2, 98))
    assert low < -0.05
    assert -low > 1.5 * high


def test_with_the_same_layout_noise_still_makes_other_details():
    request = generation.request(plugin.metadata, 2)
    network = plugin.runtime.open(plugin.folder / plugin.metadata.weights.file, "cpu", "float32")
    layouts, *noise = plugin.network_inputs(request, [0, 1])
    layouts[1] = layouts[0]
    one, other = network(layouts, *noise)
    assert 0 < np.abs(one - other).mean() < 0.05


def test_a_layout_depends_on_its_random_numbers_alone():
    first, again, other = (
        draw_coordinates(np.random.default_rng(seed), (40, 60), BOUNDS) for seed in (0, 0, 1)
    )
    assert first.shape == (40, 60, 2)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("seed", range(20))
def test_a_layout_never_folds_over(seed):
    place = draw_coordinates(np.random.default_rng(seed), (96, 144), BOUNDS)
    down, right = (np.diff(place, axis=axis)[:95, :143] for axis in (0, 1))
    area = down[..., 0] * right[..., 1] - down[..., 1] * right[..., 0]
    assert (area > 0).all() or (area < 0).all()


def test_a_coarse_layout_is_the_fine_one_at_fewer_points():
    fine = draw_coordinates(np.random.default_rng(3), (64, 64), BOUNDS)
    coarse = draw_coordinates(np.random.default_rng(3), (64, 64), BOUNDS, 0.25)
    assert coarse.shape == (16, 16, 2)
    middle = fine.reshape(16, 4, 16, 4, 2).mean(axis=(1, 3))
    assert np.abs(coarse - middle).max() < 0.2
    assert 0 < COARSE < 1


def test_reading_at_pixel_centres_gives_the_pixels_and_beyond_the_edge_their_mirror_image():
    image = np.random.default_rng(0).random((5, 7, 3), np.float32)
    place = np.stack(np.meshgrid(np.arange(-5, 10), np.arange(-7, 14), indexing="ij"), -1) + 0.5
    found = sample_image(image, place)
    expected = np.pad(image, ((5, 5), (7, 7), (0, 0)), mode="symmetric")
    assert np.allclose(found, expected, atol=1e-6)
