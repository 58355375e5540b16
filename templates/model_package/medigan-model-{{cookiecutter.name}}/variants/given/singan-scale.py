"""The network: a pyramid of one SinGAN scale."""

from collections.abc import Mapping

import torch

from medigan_hub import networks
from medigan_hub.networks.singan import SinganPyramid


def build(tensors: Mapping[str, torch.Tensor]) -> torch.nn.Module:
    """Return the network that these tensors belong to."""
    scale = networks.build("singan-scale", tensors)
    return SinganPyramid([scale], amplitudes=[1.0], factor=0.5).eval()
