"""Draws mammographic patches that hold a benign or a malignant mass, and the mask of the mass."""

from collections.abc import Sequence

import numpy as np

from medigan_hub.plugin import GenerationRequest, NoiseToImage
from medigan_model_cdcgan_breast_mass.network import CLASSES, SIZE, build


class CdcganBreastMass(NoiseToImage):
    """The network takes the class and pixel noise beside the latent vector."""

    def network_inputs(
        self, request: GenerationRequest, indices: Sequence[int]
    ) -> tuple[np.ndarray, ...]:
        classes = [CLASSES.index(name) for name in request.condition("mass", indices)]
        noise = request.noise(indices, (SIZE, SIZE, 1), "noise")
        return request.latents(indices), np.eye(2, dtype=np.float32)[classes], noise


plugin = CdcganBreastMass(__file__, tensorflow=build)
