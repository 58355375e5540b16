"""Runtimes that other packages bring, and models with weights for several."""

from __future__ import annotations

import json

import numpy as np
import pytest

from medigan_hub import Hub, HubError, HubWarning, PluginError, RequestError, plugins

# Makes an image of what the weights hold, as each latent vector says.
RUNTIME = """
import numpy as np
from medigan_hub.plugin import NetworkRuntime, hookimpl

class Brightness(NetworkRuntime):
    name = "brightness"
    title = "a lamp"
    module = {module!r}
    distributions = ("numpy",)

    def open(self, files, device, precision):
        level = float(files["network"].read_text())
        return lambda latents, **more: np.full((len(latents), 8, 6, 1), level, np.float32)

class plugin:
    @staticmethod
    @hookimpl
    def register_runtimes():
        {body}
"""
MODEL = """
from medigan_hub.plugin import NoiseToImage
plugin = NoiseToImage(__file__)
"""


@pytest.fixture
def extend(install):
    """Return a function that installs a package with a runtime."""

    def install_runtime(body: str = "return [Brightness]", module: str = ""):
        code = RUNTIME.replace("{body}", body).replace("{module!r}", repr(module))
        return install("toy-lamp", code=code, group=plugins.EXTENSIONS)

    return install_runtime


@pytest.fixture
def model(install, document):
    """Install a model with weights for that runtime."""
    content = b"0.5"
    document["weights"][0]["runtime"] = "brightness"
    document["weights"][0]["files"][0] |= {
        "file": "level.txt",
        "sha256": "d2cbad71ff333de67d07ec676e352ab7f38248eb69c942950157220607c55e84",
    }
    package = install(code=MODEL, document=document)
    (package / "level.txt").write_bytes(content)
    return package


def test_a_runtime_that_a_package_brings_makes_samples(extend, model, tmp_path):
    extend()
    hub = Hub()
    (batch,) = hub.generate("toy-noise", 2)
    assert np.unique(batch.arrays["image"]).tolist() == [191]
    hub.save("toy-noise", 2, tmp_path / "out", runtime="brightness")
    header = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert (header["runtime"], header["runtime_version"]) == ("brightness", np.__version__)
    assert "run by | a lamp" in (tmp_path / "out" / "README.md").read_text()


def test_without_the_package_the_model_says_what_is_missing(model):
    with pytest.raises(RequestError, match=r"no runtime 'brightness' here; .* extension package"):
        Hub().generate("toy-noise", 1)


def test_what_a_runtime_needs_is_named(extend, model):
    extend(module="no_such_framework")
    with pytest.raises(HubError, match=r"a lamp needs no_such_framework, .* pip install no_such_"):
        Hub().generate("toy-noise", 1)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("return [Brightness, int]", "offers <class 'int'>: it is no subclass of Runtime"),
        ("return [Brightness, type('B', (Brightness,), {})]", "brightness is there already"),
        ("return [Brightness, type('B', (Brightness,), {'name': 'A b'})]", "its name is 'A b'"),
    ],
)
def test_what_is_no_runtime_stops_no_other(extend, model, body, fault):
    extend(body)
    with pytest.warns(HubWarning, match=fault):
        (batch,) = Hub().generate("toy-noise", 1)
    assert batch.arrays["image"].shape == (1, 8, 6, 1)


# Weights for several runtimes.

TWO = """
from medigan_hub.plugin import Network, NoiseToImage

def bright(arrays):
    return lambda latents, **more: latents.reshape(-1, 8, 6, 1)

plugin = NoiseToImage(__file__, numpy=Network(bright, read=lambda path: {}))
"""


@pytest.fixture
def two(install, document):
    """Install a model with weights for a runtime that is not there, and for one that is."""
    document["weights"].insert(0, {**document["weights"][0], "runtime": "brightness"})
    return install(code=TWO, document=document)


def test_auto_takes_the_first_that_can_run_here(extend, two):
    extend(module="no_such_framework")
    _, request = Hub().request("toy-noise", 1, {})
    assert request.execution.runtime == "numpy"
    with pytest.raises(HubError, match="needs no_such_framework"):
        Hub().generate("toy-noise", 1, runtime="brightness")


def test_a_runtime_without_weights_is_refused(two):
    with pytest.raises(
        RequestError, match="has no runtime 'onnx'; use auto or brightness or numpy"
    ):
        Hub().generate("toy-noise", 1, runtime="onnx")


def test_a_plugin_that_does_not_say_how_its_network_is_built_is_named(install, document):
    install(code=MODEL, document=document)
    with pytest.raises(PluginError, match="nothing of how its network is built for numpy"):
        Hub().generate("toy-noise", 1)
