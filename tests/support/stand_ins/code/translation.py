"""Pictures translated by CycleGAN or pix2pixHD."""

from pathlib import Path

import torch

from .networks import translator
from .pictures import delivered, listed, pixels, read


def generate(
    model_file,
    output_path,
    save_images,
    num_samples,
    translate_all_images=False,
    input_path="models/00000/images",
    image_size=(1332, 800),
    gpu_id=0,
    low_to_high=True,
):
    """Translate the first pictures of a folder."""
    if not low_to_high:
        model_file = Path(model_file).with_name("latest_net_G_B.pth")
    tensors = torch.load(model_file, map_location="cpu", weights_only=True)
    size = (int(image_size),) * 2 if isinstance(image_size, str) else tuple(image_size)
    paths = listed(input_path)
    paths = paths if translate_all_images else paths[:num_samples]
    with torch.no_grad():
        samples = [pixels(translator(tensors, read(path, size))) for path in paths]
    return delivered(samples, output_path, save_images)
