from __future__ import annotations

import json
import math
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from medigan_hub import HubError, WeightsError, networks

REFERENCE = Path(__file__).parent / "reference"


def _random(name: str) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=zlib.crc32(name.encode())))


def tensor_of(key: str, shape: list[int]) -> torch.Tensor:
    """Return the tensor that the reference was measured with, made from its key alone."""
    values = _random(key).standard_normal(shape, dtype=np.float32)
    scale = 1 / math.sqrt(math.prod(shape[1:])) if len(shape) > 1 else 0.1
    return torch.from_numpy((values * np.float32(scale)).astype(np.float32))


@pytest.fixture
def reference():
    return json.loads((REFERENCE / "resnet-translator.json").read_text())


@pytest.fixture
def weights(reference):
    return {key: tensor_of(key, shape) for key, shape in reference["layout"]}


def test_the_translator_matches_the_published_implementation(reference, weights):
    entry = reference["inputs"]["x"]
    x = 2 * _random(entry["array"]).random(entry["shape"], dtype=np.float32) - 1
    network = networks.build("resnet-translator", weights)
    assert not network.training
    with torch.inference_mode():
        image = network(torch.from_numpy(x)).numpy()
    step = reference["outputs"]["image"]["stored_every"]
    expected = np.load(REFERENCE / "resnet-translator.npz")["image"]
    assert np.abs(image[..., ::step, ::step] - expected).max() <= 1e-4 * np.abs(expected).max()


def test_the_translator_keeps_the_published_checkpoint_layout(reference, weights):
    state = networks.build("resnet-translator", weights).state_dict()
    assert [[key, list(tensor.shape)] for key, tensor in state.items()] == reference["layout"]


def test_statistics_in_checkpoints_of_old_pytorch_are_left_out(weights):
    weights["model.2.running_mean"] = torch.zeros(64)
    weights["model.2.running_var"] = torch.ones(64)
    weights["model.2.num_batches_tracked"] = torch.tensor(3)
    networks.build("resnet-translator", weights)


@pytest.mark.parametrize(
    "settings",
    [
        {"ngf": 4, "n_blocks": 2, "n_downsampling": 1},
        {"ngf": 8, "n_blocks": 6, "n_downsampling": 3, "input_nc": 3, "output_nc": 2},
    ],
)
def test_widths_and_depths_are_read_off_the_tensors(settings):
    from medigan_hub.networks.resnet_translator import ResnetTranslator

    original = ResnetTranslator(**settings).eval()
    rebuilt = networks.build("resnet-translator", original.state_dict())
    x = torch.rand(1, settings.get("input_nc", 1), 32, 24)
    with torch.inference_mode():
        assert torch.equal(original(x), rebuilt(x))


def test_weights_of_another_network_are_refused_in_words(weights):
    with pytest.raises(WeightsError, match="not those of a ResNet translator"):
        networks.build("resnet-translator", {"layer.weight": torch.zeros(1)})
    del weights["model.14.conv_block.5.weight"]
    with pytest.raises(WeightsError, match=r"model\.14\.conv_block\.5\.weight"):
        networks.build("resnet-translator", weights)


def test_an_unknown_network_is_answered_with_those_that_exist():
    with pytest.raises(HubError, match="no network 'transformer'; the hub has resnet-translator"):
        networks.build("transformer", {})
