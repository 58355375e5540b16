"""The networks of SinGAN, held against what the published ones give."""

from __future__ import annotations

import json
import zlib

import numpy as np
import pytest
import torch

from medigan_hub import WeightsError, networks
from medigan_hub.networks.singan import (
    SinganPyramid,
    SinganScale,
    build_pyramid,
    level_sizes,
    resize,
)
from support import REFERENCE


def random(name):
    return np.random.Generator(np.random.Philox(key=zlib.crc32(name.encode())))


def tensor_of(key, shape):
    """Return the tensor that the reference was measured with, made from its key alone."""
    if key.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    values = random(key).standard_normal(shape, dtype=np.float32)
    if key.endswith("running_var"):
        values = 1 + np.float32(0.1) * np.abs(values)
    elif len(shape) > 1:
        values /= np.float32(np.sqrt(np.prod(shape[1:])))
    elif key.endswith("weight"):
        values = 1 + np.float32(0.1) * values
    else:
        values *= np.float32(0.1)
    return torch.from_numpy(np.asarray(values))


def inputs_of(reference):
    found = []
    for entry in reference["inputs"].values():
        rng = random(entry["array"])
        if entry["kind"] == "normal":
            values = rng.standard_normal(entry["shape"], dtype=np.float32)
        else:
            values = 2 * rng.random(entry["shape"], dtype=np.float32) - 1
        found.append(torch.from_numpy(values))
    return found


def read(name):
    reference = json.loads((REFERENCE / f"{name}.json").read_text())
    weights = {key: tensor_of(key, shape) for key, shape in reference["layout"]}
    return reference, weights, np.load(REFERENCE / f"{name}.npz")["image"]


def run(network, *arrays, **named):
    with torch.inference_mode():
        return network(*arrays, **named)


def largest_difference(image, expected):
    return np.abs(image.numpy() - expected).max() / np.abs(expected).max()


@pytest.fixture
def pyramid():
    reference, weights, _ = read("singan-pyramid")
    settings = reference["hyperparameters"]
    scales = [
        {
            key.removeprefix(f"scale{number}."): tensor
            for key, tensor in weights.items()
            if key.startswith(f"scale{number}.")
        }
        for number in range(len(settings["sizes"]))
    ]
    return build_pyramid(scales, settings["noise_amplitudes"], settings["scale_factor"])


def small_pyramid(scales=3, channels=3):
    torch.manual_seed(0)
    parts = [SinganScale(channels, (6, 4, 4, 4)) for _ in range(scales)]
    return SinganPyramid(parts, [1.0, 0.3, 0.2][:scales], 0.75).eval()


def noise_for(pyramid, height, width, count=1, channels=3):
    sizes = level_sizes(len(pyramid.scales), pyramid.factor, height, width)
    return [torch.randn(count, channels if n else 1, *size) for n, size in enumerate(sizes)]


def test_a_scale_matches_the_published_implementation():
    reference, weights, expected = read("singan-scale")
    network = networks.build("singan-scale", weights)
    assert not network.training
    assert largest_difference(run(network, *inputs_of(reference)), expected) <= 1e-4


def test_a_scale_keeps_the_published_checkpoint_layout():
    reference, weights, _ = read("singan-scale")
    state = networks.build("singan-scale", weights).state_dict()
    assert [[key, list(tensor.shape)] for key, tensor in state.items()] == reference["layout"]


def test_the_pyramid_matches_the_published_implementation(pyramid):
    reference, _, expected = read("singan-pyramid")
    assert not pyramid.training
    # The reference allows 0.03; the 8-bit step, where that came from, is the same here.
    assert largest_difference(run(pyramid, *inputs_of(reference)), expected) <= 1e-4


def test_the_pyramid_keeps_the_published_checkpoint_layout(pyramid):
    reference, _, _ = read("singan-pyramid")
    state = pyramid.state_dict()
    assert [[key, list(tensor.shape)] for key, tensor in state.items()] == reference["layout"]


@pytest.mark.parametrize(("channels", "widths", "kernel"), [(3, (6, 5, 4), 3), (1, (4,), 5)])
def test_widths_and_depths_are_read_off_the_tensors(channels, widths, kernel):
    original = SinganScale(channels, widths, kernel).eval()
    # A file may hold the tensors in any order.
    shuffled = dict(sorted(original.state_dict().items(), reverse=True))
    rebuilt = networks.build("singan-scale", shuffled)
    x = torch.randn(1, channels, 20, 16)
    assert torch.equal(run(original, x, x / 2), run(rebuilt, x, x / 2))


