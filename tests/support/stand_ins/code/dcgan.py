"""Patches by a DCGAN or WGAN-GP."""

import numpy as np
import torch

from .networks import dcgan
from .pictures import delivered


def generate(model_file, num_samples, output_path, save_images):
    """Make patches of 128 x 128 pixels."""
    tensors = torch.load(model_file, map_location="cpu", weights_only=True)
    tensors = tensors.get("generator", tensors)
    prefix, leak = ("main.", 0.0) if "main.0.weight" in tensors else ("model.", 0.2)
    z = torch.randn(num_samples, len(tensors[f"{prefix}0.weight"]), 1, 1)
    with torch.no_grad():
        images = dcgan(tensors, z, prefix, leak).numpy().transpose(0, 2, 3, 1)
    samples = list(np.clip((images + 1) * 255, 0, 255).astype(np.uint8))
    return delivered(samples, output_path, save_images)
