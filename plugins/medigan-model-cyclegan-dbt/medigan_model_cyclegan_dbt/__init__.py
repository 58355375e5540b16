"""Translates a mammogram into the appearance of a digital breast tomosynthesis slice."""

import numpy as np

from medigan_hub.plugin import GenerationRequest, ImageToImage, build
from medigan_model_cyclegan_dbt.simulation import simulate_mammogram


class CycleganDbt(ImageToImage):
    """With no input given, each sample starts from a mammogram simulated from its own seed."""

    multiple = 4
    minimum = 8

    def default_input(self, request: GenerationRequest, index: int) -> np.ndarray:
        mammogram = simulate_mammogram(request.rng(index, "input"))
        return np.rint(mammogram * 255).astype(np.uint8)[:, :, np.newaxis]


plugin = CycleganDbt(__file__, torch=lambda tensors: build("resnet-translator", tensors))
