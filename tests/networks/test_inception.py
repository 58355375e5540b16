"""FID's network, held against what the published implementation gives."""

from __future__ import annotations

import json
import math
import zlib

import numpy as np
import pytest
import torch

from medigan_hub import WeightsError
from medigan_hub.networks.inception import InceptionFid
from support import REFERENCE

LENGTHS = (64, 192, 768, 2048)


def random(name):
    return np.random.Generator(np.random.Philox(key=zlib.crc32(name.encode())))


def tensor_of(key, shape, factor):
    """Return the tensor that the reference was measured with, made from its key alone."""
    if key.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    values = random(key).standard_normal(shape, dtype=np.float32)
    if key.endswith("running_var"):
        values = 1 + 0.1 * np.abs(values)
    elif len(shape) > 1:
        values = values * np.float32(1 / math.sqrt(math.prod(shape[1:])))
        values = values * np.float32(factor if key.endswith("conv.weight") else 1)
    else:
        values = 1 + 0.1 * values if key.endswith("weight") else 0.1 * values
    return torch.from_numpy(np.asarray(values, np.float32))


@pytest.fixture(scope="module")
def facts():
    return json.loads((REFERENCE / "inception-fid.json").read_text())


@pytest.fixture(scope="module")
def network(facts):
    factor = facts["multiply"]["keys ending in conv.weight"]
    layout = facts["layout"].items()
    return InceptionFid.from_state_dict({k: tensor_of(k, shape, factor) for k, shape in layout})


def images_of(entry):
    """Return the reference's images of one size: (2, 3, height, width) float32, 0 to 255."""
    values = 2 * random(entry["array"]).random(entry["shape"], dtype=np.float32) - 1
    values = np.clip(np.floor((values + 1) * 128), 0, 255)
    return torch.from_numpy(values.repeat(12, axis=2).repeat(12, axis=3))


@pytest.mark.parametrize("size", ["small", "large"])
def test_it_matches_the_published_implementation(facts, network, size):
    expected = np.load(REFERENCE / "inception-fid.npz")
    images = images_of(facts["inputs"][size])
    with torch.inference_mode():
        found = {str(length): network(images, length).numpy() for length in LENGTHS}
    found["logits_unbiased"] = found["2048"] @ network.fc.weight.numpy(force=True).T
    for name, features in found.items():
        must = expected[f"{size}_{name}"]
        assert features.shape == must.shape
        assert np.abs(features - must).max() <= 1e-4 * np.abs(must).max()


def test_its_tensors_are_those_of_the_checkpoint(facts, network):
    layout = {key: list(tensor.shape) for key, tensor in network.state_dict().items()}
    assert layout == facts["layout"]
    assert not any(module.training for module in network.modules())


def test_other_numbers_of_features_are_refused(network):
    with pytest.raises(ValueError, match="there are 64, 192, 768, 2048 features, and not 100"):
        network(torch.zeros(1, 3, 299, 299), 100)


def test_other_tensors_are_refused(network):
    tensors = dict(network.state_dict())
    del tensors["fc.bias"]
    with pytest.raises(WeightsError, match=r"not those of FID's Inception network: missing: fc\."):
        InceptionFid.from_state_dict(tensors)
