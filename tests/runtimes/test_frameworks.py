"""The same small network in each framework, through the same lines."""

from __future__ import annotations

import copy
import hashlib
import importlib
import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf
import torch
from onnx import TensorProto, helper
from safetensors.torch import save_file

from medigan_hub import Hub, HubError, PluginError, RequestError, WeightsError

FRAMEWORKS = ("onnx", "tensorflow", "torch")

# A latent vector times a matrix, and brighter or not: (N, 48) and (N, 1) to (N, 8, 6, 2).
PLUGIN = """
import numpy as np
from medigan_hub.plugin import Network, NoiseToImage

class Toy(NoiseToImage):
    def network_inputs(self, request, indices):
        offset = [{"dark": -0.5, "bright": 0.5}[c] for c in request.condition("kind", indices)]
        return request.latents(indices), np.array(offset, np.float32)[:, np.newaxis]
"""
TORCH = """
import torch

class Module(torch.nn.Module):
    def __init__(self, tensors):
        super().__init__()
        self.matrix = tensors["matrix"]

    def forward(self, latents, offset):
        return torch.tanh(latents @ self.matrix + offset).reshape(-1, 8, 6, 2).movedim(-1, 1)

plugin = Toy(__file__, torch=Module)
"""
TENSORFLOW = """
def build(weights):
    import keras
    latents, offset = keras.Input((48,)), keras.Input((1,))
    values = keras.layers.Dense(96, use_bias=False, name="matrix")(latents)
    values = keras.layers.Activation("tanh")(keras.layers.Add()([values, offset]))
    model = keras.Model([latents, offset], keras.layers.Reshape((8, 6, 2))(values))
    model.load_weights(weights)
    return model

plugin = Toy(__file__, tensorflow=build)
"""
ONNX = """
plugin = Toy(__file__, onnx=Network(channels_first=False))
"""
CODES = {
    "torch": PLUGIN + TORCH,
    "tensorflow": PLUGIN + TENSORFLOW,
    "onnx": PLUGIN + ONNX,
}
MATRIX = np.random.default_rng(0).standard_normal((48, 96)).astype(np.float32) / 6


def save_torch(path: Path) -> None:
    save_file({"matrix": torch.from_numpy(MATRIX)}, path)


def save_tensorflow(path: Path) -> None:
    latents = keras.Input((48,))
    model = keras.Model(latents, keras.layers.Dense(96, use_bias=False, name="matrix")(latents))
    model.set_weights([MATRIX])
    model.save_weights(path)


def save_onnx(path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["latents", "matrix"], ["product"]),
        helper.make_node("Add", ["product", "offset"], ["sum"]),
        helper.make_node("Tanh", ["sum"], ["squashed"]),
        helper.make_node("Reshape", ["squashed", "shape"], ["image"]),
    ]
    shape = np.array([-1, 8, 6, 2], np.int64)
    graph = helper.make_graph(
        nodes,
        "toy",
        [
            helper.make_tensor_value_info("latents", TensorProto.FLOAT, ["n", 48]),
            helper.make_tensor_value_info("offset", TensorProto.FLOAT, ["n", 1]),
        ],
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 8, 6, 2])],
        [
            onnx.numpy_helper.from_array(MATRIX, "matrix"),
            onnx.numpy_helper.from_array(shape, "shape"),
        ],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, ir_version=10, opset_imports=opset), path)


SAVERS = {"torch": save_torch, "tensorflow": save_tensorflow, "onnx": save_onnx}
FILES = {"torch": "toy.safetensors", "tensorflow": "toy.weights.h5", "onnx": "toy.onnx"}


@pytest.fixture
def install_toy(install, document):
    """Return a function that installs the toy of a framework, and returns its package."""

    def install_framework(framework: str) -> Path:
        name = f"toy-{framework}"
        described = copy.deepcopy(document)
        image = described["outputs"][0]
        described |= {
            "name": name,
            "plugin": f"medigan-model-{name}",
            "task": "class-to-image",
            "framework": framework,
            "latent": {"size": 48, "distribution": "normal"},
            "conditions": [
                {
                    "name": "kind",
                    "type": "string",
                    "description": "How bright.",
                    "default": None,
                    "choices": ["dark", "bright"],
                }
            ],
            "outputs": [
                image,
                image | {"name": "mask", "kind": "mask", "range": [0, 1]},
                {
                    "name": "kind",
                    "kind": "label",
                    "shape": [],
                    "dtype": "uint8",
                    "range": [0, 1],
                    "classes": ["dark", "bright"],
                },
            ],
        }
        package = install(name, code=CODES[framework], document=described)
        path = package / FILES[framework]
        SAVERS[framework](path)
        described["weights"][0]["runtime"] = framework
        described["weights"][0]["files"][0]["file"] = path.name
        described["weights"][0]["files"][0]["sha256"] = hashlib.sha256(
            path.read_bytes()
        ).hexdigest()
        (package / "metadata.json").write_text(json.dumps(described))
        return package

    return install_framework


