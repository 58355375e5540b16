"""Tumours painted into slices of four sequences."""

import random
from pathlib import Path

import numpy as np
import torch

from .networks import inpainter
from .pictures import delivered, listed, read

SAMPLES = Path(__file__).parent / "sample"


def generate(
    model_file,
    num_samples,
    output_path,
    save_images,
    image_size=256,
    num_inpaints_per_sample=2,
    randomize_input_image_order=True,
    F_img_path=None,  # noqa: N803 (its published name)
    T1_img_path=None,  # noqa: N803
    T1c_img_path=None,  # noqa: N803
    T2_img_path=None,  # noqa: N803
    add_variations_to_mask=True,
    x_center=130,
    y_center=130,
    radius_1=10,
    radius_2=15,
    radius_3=30,
):
    """Make slices with the mask and the grades of the tumour."""
    tensors = torch.load(model_file, map_location="cpu", weights_only=True)
    given = {"F": F_img_path, "T1": T1_img_path, "T1c": T1c_img_path, "T2": T2_img_path}
    paths = list(
        zip(*(listed(folder or SAMPLES / name) for name, folder in given.items()), strict=True)
    )
    if randomize_input_image_order:
        random.shuffle(paths)
    rows, columns = np.mgrid[:image_size, :image_size]
    samples = []
    for number in range(num_samples):
        chosen = paths[number // num_inpaints_per_sample % len(paths)]
        size = (image_size, image_size)
        brain = torch.cat([read(path, size) for path in chosen], dim=1) / 2 + 0.5
        place = [x_center, y_center, radius_1, radius_2, radius_3]
        if add_variations_to_mask:
            place = [value + random.randint(-2, 2) for value in place]  # noqa: S311 (as published code is)
        distance = np.hypot(rows - place[0], columns - place[1])
        grades = sum(
            share * (distance < radius)
            for share, radius in zip((0.25, 0.25, 0.5), place[2:], strict=True)
        )
        circles = torch.from_numpy(grades.astype(np.float32))[None, None]
        with torch.no_grad():
            made = inpainter(tensors, brain * (circles == 0), circles)[0].numpy()
        images = [(np.clip(each, 0, 1) * 255).astype(np.uint8)[:, :, None] for each in made]
        mask = ((grades > 0) * 255).astype(np.uint8)[:, :, None]
        samples.append((*images, mask, (grades * 255).astype(np.uint8)[:, :, None]))
    return delivered(samples, output_path, save_images)
