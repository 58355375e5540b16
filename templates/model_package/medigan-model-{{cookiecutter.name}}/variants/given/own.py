"""The network. TODO: write it.

``build`` gets the tensors of weights/generator.safetensors by name, and returns the
module that holds them, such as

    network = Generator()
    network.load_state_dict(dict(tensors))
    return network.eval()

Called with {{ {
    "noise": "latent vectors (N, size)",
    "class": "latent vectors (N, size) and classes (N, number of classes)",
    "image": "images (N, channels, height, width) in [-1, 1]",
}[cookiecutter.__kind] }}, it
returns (N, channels, height, width) in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from medigan_hub.plugin import PluginError


def build(tensors: Mapping[str, torch.Tensor]) -> torch.nn.Module:
    """Return the network that these tensors belong to."""
    raise PluginError("network.py of {{ cookiecutter.name }} holds no network yet; write it there")
