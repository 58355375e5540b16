"""The commands that made the weights still run; seconds of them make no model."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from medigan_hub.plugin import read_tensors
from medigan_model_singan_fundus import SCALES, FundusNetwork

pytestmark = pytest.mark.slow

TRAINING = Path(__file__).parent.parent / "training"
SMALL = ("--effort", "0", "--pieces", "6", "--width", "4")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, run):
    folder = tmp_path_factory.mktemp("training")
    return folder, run("train.py", *SMALL, folder=folder)


def test_training_exports_weights_that_the_model_takes(trained):
    folder, output = trained
    assert all(f"scale {level}" in output for level in range(SCALES))
    network = FundusNetwork(read_tensors(folder / "run" / "generator.safetensors"))
    assert len(network.pyramid.scales) == SCALES


def test_training_goes_on_after_its_last_finished_scale(trained, run):
    folder, _ = trained
    weights = folder / "run" / "generator.safetensors"
    before = weights.read_bytes()
    weights.unlink()
    (folder / "run" / f"scale{SCALES - 1}.pt").unlink()
    output = run("train.py", *SMALL, folder=folder)
    assert f"scale {SCALES - 1}" in output
    assert "scale 0," not in output, "it began anew"
    assert weights.read_bytes() == before


def test_evaluation_measures_diversity_and_colour(trained, run):
    folder, _ = trained
    weights = ("--weights", str(folder / "run" / "generator.safetensors"))
    result = json.loads(run("evaluate.py", *weights, "--limit", "4", "--json", folder=folder))
    assert result["samples"] == 4
    assert result["diversity"]["samples"] > result["diversity"]["same_layout"] >= 0
    assert result["colour"]["training"]["mean"][0] > result["colour"]["training"]["mean"][2] > 0


def test_held_out_windows_are_pieces_of_the_held_out_regions(tmp_path, run):
    code = """
import numpy as np
from photograph import region
names = ("held_out_left", "held_out_right")
np.savez("regions.npz", **{name: np.rint(region(name) * 255).astype(np.uint8) for name in names})
"""
    run("-c", code, folder=tmp_path)
    run("held_out.py", "-n", "4", folder=tmp_path)
    images = np.load(tmp_path / "held_out.npy")
    assert images.shape == (4, 64, 64, 3)
    regions = np.load(tmp_path / "regions.npz")
    for n, image in enumerate(images):
        region = regions[("held_out_left", "held_out_right")[n % 2]]
        pieces = np.lib.stride_tricks.sliding_window_view(region, image.shape)[:, :, 0]
        ways = [image[::a, ::b] for a in (1, -1) for b in (1, -1)]
        assert any((pieces == way).all(axis=(2, 3, 4)).any() for way in ways)


def test_held_out_regions_do_not_meet_the_training_region():
    sys.path.insert(0, str(TRAINING))
    try:
        from photograph import REGIONS
    finally:
        sys.path.remove(str(TRAINING))
    boxes = [(t, left, t + h, left + w) for t, left, h, w in REGIONS.values()]
    for n, one in enumerate(boxes):
        for other in boxes[n + 1 :]:
            apart = one[2] <= other[0] or other[2] <= one[0]
            assert apart or one[3] <= other[1] or other[3] <= one[1]
