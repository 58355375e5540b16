"""Stands for a network of cardiac ageing that is not public."""

import numpy as np
from PIL import Image

from .pictures import delivered


def generate(
    model_file,
    output_path,
    save_images,
    num_samples,
    image_paths_input=(),
    aging_input=(),
    data_type="2d",
    view="la",
    subcat="2ch",
):
    """Age one picture by each number of years."""
    samples = []
    for path, years in zip(image_paths_input, aging_input, strict=True):
        picture = Image.open(path).convert("L").resize((256, 256))
        values = np.array(picture, np.float32) + 3 * years + np.random.randint(0, 9)
        samples.append(np.clip(values, 0, 255).astype(np.uint8)[:, :, None])
    return delivered(samples[:num_samples], output_path, save_images)
