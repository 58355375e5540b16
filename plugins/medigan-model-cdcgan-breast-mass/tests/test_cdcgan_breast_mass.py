from __future__ import annotations

import numpy as np
import pytest

from medigan_hub.plugin import Hub, RequestError, WeightsError
from medigan_model_cdcgan_breast_mass import plugin
from medigan_model_cdcgan_breast_mass.network import generator

MODEL = "cdcgan-breast-mass"
CLASSES = ["benign", "malignant"]


@pytest.fixture(scope="module")
def hub():
    return Hub()


@pytest.fixture(scope="module")
def both(hub):
    """16 samples, benign and malignant in turn."""
    (batch,) = hub.generate(MODEL, 16, seed=7, balance=True, batch_size=16)
    return batch.arrays


def joined(batches):
    batches = list(batches)
    names = batches[0].arrays
    return {name: np.concatenate([batch.arrays[name] for batch in batches]) for name in names}


def circularity(mask):
    """4 pi area / perimeter squared; the perimeter as total variation along four directions."""
    padded = mask.astype(int)
    steps = [((0, 1), 1.0), ((1, 0), 1.0), ((1, 1), 2**-0.5), ((1, -1), 2**-0.5)]
    # Crofton's formula: crossings of lines in four directions, by their spacing.
    crossings = sum(
        spacing * np.abs(padded - np.roll(padded, shift, (0, 1))).sum() for shift, spacing in steps
    )
    perimeter = np.pi / 8 * crossings
    return 4 * np.pi * mask.sum() / perimeter**2


def test_a_sample_is_a_patch_with_a_mask_and_a_class(both):
    for name in ("image", "mask"):
        assert (both[name].shape, both[name].dtype) == ((16, 128, 128, 1), np.uint8)
        assert len({sample.tobytes() for sample in both[name]}) == 16
    assert set(np.unique(both["mask"])) == {0, 1}
    assert (both["mass"].shape, both["mass"].dtype) == ((16,), np.uint8)


@pytest.mark.parametrize("name", CLASSES)
def test_one_class_for_all(hub, name):
    (batch,) = hub.generate(MODEL, 3, seed=1, conditions={"mass": name}, batch_size=3)
    assert batch.arrays["mass"].tolist() == [CLASSES.index(name)] * 3


def test_a_balanced_set_holds_the_classes_in_turn(both):
    assert both["mass"].tolist() == [0, 1] * 8


def test_a_class_for_each_sample(hub):
    wanted = ["malignant", "benign", "benign"]
    (batch,) = hub.generate(MODEL, 3, seed=1, conditions={"mass": wanted}, batch_size=3)
    assert batch.arrays["mass"].tolist() == [1, 0, 0]


def test_without_a_condition_each_sample_draws_its_class(hub):
    drawn = joined(hub.generate(MODEL, 24, seed=3, batch_size=8))["mass"]
    assert 4 <= drawn.sum() <= 20
    (batch,) = hub.generate(MODEL, 4, seed=3, batch_size=4)
    assert batch.arrays["mass"].tolist() == drawn[:4].tolist()


def test_the_class_changes_the_mass_of_the_same_latent_vector(hub):
    one, other = (
        joined(hub.generate(MODEL, 2, seed=5, conditions={"mass": name})) for name in CLASSES
    )
    assert not np.array_equal(one["mask"], other["mask"])


def test_another_class_is_refused_in_one_line(hub):
    with pytest.raises(RequestError, match="lobular") as caught:
        list(hub.generate(MODEL, 1, conditions={"mass": "lobular"}))
    message = str(caught.value)
    assert "\n" not in message
    assert all(name in message for name in CLASSES)


def test_each_mask_holds_a_mass_inside_the_patch_that_is_brighter_than_its_surroundings(both):
    for image, mask in zip(both["image"][..., 0], both["mask"][..., 0].astype(bool), strict=True):
        assert 0.01 < mask.mean() < 0.4
        rows, columns = np.nonzero(mask)
        assert 40 < rows.mean() < 88
        assert 40 < columns.mean() < 88
        assert image[mask].mean() > image[~mask].mean() + 10


def test_benign_masses_are_rounder_than_malignant_ones(both):
    found = np.array([circularity(mask) for mask in both["mask"][..., 0]])
    benign, malignant = found[both["mass"] == 0], found[both["mass"] == 1]
    assert benign.mean() > malignant.mean() + 0.2
    assert np.median(benign) > malignant.max()


def test_weights_of_another_network_are_refused_in_one_line(tmp_path):
    path = tmp_path / "other.weights.h5"
    generator(widths=(8, 8, 8, 8, 8, 8)).save_weights(path)
    with pytest.raises(WeightsError, match="does not fit the network") as caught:
        plugin.runtime.open(path, "cpu", "float32")
    assert "\n" not in str(caught.value)
