"""The network: a pyramid of one SinGAN scale."""

from collections.abc import Mapping

import torch

from medigan_hub.plugin import SinganPyramid
from medigan_hub.plugin import build as build_network


def build(tensors: Mapping[str, torch.Tensor]) -> torch.nn.Module:
    """Return the network that these tensors belong to."""
    scale = build_network("singan-scale", tensors)
    return SinganPyramid([scale], amplitudes=[1.0], factor=0.5).eval()
