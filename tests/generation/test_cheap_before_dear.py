"""What can be told without the network is told before it is asked."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

# Whoever opens a connection, or asks for an address, is found out.
GUARD = """
import socket, sys

def refuse(*arguments, **more):
    sys.stderr.write("asked the network\\n")
    raise OSError("there is no network")

socket.socket.connect = refuse
socket.getaddrinfo = refuse
for name in sys.argv.pop(1).split(","):
    sys.modules[name or "nothing"] = None
from medigan_hub.__main__ import main
main()
"""


@pytest.fixture
def medigan(tmp_path, own_cache):
    """Run a command where nobody is reached, and the named modules are not installed."""

    def run(*arguments: str, without: str = "") -> str:
        done = subprocess.run(
            [sys.executable, "-c", GUARD, without, *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1, done.stdout
        return done.stderr

    return run


@pytest.fixture(autouse=True)
def remote(install, document):
    """A model of PyTorch whose weights lie elsewhere."""
    if find_spec("torch") is None:
        pytest.skip("PyTorch is not installed")
    address = "https://zenodo.org/records/1/files/weights.safetensors"
    file = {"role": "network", "file": "weights.safetensors", "url": address}
    document["weights"] = [{"runtime": "torch", "format": "safetensors", "files": [file]}]
    document["framework"] = "PyTorch"
    return install(document=document, code=CODE)


CODE = """
from medigan_hub.plugin import NoiseToImage, build
plugin = NoiseToImage(__file__, torch=lambda tensors: build("dcgan128", tensors))
"""


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (("-o", "x", "--format", "nope"), "no format 'nope'"),
        (("-o", "here.txt"), "here.txt is a file"),
        (("-o", "x", "--device", "cuda"), "the device cuda is not available"),
        (("-o", "x", "--device", "fast"), "there is no device 'fast'"),
        (("-o", "x", "--batch-size", "0"), "the batch size is 0"),
        (("-o", "x", "--runtime", "onnx"), "has no runtime 'onnx'; use auto or torch"),
        (("-o", "x", "--condition", "age=3"), "has no condition 'age'"),
        (("-o", "x", "--overwrite", "--resume"), "exclude each other"),
    ],
)
def test_the_true_fault_is_told_and_no_request_leaves(medigan, tmp_path, options, fault):
    (tmp_path / "here.txt").touch()
    said = medigan("generate", "toy-noise", "-n", "1", *options)
    assert fault in said
    assert "asked the network" not in said
    assert said.count("\n") == 1


def test_a_missing_framework_is_told_before_weights_are_fetched(medigan):
    said = medigan("generate", "toy-noise", "-n", "1", "-o", "x", without="torch")
    assert "running a model on PyTorch needs torch, which is not installed" in said
    assert "medigan-hub[torch]" in said
    assert "asked the network" not in said


def test_weights_are_fetched_once_all_else_is_right(medigan):
    said = medigan("generate", "toy-noise", "-n", "1", "-o", "x")
    assert "asked the network" in said


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (("--grid", "2x2", "-n", "3"), "holds 4"),
        (("-o", "here.txt"), "is not a name of a PNG file"),
        (("-o", "here.txt/all.png"), "here.txt/all.png can't be written"),
        (
            ("--interpolate", "7,8", "--seed", "3"),
            "leave --seed, --index, --latents and --balance out",
        ),
        (("--conditions", "age"), "has no condition 'age'"),
        (("--device", "cuda"), "the device cuda is not available"),
    ],
)
def test_a_preview_is_refused_as_early(medigan, tmp_path, options, fault):
    (tmp_path / "here.txt").touch()
    said = medigan("preview", "toy-noise", *options)
    assert fault in said
    assert "asked the network" not in said


def test_a_data_set_in_the_folder_is_told_before_weights_are_fetched(medigan, tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "thesis.doc").touch()
    said = medigan("generate", "toy-noise", "-n", "1", "-o", "x")
    assert "x is not empty" in said
    assert "asked the network" not in said
