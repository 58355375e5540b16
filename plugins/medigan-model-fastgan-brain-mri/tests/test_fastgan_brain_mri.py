from __future__ import annotations

import numpy as np
import pytest

from medigan_hub.plugin import Hub, HubError
from medigan_model_fastgan_brain_mri.height import WAVES, encode

MODEL = "fastgan-brain-mri"


@pytest.fixture(scope="module")
def hub():
    return Hub()


@pytest.fixture(scope="module")
def batch(hub):
    (batch,) = hub.generate(MODEL, 16, seed=7, batch_size=16)
    return batch


def test_a_sample_is_a_slice_with_two_masks_and_its_height(batch):
    assert set(batch.arrays) == {"image", "grey_matter", "white_matter", "height"}
    for name in ("image", "grey_matter", "white_matter"):
        array = batch.arrays[name]
        assert (array.shape, array.dtype) == ((16, 128, 128, 1), np.uint8)
    for name in ("grey_matter", "white_matter"):
        assert set(np.unique(batch.arrays[name])) == {0, 1}
    heights = batch.arrays["height"]
    assert (heights.shape, heights.dtype) == ((16,), np.float32)
    assert heights.min() >= -30
    assert heights.max() <= 60
    assert len(set(heights)) == 16, "each sample draws its own height"


def test_masks_agree_with_the_image(batch):
    image, grey, white = (batch.arrays[n] for n in ("image", "grey_matter", "white_matter"))
    assert image[white == 1].mean() > image[grey == 1].mean() + 20
    assert image[(grey == 0) & (white == 0)].mean() < image[grey == 1].mean() - 20
    assert ((grey == 1) & (white == 1)).mean() < 0.01


def test_the_brain_is_in_the_middle_and_air_is_black(batch):
    image = batch.arrays["image"].astype(float)
    assert image[:, :4].mean() < 2
    assert image[:, :, :4].mean() < 2
    assert image[:, 40:90, 40:90].mean() > 60


def test_samples_of_one_height_differ(hub):
    (batch,) = hub.generate(MODEL, 4, seed=7, conditions={"height": 20})
    assert batch.arrays["height"].tolist() == [20] * 4
    images = batch.arrays["image"].astype(int)
    pairs = [np.abs(images[i] - images[j]).mean() for i in range(4) for j in range(i)]
    assert min(pairs) > 2


def test_one_latent_vector_at_several_heights_is_one_brain(hub):
    latents = np.repeat(np.random.default_rng(0).standard_normal((1, 45)), 4, axis=0)
    heights = [-20, 19, 20, 55]
    (batch,) = hub.generate(MODEL, latents=latents, conditions={"height": heights})
    assert batch.arrays["height"].tolist() == heights
    low, near, same, high = batch.arrays["image"].astype(int)
    assert np.abs(near - same).mean() < np.abs(low - same).mean() / 3
    assert np.abs(near - same).mean() < np.abs(high - same).mean() / 3


def test_the_top_of_the_brain_is_smaller_than_its_middle(hub):
    areas = {}
    for height in (10, 60):
        (batch,) = hub.generate(MODEL, 4, seed=1, conditions={"height": height})
        areas[height] = (batch.arrays["image"] > 60).mean()
    assert areas[60] < 0.8 * areas[10]


def test_a_height_out_of_reach_is_refused_in_one_line(hub):
    with pytest.raises(HubError, match=r"^[^\n]*height[^\n]*$") as caught:
        list(hub.generate(MODEL, 1, conditions={"height": 75}))
    for word in ("75", "-30", "60"):
        assert word in str(caught.value)


def test_heights_are_encoded_by_numbers_of_about_unit_size():
    encoded = encode(np.linspace(-30, 60, 181))
    assert (encoded.shape, encoded.dtype) == ((181, 1 + 2 * WAVES), np.float32)
    assert encoded[:, 0].tolist()[::90] == [-1.5, 0.0, 1.5]
    assert np.allclose(np.sqrt((encoded**2).mean(axis=0)), 1, atol=0.25)