@pytest.fixture(params=FRAMEWORKS)
def toy(request, install_toy):
    install_toy(request.param)
    return f"toy-{request.param}"


def joined(batches, name):
    return np.concatenate([batch.arrays[name] for batch in batches])


def difference(one, other):
    return np.abs(one.astype(int) - other.astype(int)).max()


def test_a_sample_is_the_same_whatever_the_batch_size(toy):
    hub = Hub()
    whole = list(hub.generate(toy, 17, seed=3, batch_size=16))
    assert [len(batch) for batch in whole] == [16, 1]
    for batch_size in (1, 3):
        parts = list(hub.generate(toy, 17, seed=3, batch_size=batch_size))
        assert difference(joined(parts, "image"), joined(whole, "image")) <= 1
        assert np.array_equal(joined(parts, "kind"), joined(whole, "kind"))


def test_frameworks_agree_within_one_grey_level(install_toy):
    made = {}
    for framework in FRAMEWORKS:
        install_toy(framework)
        made[framework] = joined(Hub().generate(f"toy-{framework}", 9, seed=1), "image")
    assert made["torch"].std() > 20
    for framework in FRAMEWORKS:
        assert difference(made[framework], made["torch"]) <= 1


def test_bfloat16_is_used_where_asked_for_and_leaves_nothing_behind(install_toy):
    install_toy("tensorflow")
    hub = Hub()
    exact = joined(hub.generate("toy-tensorflow", 4), "image")
    coarse = joined(hub.generate("toy-tensorflow", 4, precision="bfloat16"), "image")
    assert 0 < difference(exact, coarse) <= 6
    assert keras.config.dtype_policy().name == "float32"
    assert tf.config.experimental.tensor_float_32_execution_enabled()


def test_a_precision_that_onnx_runtime_lacks_is_refused(install_toy):
    install_toy("onnx")
    with pytest.raises(RequestError, match="ONNX Runtime runs models in float32, not in bf"):
        Hub().generate("toy-onnx", 1, precision="bfloat16")


def test_a_device_that_this_machine_lacks_is_refused(toy):
    with pytest.raises(RequestError, match=r"device cuda:7 is not available; .* cpu"):
        Hub().generate(toy, 1, device="cuda:7")


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_weights_that_are_not_the_networks_are_refused_in_one_line(install_toy, framework):
    package = install_toy(framework)
    document = json.loads((package / "metadata.json").read_text())
    (package / FILES[framework]).write_bytes(b"nothing that was trained")
    found = hashlib.sha256(b"nothing that was trained").hexdigest()
    document["weights"][0]["files"][0]["sha256"] = found
    (package / "metadata.json").write_text(json.dumps(document))
    with pytest.raises(WeightsError, match=FILES[framework]) as caught:
        Hub().generate(f"toy-{framework}", 1)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("framework", "package", "extra"),
    [("onnx", "onnxruntime", "onnx"), ("tensorflow", "tensorflow", "tensorflow")],
)
def test_a_missing_framework_names_the_extra(install_toy, monkeypatch, framework, package, extra):
    install_toy(framework)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(HubError, match=rf"needs {package}, .* 'medigan-hub\[{extra}\]'"):
        Hub().generate(f"toy-{framework}", 1)


def test_keras_on_another_backend_is_refused(install_toy, monkeypatch):
    install_toy("tensorflow")
    importlib.import_module("medigan_hub.runtimes.tensorflow")
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(HubError, match=r"Keras runs on jax here; set .* KERAS_BACKEND"):
        Hub().generate("toy-tensorflow", 1)


def test_a_network_with_other_channels_than_declared_is_refused(install_toy):
    package = install_toy("torch")
    document = json.loads((package / "metadata.json").read_text())
    del document["outputs"][1]
    (package / "metadata.json").write_text(json.dumps(document))
    with pytest.raises(PluginError, match="2 channels; the metadata of toy-torch declares 1"):
        list(Hub().generate("toy-torch", 1))


def test_the_graph_is_traced_once_for_all_batch_sizes(install_toy):
    package = install_toy("tensorflow")
    list(Hub().generate("toy-tensorflow", 7, batch_size=3))
    list(Hub().generate("toy-tensorflow", 5, batch_size=5))
    runtime = sys.modules[package.name].plugin.runtime("tensorflow")
    (graph,) = runtime._loaded.values()
    assert graph.experimental_get_tracing_count() == 1


@pytest.mark.parametrize(
    ("framework", "others"),
    [
        ("onnx", ("torch", "tensorflow", "keras")),
        ("tensorflow", ("torch", "onnxruntime")),
        ("torch", ("tensorflow", "keras", "onnxruntime")),
    ],
)
def test_generating_imports_no_other_framework(install_toy, framework, others):
    site = install_toy(framework).parent
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from medigan_hub import Hub;"
        f"list(Hub().generate('toy-{framework}', 2));"
        f"print([name for name in {others!r} if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(site)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (result.stdout, result.stderr) == ("[]\n", "")
