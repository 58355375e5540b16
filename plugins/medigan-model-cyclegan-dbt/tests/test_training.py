"""The commands that made the weights still run; a minute of them makes no model."""

from __future__ import annotations

import json

import numpy as np
import pytest

from medigan_hub.plugin import build, read_tensors

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(tmp_path_factory, run):
    folder = tmp_path_factory.mktemp("training")
    sizes = ("--train", "6", "--test", "6", "--size", "48", "--workers", "2")
    run("simulate.py", *sizes, folder=folder)
    return folder


def test_no_image_stands_in_two_sets(data):
    stacks = [np.load(path) for path in sorted((data / "data").glob("*.npy"))]
    assert len(stacks) >= 4
    images = [image.tobytes() for stack in stacks for image in stack]
    assert len(set(images)) == len(images)


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


def test_evaluation_measures_the_gap(data, run):
    options = ("--limit", "6", "--resamples", "2", "--json")
    result = json.loads(run("evaluate.py", *options, folder=data))
    assert result["images_per_set"] == 6
    for metric in ("frechet", "sliced_wasserstein"):
        found = result[metric]
        gap = found["mammograms"] - found["floor"]
        closed = found["mammograms"] - found["translated"]
        assert found["gap_closed"] == pytest.approx(closed / gap)
