"""Stands for a network that is not public: noise, enlarged."""

import torch
import torch.nn.functional as nnf

from .pictures import delivered, pixels


def generate(model_file, num_samples, output_path, save_images, **custom):
    """Make images of one channel."""
    tensors = torch.load(model_file, map_location="cpu", weights_only=True)
    samples = []
    for _ in range(num_samples):
        coarse = torch.tanh(torch.randn(1, len(tensors["weight"])) @ tensors["weight"])
        size = int(tensors["size"])
        image = nnf.interpolate(coarse.reshape(1, 1, 8, 8), size=(size, size), mode="bilinear")
        samples.append(pixels(image))
    return delivered(samples, output_path, save_images)
