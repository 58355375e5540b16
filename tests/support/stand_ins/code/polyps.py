"""Polyps with masks, by a progressive GAN or FastGAN."""

import numpy as np
import torch

from .networks import fastgan, progressive_polyp
from .pictures import delivered, pixels


def generate(
    model_file,
    num_samples,
    output_path,
    save_images,
    z_dim=256,
    save_option="image_and_mask",
    gpu_id=None,
    channel=128,
    pixel_norm=False,
    img_channels=4,
    tanh=False,
    step=6,
    alpha=1,
):
    """Make images, (256, 256, 3), with masks in three equal channels."""
    tensors = torch.load(model_file, map_location="cpu", weights_only=True)
    samples = []
    for _ in range(num_samples):
        z = torch.randn(1, z_dim)
        with torch.no_grad():
            if "g" in tensors:
                plain = {key.removeprefix("module."): value for key, value in tensors["g"].items()}
                both = pixels(fastgan(plain, z))
            else:
                both = pixels(progressive_polyp(tensors, z, step))
        samples.append((both[:, :, :3], np.repeat(both[:, :, 3:], 3, axis=2)))
    return delivered(samples, output_path, save_images)
