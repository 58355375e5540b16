"""A network that comes as one file is built, recognised and packed like every other."""

from __future__ import annotations

import shutil
import sys

import pytest
import torch

from medigan_hub import Hub, HubError, WeightsError, metadata, networks
from medigan_hub.cli import command_line
from medigan_hub.contribution.recognition import read, recognise

FILE = '''
"""A network of a single layer."""

import math

import torch
from torch import nn

from medigan_hub.networks.base import LatentGenerator


class Flat(LatentGenerator):
    """Latent vectors, (N, latent), times a matrix are images, (N, 1, side, side) in [-1, 1].

    ``gain`` is what they are multiplied by, 1 by default.
    """

    name = "flat"
    architecture = "Flat GAN"
    family = "a flat generator"
    settings = ("gain",)

    def __init__(self, latent, side, *, gain=1.0):
        super().__init__()
        self.hyperparameters = {"side": side}
        self.latent, self.side, self.gain = latent, side, gain
        self.layer = nn.Linear(latent, side**2)

    def forward(self, z):
        return torch.tanh(self.gain * self.layer(z)).reshape(len(z), 1, self.side, self.side)

    @classmethod
    def arguments(cls, layout):
        pixels, latent = layout.shape("layer.weight", 2)
        return {"latent": latent, "side": math.isqrt(pixels)}

    @classmethod
    def small(cls):
        return cls(4, 8)
'''


@pytest.fixture
def flat(tmp_path, monkeypatch):
    """Put the file beside the hub's networks, and return its class."""
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "flat.py").write_text(FILE)
    monkeypatch.setattr(networks, "__path__", [*networks.__path__, str(tmp_path / "more")])
    yield networks.by_name()["flat"]
    del networks.flat, sys.modules["medigan_hub.networks.flat"]


def test_it_is_built_from_its_tensors(flat):
    trained = flat(6, 16)
    network = networks.build("flat", trained.state_dict(), gain=2.0)
    assert not network.training
    latent = torch.randn(3, 6)
    expected = torch.tanh(2 * trained.layer(latent)).reshape(3, 1, 16, 16)
    assert torch.allclose(network(latent), expected)


def test_its_settings_and_tensors_are_checked(flat):
    tensors = flat(6, 16).state_dict()
    with pytest.raises(HubError, match=r"^the network flat has no setting size; it has gain$"):
        networks.build("flat", tensors, size=3)
    with pytest.raises(HubError, match=r"^side is 3, but it is 16 in the flat that these weights"):
        networks.build("flat", tensors, side=3)
    with pytest.raises(WeightsError, match=r"^the weights are not those of a flat generator: "):
        networks.build("flat", {"x": torch.zeros(3)})


def test_it_is_recognised_in_a_checkpoint(flat, tmp_path):
    torch.save({"netG": flat(6, 16).state_dict()}, tmp_path / "checkpoint.pt")
    found = recognise(read(tmp_path / "checkpoint.pt"))
    assert (found.network, found.others, found.place) == ("flat", (), "netG")
    facts = found.facts
    assert (facts.architecture, facts.latent, facts.size) == ("Flat GAN", 6, (16, 16))


def test_medigan_new_makes_a_package_with_it_that_runs(
    flat, tmp_path, monkeypatch, install, capsys
):
    monkeypatch.chdir(tmp_path)
    answers = ["name=my-flat", "network=flat", "organ=breast", "modality=mammography"]
    command_line(["new"])(["new", "--no-input", *answers], standalone_mode=False)
    made = tmp_path / "medigan-model-my-flat" / "medigan_model_my_flat"
    document = metadata.read(made / "metadata.json")
    assert metadata.validate(document) == []
    assert (document["architecture"], document["latent"]["size"]) == ("Flat GAN", 4)
    shutil.copytree(made, install("my-flat"), dirs_exist_ok=True)
    (batch,) = Hub().generate("my-flat", 2, seed=7)
    assert batch.arrays["image"].shape == (2, 8, 8, 1)
    assert batch.arrays["image"].std() > 0


@pytest.mark.parametrize("kind", networks.by_name().values(), ids=networks.by_name())
def test_a_network_explains_its_settings(kind):
    words = " ".join(base.__doc__ for base in kind.__mro__ if base.__module__ == kind.__module__)
    assert [setting for setting in kind.settings if setting not in words] == []