def test_a_pyramid_comes_back_from_its_tensors():
    original = small_pyramid()
    rebuilt = SinganPyramid.from_state_dict(original.tensors())
    noise = noise_for(original, 40, 31)
    assert torch.equal(run(original, *noise), run(rebuilt, *noise))


@pytest.mark.parametrize("size", [(5, 9), (33, 33), (64, 20), (51, 150)])
def test_noise_of_any_size_makes_an_image_of_that_size(size):
    pyramid = small_pyramid()
    image = run(pyramid, *noise_for(pyramid, *size))
    assert image.shape == (1, 3, *size)
    assert image.isfinite().all()


def test_a_sample_does_not_depend_on_those_beside_it():
    pyramid = small_pyramid()
    noise = noise_for(pyramid, 40, 31, count=5)
    alone = [run(pyramid, *(maps[n : n + 1] for maps in noise)) for n in range(5)]
    assert torch.equal(run(pyramid, *noise), torch.cat(alone))


def test_the_finest_scales_can_start_from_an_image():
    pyramid = small_pyramid()
    noise = noise_for(pyramid, 40, 31)
    coarsest = SinganPyramid(pyramid.scales[:1], [1.0], 0.75).eval()
    start = run(coarsest, noise[0])
    assert torch.equal(run(pyramid, *noise[1:], image=start), run(pyramid, *noise))
    bright = run(pyramid, *noise[1:], image=torch.ones_like(start))
    assert bright.mean() > run(pyramid, *noise).mean()


def test_a_pyramid_is_not_run_with_maps_that_do_not_fit_it():
    pyramid = small_pyramid()
    noise = noise_for(pyramid, 40, 31)
    with pytest.raises(ValueError, match="2 noise maps for 3 scales"):
        pyramid(*noise[1:])
    with pytest.raises(ValueError, match="4 noise maps for 3 scales"):
        pyramid(*noise, noise[-1], image=torch.zeros(1, 3, 5, 5))


def test_resizing_keeps_the_mean_and_whole_grey_levels():
    flat = torch.full((1, 2, 24, 41), 0.5)
    for scale in (0.77, 1 / 0.77, 0.3):
        resized = resize(flat, scale)
        assert resized.shape[2:] == tuple(int(np.ceil(n * scale)) for n in (24, 41))
        assert torch.allclose(resized, torch.tensor(2 * 191 / 255 - 1), atol=1e-5)


def test_weights_of_another_network_are_refused_in_one_line():
    _, weights, _ = read("singan-scale")
    one_line = r"^the weights are not those of a SinGAN {}: [^\n]*{}[^\n]*$"
    with pytest.raises(WeightsError, match=one_line.format("scale", r"head\.conv\.weight")):
        networks.build("singan-scale", {"layer.weight": torch.zeros(1)})
    with pytest.raises(WeightsError, match=one_line.format("scale", "found none")):
        networks.build("singan-scale", {})
    del weights["body.block2.norm.bias"]
    with pytest.raises(WeightsError, match=one_line.format("scale", r"body\.block2\.norm\.bias")):
        networks.build("singan-scale", weights)

    tensors = small_pyramid().tensors()
    for missing in ("amplitudes", "factor"):
        rest = {key: tensor for key, tensor in tensors.items() if key != missing}
        with pytest.raises(WeightsError, match=one_line.format("pyramid", missing)):
            SinganPyramid.from_state_dict(rest)
    for wrong in ({}, weights, {**tensors, "scale7.tail.0.bias": torch.zeros(3)}):
        with pytest.raises(WeightsError, match=one_line.format("pyramid", "expected")):
            SinganPyramid.from_state_dict(wrong)


def test_each_scale_needs_an_amplitude():
    with pytest.raises(WeightsError, match="of 2 scales comes with 1 amplitudes"):
        SinganPyramid([SinganScale(), SinganScale()], [1.0], 0.75)
    with pytest.raises(WeightsError, match="one scale at least"):
        build_pyramid([], [], 0.75)
