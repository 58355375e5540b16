"""Pictures in and out, as the published functions have them."""

from pathlib import Path

import numpy as np
import torch


def read(path, size, mode="L"):
    """Return a picture in [-1, 1]: (1, channels, height, width)."""
    from PIL import Image  # which not every archive names as a dependency

    picture = Image.open(path).convert(mode)
    picture = picture.resize((size[1], size[0]), Image.Resampling.BICUBIC)
    values = torch.from_numpy(np.array(picture, np.float32)) / 255
    return (values.reshape(*size, -1).permute(2, 0, 1)[None] - 0.5) / 0.5


def listed(folder):
    """Return the pictures of a folder, by name."""
    return sorted(str(path) for path in Path(folder).iterdir() if path.suffix == ".png")


def pixels(values):
    """Return (height, width, channels) uint8 of (1, channels, height, width) in [-1, 1]."""
    values = (values[0].detach().numpy().transpose(1, 2, 0) + 1) / 2 * 255
    return np.clip(values, 0, 255).astype(np.uint8)


def delivered(samples, output_path, save_images):
    """Return samples, or write them as pictures."""
    if not save_images:
        return samples
    from PIL import Image

    Path(output_path).mkdir(parents=True, exist_ok=True)
    for number, sample in enumerate(samples):
        parts = sample if isinstance(sample, tuple) else (sample,)
        for place, part in enumerate(part for part in parts if np.ndim(part) > 1):
            picture = Image.fromarray(part[:, :, 0] if part.shape[-1] == 1 else part)
            picture.save(Path(output_path) / f"{number}_{place}.png")
    return None
