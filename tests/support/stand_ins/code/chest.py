"""Chest x-rays by a progressive GAN."""

import numpy as np
import torch
from PIL import Image

from .networks import progressive_chest
from .pictures import delivered, pixels


def generate(
    model_file, num_samples, output_path, save_images, image_size=1024, resize_pixel_dim=None
):
    """Make images of three channels."""
    tensors = torch.load(model_file, map_location="cpu", weights_only=True)["state_dict"]
    samples = []
    for _ in range(num_samples):
        with torch.no_grad():
            image = pixels(progressive_chest(tensors, torch.randn(1, 512)))
        if resize_pixel_dim is not None:
            image = np.array(Image.fromarray(image).resize((resize_pixel_dim,) * 2))
        samples.append(image)
    return delivered(samples, output_path, save_images)
