"""The commands that made the weights still run; a minute of them makes no model."""

from __future__ import annotations

import json

import numpy as np
import pytest

from medigan_hub.plugin import build, read_tensors
from medigan_model_fastgan_brain_mri import plugin

pytestmark = pytest.mark.slow


def test_simulated_slices_follow_their_numbers(tmp_path, run):
    code = """
import numpy as np
from simulate import COEFFICIENTS, Simulator, draw
simulator, rng = Simulator(), np.random.default_rng(0)
coefficients, heights = draw(rng, 4, np.array([-30.0, 0.0, 60.0]))
coefficients[1], heights[:] = coefficients[0], (20, 20, 20, -30)
slices = simulator.slices(coefficients, heights)
np.save("slices.npy", slices.numpy())
print(COEFFICIENTS)
"""
    assert int(run("-c", code, folder=tmp_path)) == plugin.metadata.latent.size
    first, same, other, low = np.load(tmp_path / "slices.npy")
    assert first.shape == (3, 128, 128)
    assert min(first.min(), low.min()) == -1
    assert max(first.max(), low.max()) <= 1
    assert np.abs(first - same).max() < 1e-5
    assert np.abs(first - other).mean() > 0.02
    image, grey, white = first
    assert image[white > 0].mean() > image[grey > 0].mean() > image[(grey < 0) & (white < 0)].mean()
    assert (grey + white).max() < 0.1, "what is grey matter is no white matter"


def test_training_goes_on_from_its_checkpoint_and_exports_weights(tmp_path, run):
    small = ("--ngf", "2", "--ndf", "4", "--save-every", "2")
    small = (*small, "--coarse-steps", "2", "--warm-steps", "4")
    run("train.py", "--steps", "4", *small, folder=tmp_path)
    weights = tmp_path / "run" / "generator.safetensors"
    build("fastgan-polyp", read_tensors(weights))
    before = weights.read_bytes()
    output = run("train.py", "--steps", "6", *small, folder=tmp_path)
    assert "step 6:" in output
    assert "step 4:" not in output, "it began anew"
    assert weights.read_bytes() != before
    assert len(list((tmp_path / "run" / "samples").glob("*.png"))) == 3


def test_held_out_slices_are_of_heights_between_those_of_training(tmp_path, run):
    code = """
import numpy as np
from held_out import HEIGHTS, held_out
from simulate import Simulator
from train import HEIGHTS as SEEN
assert not set(HEIGHTS) & set(SEEN)
np.save("slices.npy", held_out(Simulator(), 3, 7))
"""
    run("-c", code, folder=tmp_path)
    run("held_out.py", "-n", "3", "-o", "made/held_out.npy", folder=tmp_path)
    images = np.load(tmp_path / "made" / "held_out.npy")
    assert images.dtype == np.uint8
    slices = np.load(tmp_path / "slices.npy")
    assert slices.shape == (3, 128, 128, 3)
    assert np.abs(images / 255 - slices[..., :1]).max() < 1e-6


def test_evaluation_measures_areas_masks_and_variety(tmp_path, run):
    options = ("--limit", "36", "--unet-steps", "2", "--json")
    report = json.loads(run("evaluate.py", *options, folder=tmp_path))
    assert report["slices_per_set"] == 36
    for metric in ("area_difference.grey", "unet_dice.white"):
        for which in ("synthetic", "real"):
            assert report[metric][which] >= 0
    assert report["variety"]["synthetic"] > 1
