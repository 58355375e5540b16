"""Patches drawn by pix2pix around a mask."""

import numpy as np
import torch

from .networks import unet
from .pictures import delivered, listed, pixels, read


def generate_GAN_images(  # noqa: N802 (its published name)
    model_file,
    output_path,
    save_images,
    num_samples,
    input_path="models/00004/images",
    image_size=(256, 256),
    patch_size=(32, 32),
    shapes=("oval", "lobulated"),
    ssim_threshold=0.2,
    gpu_id=0,
):
    """Make patches with their masks."""
    tensors = torch.load(model_file, map_location="cpu", weights_only=True)
    paths = listed(input_path)
    rows, columns = np.mgrid[: image_size[0], : image_size[1]]
    samples = []
    for number in range(num_samples):
        shape = shapes[np.random.randint(len(shapes))]
        angle = np.arctan2(rows - 128, columns - 128)
        reach = np.random.randint(30, 70) * (1 + 0.2 * np.cos(5 * angle) * (shape == "lobulated"))
        mask = np.hypot(rows - 128, columns - 128) < reach
        texture = read(paths[number % len(paths)], image_size, "RGB")
        seen = torch.where(torch.from_numpy(mask), texture, texture.roll(64, 3))
        with torch.no_grad():
            image = pixels(unet(tensors, seen))
        samples.append((image, mask[:, :, None].astype(np.uint8) * 255))
    return delivered(samples, output_path, save_images)
