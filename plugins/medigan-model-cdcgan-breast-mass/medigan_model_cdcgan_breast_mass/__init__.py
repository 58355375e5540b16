"""Draws mammographic patches that hold a benign or a malignant mass, and the mask of the mass."""

from collections.abc import Sequence

import numpy as np

from medigan_hub.runtimes.tensorflow import NoiseToImage, TensorflowRuntime
from medigan_hub.samples import GenerationRequest
from medigan_model_cdcgan_breast_mass.network import CLASSES, SIZE, build


class CdcganBreastMass(NoiseToImage):
    """The network takes the class and pixel noise beside the latent vector."""

    def network_inputs(
        self, request: GenerationRequest, indices: Sequence[int]
    ) -> tuple[np.ndarray, ...]:
        classes = [CLASSES.index(name) for name in request.condition("mass", indices)]
        noise = [
            request.rng(index, "noise").standard_normal((SIZE, SIZE, 1), np.float32)
            for index in indices
        ]
        return request.latents(indices), np.eye(2, dtype=np.float32)[classes], np.stack(noise)


plugin = CdcganBreastMass(__file__, TensorflowRuntime(build))
