"""Jobs that are interrupted, killed or find a full disk, and are taken up again."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from medigan_hub import Hub, Interrupted, OutputError, RequestError

# An image, a mask and a label; slow enough to be caught at work, and with an
# eye on how many samples were made.
CODE = """
import os, time
import numpy as np
from medigan_hub.runtimes.base import NoiseToImage, Runtime

class Slow(Runtime):
    def open(self, weights, device, precision):
        return self.network

    def network(self, latents):
        time.sleep(float(os.environ.get("TOY_SECONDS", 0)))
        image = latents.reshape(-1, 8, 6, 1)
        return np.concatenate([image, -image], axis=-1)

class Toy(NoiseToImage):
    made = []

    def network_inputs(self, request, indices):
        self.made += indices
        return super().network_inputs(request, indices)

plugin = Toy(__file__, Slow())
"""

# The format webdataset with shards so small that a test fills several.
SHARDS = """
from medigan_hub import hookimpl
from medigan_hub.writers.webdataset import WebdatasetWriter

class SmallShards(WebdatasetWriter):
    format = "shards"
    samples_per_shard = 7

class plugin:
    @staticmethod
    @hookimpl
    def register_writers():
        return [SmallShards]
"""


@pytest.fixture
def package(install, document):
    document["outputs"].append(
        {"name": "mask", "kind": "mask", "shape": [8, 6, 1], "dtype": "uint8", "range": [0, 1]}
    )
    document["outputs"].append(
        {"name": "side", "kind": "label", "shape": [], "dtype": "int64", "range": [0, 1]}
        | {"classes": ["left", "right"]}
    )
    document["conditions"] = [
        {"name": "side", "type": "string", "description": "Side.", "default": None}
        | {"choices": ["left", "right"]}
    ]
    install("toy-shards", code=SHARDS, group="medigan_hub.extensions")
    return install(document=document, code=CODE)


@pytest.fixture
def hub(package):
    return Hub()


@pytest.fixture
def made(hub):
    """Return a function that gives the samples made since it was last called."""
    list(hub.generate("toy-noise", 1))
    from medigan_model_toy_noise import plugin

    def since() -> list[int]:
        made = plugin.made[:]
        plugin.made.clear()
        return made

    since()
    return since


FORMATS = ("png", "npz", "shards")


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_job_that_is_killed_again_and_again_ends_as_if_it_had_not_been(
    hub, package, tmp_path, contents, format_name
):
    count = 300
    job = ("toy-noise", "-n", str(count), "--seed", "5", "--format", format_name)
    environment = {**os.environ, "PYTHONPATH": str(package.parent)}
    whole, folder = tmp_path / "whole", tmp_path / "out"
    moments = random.Random(format_name)

    def start(where, *more, seconds="0"):
        return subprocess.Popen(
            [sys.executable, "-m", "medigan_hub", "generate", *job, "-o", str(where), *more],
            env={**environment, "TOY_SECONDS": seconds},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    process = start(whole)
    assert process.wait() == 0, process.stderr.read()
    process.stderr.close()
    killed = []
    for _ in range(20):
        process = start(folder, "--resume", seconds="0.04")
        time.sleep(moments.uniform(0.2, 0.8))
        process.kill()
        if process.wait() == -signal.SIGKILL:
            part = folder / "manifest.jsonl.part"
            killed.append(part.read_bytes().count(b"\n") if part.exists() else 0)
        process.stderr.close()
    assert len({rows for rows in killed if 0 < rows < count}) >= 5  # so often it was at work
    process = start(folder, "--resume")
    assert process.wait() == 0, process.stderr.read()
    process.stderr.close()
    assert contents(folder) == contents(whole)
    assert hub.verify(folder).ok
