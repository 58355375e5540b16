from __future__ import annotations

import hashlib
import json
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from medigan_hub import Hub, HubError, PluginError, RequestError
from medigan_hub.metadata import Output
from medigan_hub.models.base import to_pixels
from medigan_hub.runtimes import Network
from medigan_hub.runtimes.base import choose_device
from medigan_hub.runtimes.torch import TorchRuntime
from support import toys

BYTES = Output("image", "image", (None, None, 1), "uint8", (0, 255))

# Doubles what it gets, with a weight that counts how often it was loaded.
TRANSLATOR = toys.code("doubler")


@pytest.fixture
def translator(install, document):
    document |= {
        "task": "image-to-image",
        "framework": "PyTorch",
        "inputs": [{"name": "source", "kind": "image", "channels": ["i"], "required": True}],
    }
    del document["latent"]
    document["outputs"][0]["shape"] = [None, None, 1]
    package = install(document=document, code=TRANSLATOR)
    save_file({"factor": torch.tensor(2.0)}, package / "weights.bin")
    content = (package / "weights.bin").read_bytes()
    document["weights"][0]["runtime"] = "torch"
    document["weights"][0]["files"][0]["sha256"] = hashlib.sha256(content).hexdigest()
    (package / "metadata.json").write_text(json.dumps(document))
    return package


def module():
    return sys.modules["medigan_model_toy_noise"]


def test_images_go_through_the_network_and_come_back_in_their_size(translator, ramp):
    batches = list(Hub().generate("toy-noise", inputs=[ramp, ramp, ramp[:7, :9]], batch_size=8))
    assert [batch.indices.tolist() for batch in batches] == [[0, 1], [2]]
    assert module().loaded[0].seen == [(2, 1, 24, 32), (1, 1, 16, 16)]
    for batch, image in zip(batches, (ramp, ramp[:7, :9]), strict=True):
        expected = np.clip(np.rint(2 * image.astype(np.float32) - 127.5), 0, 255)
        assert np.abs(batch.arrays["image"][0] - expected).max() <= 1
        assert np.array_equal(batch.arrays["source"][0], image)


def test_16_bit_inputs_mean_the_same_as_8_bit_ones(translator, ramp):
    deep = ramp.astype(np.uint16) * np.uint16(257)
    (shallow,) = Hub().generate("toy-noise", inputs=ramp)
    (batch,) = Hub().generate("toy-noise", inputs=deep)
    assert np.array_equal(shallow.arrays["image"], batch.arrays["image"])
    assert batch.arrays["source"].dtype == np.uint16


def test_weights_are_loaded_once_in_a_process(translator, ramp):
    for _ in range(3):
        list(Hub().generate("toy-noise", inputs=ramp))
    assert len(module().loaded) == 1


def test_the_number_of_inputs_is_the_number_of_samples(translator, ramp):
    hub = Hub()
    assert sum(map(len, hub.generate("toy-noise", inputs=[ramp] * 11))) == 11
    assert sum(map(len, hub.generate("toy-noise", 3, inputs=[ramp] * 11))) == 3
    with pytest.raises(RequestError, match="12 samples were asked for, but there are 11 input"):
        hub.generate("toy-noise", 12, inputs=[ramp] * 11)


def test_a_model_that_needs_input_says_so(translator):
    with pytest.raises(RequestError, match="toy-noise needs input images"):
        Hub().generate("toy-noise", 1)


def test_bfloat16_is_used_where_asked_for(translator, ramp):
    (exact,) = Hub().generate("toy-noise", inputs=ramp)
    (coarse,) = Hub().generate("toy-noise", inputs=ramp, precision="bfloat16")
    difference = np.abs(exact.arrays["image"].astype(int) - coarse.arrays["image"])
    assert difference.max() <= 3


def test_weights_in_another_format_are_refused(translator, ramp):
    (translator / "weights.bin").write_bytes(b"\x80\x04.")  # a pickle
    document = json.loads((translator / "metadata.json").read_text())
    document["weights"][0]["files"][0]["sha256"] = hashlib.sha256(b"\x80\x04.").hexdigest()
    (translator / "metadata.json").write_text(json.dumps(document))
    with pytest.raises(HubError, match="not a checkpoint that can be read"):
        Hub().generate("toy-noise", inputs=ramp)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:7"])
def test_a_device_that_this_machine_lacks_is_refused(translator, ramp, device):
    with pytest.raises(RequestError, match=f"device {device} is not available; .* cpu"):
        Hub().generate("toy-noise", inputs=ramp, device=device)


def test_auto_is_the_fastest_device():
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    if torch.backends.mps.is_available():
        expected = "mps"
    devices = TorchRuntime.devices()
    assert choose_device("auto", devices).partition(":")[0] == expected
    assert choose_device("cpu", devices) == "cpu"


def test_running_out_of_memory_is_said_in_words(translator, tmp_path):
    weights = tmp_path / "weights.safetensors"
    save_file({"factor": torch.tensor(2.0)}, weights)

    class Greedy(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.empty(2**50)

    runtime = TorchRuntime(Network(lambda tensors: Greedy()))
    network = runtime.open({"network": weights}, "cpu", "float32")
    with pytest.raises(RequestError, match="batch of 3 does not fit into memory"):
        network(np.zeros((3, 4, 4, 1), np.float32))


def test_pixels_are_rounded_and_clipped():
    values = np.array([-2, -1, 0, 0.5, 1, 2], np.float32)
    assert to_pixels(values, (-1, 1), BYTES).tolist() == [0, 0, 128, 191, 255, 255]
    unit = Output("image", "image", (None,), "float32", (0, 1))
    assert to_pixels(values, (-1, 1), unit).tolist() == [0, 0, 0.5, 0.75, 1, 1]


def test_values_that_are_not_numbers_never_become_pixels():
    with pytest.raises(PluginError, match="not numbers"):
        to_pixels(np.array([np.nan], np.float32), (-1, 1), BYTES)


def test_a_missing_framework_names_the_extra(translator, ramp, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(HubError, match=r"needs torch, .* pip install 'medigan-hub\[torch\]'"):
        Hub().generate("toy-noise", inputs=ramp)
