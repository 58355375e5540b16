"""The network: a pyramid of one SinGAN scale."""

from collections.abc import Mapping

import torch

from medigan_hub import plugin


def build(tensors: Mapping[str, torch.Tensor]) -> torch.nn.Module:
    """Return the network that these tensors belong to."""
    scale = plugin.build("singan-scale", tensors)
    return plugin.SinganPyramid([scale], amplitudes=[1.0], factor=0.5).eval()
