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


def tensor_of(key: str, shape: list[int], gain: str = "scaled") -> torch.Tensor:
    """Return the tensor that the reference was measured with, made from its key alone."""
    if key.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    values = _random(key).standard_normal(shape, dtype=np.float32)
    if key.endswith("running_var"):
        return torch.from_numpy((1 + 0.1 * np.abs(values)).astype(np.float32))
    if key.endswith(("weight_u", "weight_v")):
        values = np.abs(values)
        return torch.from_numpy((values / np.linalg.norm(values)).astype(np.float32))
    if gain == "spectral" and key.endswith("weight_orig"):
        return torch.from_numpy((values + 0.5).astype(np.float32))
    if len(shape) == 1 and key.endswith("weight"):
        return torch.from_numpy((1 + 0.1 * values).astype(np.float32))
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
    with pytest.raises(HubError, match="no network 'transformer'; the hub has fastgan-polyp, "):
        networks.build("transformer", {})


def test_an_unknown_setting_is_answered_with_those_that_exist(weights, fastgan_weights):
    with pytest.raises(HubError, match="resnet-translator has no setting noise; it has none"):
        networks.build("resnet-translator", weights, noise=False)
    with pytest.raises(HubError, match="fastgan-polyp has no setting ngf, size; it has noise"):
        networks.build("fastgan-polyp", fastgan_weights, size=256, noise=False, ngf=64)


@pytest.fixture(scope="module")
def fastgan_reference():
    return json.loads((REFERENCE / "fastgan-polyp.json").read_text())


@pytest.fixture(scope="module")
def fastgan_weights(fastgan_reference):
    gain = fastgan_reference["gain"]
    return {key: tensor_of(key, shape, gain) for key, shape in fastgan_reference["layout"]}


@pytest.fixture(scope="module")
def latents(fastgan_reference):
    entry = fastgan_reference["inputs"]["z"]
    values = _random(entry["array"]).standard_normal(entry["shape"], dtype=np.float32)
    return torch.from_numpy(values)


@pytest.fixture
def fastgan(fastgan_weights):
    return networks.build("fastgan-polyp", fastgan_weights)


def test_fastgan_matches_the_published_implementation(fastgan_reference, fastgan, latents):
    assert not fastgan.training
    with torch.inference_mode():
        image = fastgan(latents).numpy()
    step = fastgan_reference["outputs"]["image"]["stored_every"]
    expected = np.load(REFERENCE / "fastgan-polyp.npz")["image"]
    assert np.abs(image[..., ::step, ::step] - expected).max() <= 1e-4 * np.abs(expected).max()


def test_fastgan_keeps_the_published_checkpoint_layout(fastgan_reference, fastgan):
    layout = [[key, list(tensor.shape)] for key, tensor in fastgan.state_dict().items()]
    assert layout == fastgan_reference["layout"]


def test_spectral_norms_can_be_folded_into_the_weights(fastgan, latents):
    from medigan_hub.networks.fastgan import fold_spectral_norm

    with torch.inference_mode():
        before = fastgan(latents)
        after = fold_spectral_norm(fastgan)(latents)
    assert (before - after).abs().max() <= 1e-5 * before.abs().max()
    assert not [key for key in fastgan.state_dict() if key.endswith(("_orig", "_u", "_v"))]


def test_the_noise_of_fastgan_follows_the_random_state_of_pytorch(fastgan_weights, latents):
    network = networks.build("fastgan-polyp", fastgan_weights, noise=True)
    images = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        with torch.inference_mode():
            images.append(network(latents[:1]))
    assert torch.equal(images[0], images[1])
    assert not torch.equal(images[0], images[2])


@pytest.mark.parametrize("widths", [{4: 8, 8: 6, 16: 4, 32: 4, 64: 2}, {4: 4, 8: 4, 16: 2, 32: 2}])
def test_sizes_and_widths_of_fastgan_are_read_off_the_tensors(widths):
    from medigan_hub.networks.fastgan import FastGan

    original = FastGan(5, 2, widths).eval()
    rebuilt = networks.build("fastgan-polyp", original.state_dict())
    z = torch.randn(3, 5)
    with torch.inference_mode():
        image = rebuilt(z)
        assert image.shape == (3, 2, max(widths), max(widths))
        assert torch.equal(original(z), image)


def test_weights_of_another_network_are_not_a_fastgan(fastgan_weights):
    with pytest.raises(WeightsError, match=r"expected keys such as init\.init\.0\.weight_orig"):
        networks.build("fastgan-polyp", {"layer.weight": torch.zeros(1)})
    without = {k: v for k, v in fastgan_weights.items() if k != "se_128.main.3.weight_u"}
    with pytest.raises(WeightsError, match=r"^[^\n]*se_128\.main\.3\.weight_u[^\n]*$"):
        networks.build("fastgan-polyp", without)
