"""Patches of a class by a conditional DCGAN."""

from pathlib import Path

import numpy as np
import torch

from .networks import conditional_dcgan
from .pictures import delivered


def generate(
    model_file,
    num_samples,
    output_path,
    save_images,
    condition=None,
    z=None,
    is_cbisddsm_training_data=True,
):
    """Make patches that are malignant (0) or benign (1), of both kinds in turn by default."""
    if not is_cbisddsm_training_data:
        model_file = Path(model_file).with_name("1750_ckpt_test_cbis_ddsm.pt")
    tensors = torch.load(model_file, map_location="cpu", weights_only=True)["generator"]
    if condition is None:
        classes = torch.arange(num_samples) % 2
    else:
        classes = torch.full((num_samples,), int(condition))
    z = torch.randn(num_samples, 100, 1, 1) if z is None else z
    with torch.no_grad():
        images = conditional_dcgan(tensors, z, classes).numpy().transpose(0, 2, 3, 1)
    images = np.clip((images + 1) * 255, 0, 255).astype(np.uint8)
    samples = list(zip(images, classes.tolist(), strict=True))
    return delivered(samples, output_path, save_images)
