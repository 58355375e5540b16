"""The commands that made the weights still run; a minute of them makes no model."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from medigan_hub.plugin import build, read_tensors

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(tmp_path_factory, run):
    folder = tmp_path_factory.mktemp("training")
    sizes = ("--size", "48", "--workers", "2")
    run("simulate.py", "--train", "6", *sizes, folder=folder)
    run("held_out.py", "-n", "4", *sizes, folder=folder)
    return folder


def test_held_out_images_are_stacks_of_grey_ones(data):
    for name in ("held_out.npy", "held_out_mammograms.npy"):
        images = np.load(data / name)
        assert images.shape == (4, 48, 48, 1)
        assert images.dtype == np.uint8


def test_no_image_stands_in_two_sets(data):
    paths = [*(data / "data").glob("*.npy"), *data.glob("*.npy")]
    assert len(paths) == 4
    images = [image.tobytes() for path in paths for image in np.load(path)]
    assert len(set(images)) == len(images) == 2 * 6 + 2 * 4


def test_training_goes_on_from_its_checkpoint_and_exports_weights(data, run):
    small = ("--ngf", "8", "--blocks", "1", "--ndf", "8", "--save-every", "2")
    run("train.py", "--steps", "2", *small, folder=data)
    weights = data / "run" / "generator.safetensors"
    build("resnet-translator", read_tensors(weights))
    before = weights.read_bytes()
    output = run("train.py", "--steps", "4", *small, folder=data)
    assert "step 4:" in output
    assert "step 2:" not in output, "it began anew"
    assert weights.read_bytes() != before


def test_evaluation_measures_what_translation_keeps(data, run):
    result = json.loads(run("evaluate.py", "--sheet", "sheet.png", "--json", folder=data))
    assert result["images"] == 4
    assert 0.8 < result["outline_dice"] < 1
    assert 0 < result["correlation_in_breast"] < 1
    assert 0 <= result["mean_level_of_air"] < 0.1
    with Image.open(data / "sheet.png") as sheet:
        assert sheet.size == (4 * 48, 3 * 48)
