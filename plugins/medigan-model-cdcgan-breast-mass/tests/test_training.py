"""The commands that made the weights still run; a minute of them makes no model."""

from __future__ import annotations

import json

import numpy as np
import pytest

from medigan_hub.plugin import WeightsError
from medigan_model_cdcgan_breast_mass import plugin

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(tmp_path_factory, run):
    folder = tmp_path_factory.mktemp("training")
    run("simulate.py", "--train", "8", "--test", "8", "--workers", "1", folder=folder)
    return folder


def test_every_set_holds_both_classes_and_no_patch_stands_in_two(data):
    images = []
    for name in ("train", "test", "floor"):
        with np.load(data / "data" / f"{name}.npz") as stored:
            assert stored["labels"].tolist() == [0, 1] * 4
            assert stored["masks"].any(axis=(1, 2)).all()
            images += [image.tobytes() for image in stored["images"]]
    assert len(set(images)) == 24


def test_the_held_out_patches_are_those_of_the_test_set(data, run):
    run("held_out.py", "-n", "4", "--workers", "1", folder=data)
    held_out = np.load(data / "held_out.npy")
    assert held_out.dtype == np.uint8
    with np.load(data / "data" / "test.npz") as stored:
        assert np.array_equal(held_out, stored["images"][:4, ..., np.newaxis])


def test_training_goes_on_from_its_checkpoint_and_exports_weights(data, run):
    small = ("--steps", "1", "0", "1", "--batch", "2", "2", "2", "--width", "0.125")
    options = (*small, "--save-every", "1", "--threads", "1")
    run("train.py", *options, "--until", "1", folder=data)
    weights = data / "run" / "generator.weights.h5"
    before = weights.read_bytes()
    output = run("train.py", *options, folder=data)
    assert "step 2 at 128 pixels" in output
    assert "step 1 " not in output, "it began anew"
    assert weights.read_bytes() != before
    # The plugin's network is wider.
    with pytest.raises(WeightsError, match="does not fit"):
        plugin.runtime("tensorflow").open({"network": weights}, "cpu", "float32")


def test_evaluation_measures_shapes_and_use(data, run):
    options = ("--limit", "8", "--epochs", "1", "--json")
    result = json.loads(run("evaluate.py", *options, folder=data))
    assert result["patches_per_set"] == 8
    assert result["empty_masks"] == 0
    for name in ("synthetic", "reference"):
        shapes = result["by_class"][name]
        assert shapes["benign"]["circularity"][0] > shapes["malignant"]["circularity"][0]
        assert shapes["malignant"]["solidity"][0] < shapes["benign"]["solidity"][0] <= 1
    for value in result["auc_trained_on"].values():
        assert 0 <= value <= 1
