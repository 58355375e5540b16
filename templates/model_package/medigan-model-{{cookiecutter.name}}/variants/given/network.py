"""The network: the hub's own {{ cookiecutter._network }}."""

from collections.abc import Mapping

import torch

from medigan_hub.plugin import build as build_network


def build(tensors: Mapping[str, torch.Tensor]) -> torch.nn.Module:
    """Return the network that these tensors belong to."""
    return build_network("{{ cookiecutter._network }}", tensors)
