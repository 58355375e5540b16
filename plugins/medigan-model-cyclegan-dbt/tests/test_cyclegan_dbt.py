from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from medigan_hub.plugin import Hub, HubNote, HubWarning, OutputError
from medigan_model_cyclegan_dbt.outline import FIELD_MM
from medigan_model_cyclegan_dbt.simulation import simulate_mammogram


@pytest.fixture(scope="module")
def hub():
    return Hub()


def ramp():
    """Return an image that is as bright as those that the network knows: (200, 210) uint8."""
    return np.tile(np.arange(210, dtype=np.uint8), (200, 1))


def arrays(batches, name):
    return np.concatenate([batch.arrays[name] for batch in batches])


def test_without_input_each_sample_starts_from_another_simulated_mammogram(hub):
    (batch,) = hub.generate("cyclegan-dbt", 4, seed=7)
    for name in ("mammogram", "image"):
        array = batch.arrays[name]
        assert (array.shape, array.dtype) == ((4, 256, 256, 1), np.uint8)
        assert len({sample.tobytes() for sample in array}) == 4


def test_a_saved_input_gives_the_saved_image_again(hub, tmp_path):
    hub.save("cyclegan-dbt", 2, tmp_path / "out", seed=3)
    again = hub.generate("cyclegan-dbt", inputs=tmp_path / "out" / "mammogram", batch_size=2)
    images = arrays(again, "image")[..., 0]
    for index in range(2):
        with Image.open(tmp_path / "out" / "image" / f"00000{index}.png") as saved:
            assert np.abs(images[index].astype(int) - np.asarray(saved)).max() <= 1


@pytest.mark.filterwarnings("ignore:.*array 0")
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (64, 64), (150, 61), (257, 130)])
def test_an_image_of_any_size_keeps_it(hub, size):
    image = np.random.default_rng(0).integers(0, 256, (*size, 1), dtype=np.uint8)
    (batch,) = hub.generate("cyclegan-dbt", inputs=image, fit=False)
    assert batch.arrays["image"].shape == (1, *size, 1)


def test_a_mammogram_of_another_scale_is_translated_at_the_scale_that_the_network_knows(hub):
    (batch,) = hub.generate("cyclegan-dbt", seed=11)
    known = batch.arrays["mammogram"][0]
    large = known.repeat(4, axis=0).repeat(4, axis=1)
    with pytest.warns(HubNote, match=r"1024 x 1024 .* trained on 256 x 256 .* to 256 x 256"):
        (fitted,) = hub.generate("cyclegan-dbt", inputs=large)
    assert fitted.arrays["image"].shape == (1, 1024, 1024, 1)
    assert np.array_equal(fitted.arrays["mammogram"][0], large)
    small = fitted.arrays["image"][0, 2::4, 2::4].astype(int)
    assert np.abs(small - batch.arrays["image"][0]).mean() < 6
    with pytest.warns(HubWarning, match=r"4 times another scale is not to be trusted.* fit=True"):
        (as_it_is,) = hub.generate("cyclegan-dbt", inputs=large, fit=False)
    other = as_it_is.arrays["image"][0, 2::4, 2::4].astype(int)
    assert np.abs(other - batch.arrays["image"][0]).mean() > 6


def test_the_breast_stays_where_it_is_and_air_stays_dark(hub):
    (batch,) = hub.generate("cyclegan-dbt", 4, seed=11)
    mammograms, images = batch.arrays["mammogram"][..., 0], batch.arrays["image"][..., 0]
    air = mammograms == 0
    assert air.mean() > 0.2
    assert np.percentile(images[air], 95) < 15
    assert images[~air].mean() > 50
    for mammogram, image in zip(mammograms, images, strict=True):
        assert np.corrcoef(mammogram.ravel(), image.ravel())[0, 1] > 0.7


def test_given_inputs_are_not_called_synthetic(hub, tmp_path):
    Image.fromarray(ramp()).save(tmp_path / "real.png")
    saved = hub.save("cyclegan-dbt", None, tmp_path / "out", inputs=tmp_path / "real.png")
    row = json.loads(saved.manifest.read_text())
    assert row["input"] == "real.png"
    with Image.open(tmp_path / "out" / row["files"]["mammogram"]["path"]) as picture:
        assert picture.text["Synthetic"] == "not known"
    with Image.open(tmp_path / "out" / row["files"]["image"]["path"]) as picture:
        assert picture.text["Synthetic"] == "yes"


def test_inputs_are_not_overwritten_by_what_is_made_of_them(hub, tmp_path):
    path = tmp_path / "out" / "real.png"
    path.parent.mkdir()
    Image.fromarray(ramp()).save(path)
    with pytest.raises(OutputError, match="the input images lie in"):
        hub.save("cyclegan-dbt", None, tmp_path / "out", inputs=path, overwrite=True)
    assert [entry.name for entry in path.parent.iterdir()] == ["real.png"]


def test_the_simulator_depends_on_its_random_numbers_alone():
    first, again, other = (
        simulate_mammogram(np.random.default_rng(seed), size=64) for seed in (0, 0, 1)
    )
    assert (first.shape, first.dtype) == ((64, 64), np.float32)
    assert first.min() == 0
    assert 0.5 < first.max() <= 1
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_metadata_says_which_images_the_network_was_trained_on(hub):
    (trained,) = (entry.trained for entry in hub.model("cyclegan-dbt").metadata.inputs)
    images = [simulate_mammogram(np.random.default_rng(seed)) for seed in range(24)]
    assert {image.shape for image in images} == {trained.size}
    assert trained.spacing == (FIELD_MM / trained.size[0],) * 2
    percentiles = np.mean([np.percentile(image, (1, 99)) for image in images], axis=0)
    assert percentiles == pytest.approx(trained.grey_range, abs=0.005)


def test_the_simulator_refuses_a_size_that_shows_nothing():
    with pytest.raises(ValueError, match="8"):
        simulate_mammogram(np.random.default_rng(0), size=8)
