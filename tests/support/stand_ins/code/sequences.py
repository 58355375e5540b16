"""Stands for a translator between T1 and T2 whose network is not public."""

from pathlib import Path

import torch

from .pictures import delivered, listed, pixels, read


def generate(
    model_file,
    num_samples,
    output_path,
    save_images,
    input_path="models/00021/inputs/T1",
    gpu_id="0",
    translate_all_images=False,
    T1_to_T2=True,  # noqa: N803 (its published name)
):
    """Translate the first pictures of a folder."""
    if not T1_to_T2:
        model_file = Path(model_file).with_name("netG_T2toT1_checkpoint.pth.tar")
    weight = torch.load(model_file, map_location="cpu", weights_only=True)["weight"]
    paths = listed(input_path)
    paths = paths if translate_all_images else paths[:num_samples]
    samples = [pixels(torch.tanh(weight * read(path, (224, 192)))) for path in paths]
    return delivered(samples, output_path, save_images)
