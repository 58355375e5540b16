"""Polyps with masks, by one SinGAN an image."""

import random
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as nnf

from .pictures import delivered, pixels

sys.path.insert(0, str(Path(__file__).parent / "singan_seg_polyp"))


def _cubic(size, scale):
    """Return the matrix of cubic interpolation to the size times the scale, rounded up."""
    count = int(np.ceil(size * scale))
    place = (np.arange(count) + 0.5) / scale - 0.5
    matrix = np.zeros((count, size))
    for row, centre in enumerate(place):
        for tap in range(int(np.floor(centre)) - 2, int(np.floor(centre)) + 4):
            t = abs(centre - tap)
            near, far = 1.5 * t**3 - 2.5 * t**2 + 1, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
            weight = near if t <= 1 else far if t <= 2 else 0
            if tap >= 0:
                matrix[row, tap if tap < size else 2 * size - 1 - tap] += weight
    return torch.from_numpy(matrix / matrix.sum(axis=1, keepdims=True)).float()


def _image(folder, start):
    load = {"map_location": "cpu", "weights_only": False}
    scales, recorded, amplitudes = (
        torch.load(folder / f"{name}.pth", **load) for name in ("Gs", "Zs", "NoiseAmp")
    )
    image = None
    for level, (scale, stored, amplitude) in enumerate(
        zip(scales, recorded, amplitudes, strict=True)
    ):
        height, width = stored.shape[2] - 10, stored.shape[3] - 10
        noise = torch.randn(1, 4 if level else 1, height, width).expand(1, 4, -1, -1)
        noise = stored if level < start else nnf.pad(noise, (5,) * 4)
        if image is None:
            before = torch.zeros_like(noise)
        else:
            levels = torch.floor(((image + 1) / 2).clamp(0, 1) * 255) / 255
            rows, columns = (_cubic(size, 1 / 0.75) for size in image.shape[2:])
            before = ((rows @ levels @ columns.T) * 2 - 1).clamp(-1, 1)
            before = nnf.pad(before[:, :, :height, :width], (5,) * 4)
        with torch.no_grad():
            image = scale(amplitude * noise + before, before)
    return image


def generate(
    model_file,
    num_samples,
    output_path,
    save_images,
    model_files="models/00011/singan_seg_polyp/SinGAN-Generated",
    gen_start_scale=0,
    checkpoint_ids=None,
    multiple_checkpoints=False,
):
    """Make variations of one image, or of several."""
    base = Path(model_files) / "TrainedModels_1_clean"
    known = sorted(int(folder.name) for folder in base.iterdir())
    ids = checkpoint_ids or (known if multiple_checkpoints else [random.choice(known)])  # noqa: S311
    samples = []
    for number in range(num_samples):
        both = pixels(_image(base / str(ids[number % len(ids)]), gen_start_scale))
        samples.append((both[:, :, :3], np.repeat(both[:, :, 3:], 3, axis=2)))
    return delivered(samples, output_path, save_images)
