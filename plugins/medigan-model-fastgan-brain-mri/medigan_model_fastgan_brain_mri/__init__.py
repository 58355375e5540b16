"""Draws axial brain MRI slices with tissue masks."""

from collections.abc import Sequence

import numpy as np

from medigan_hub.plugin import GenerationRequest, NoiseToImage, build
from medigan_model_fastgan_brain_mri.height import encode


class FastganBrainMri(NoiseToImage):
    """The network takes the encoded height behind the latent vector."""

    def network_inputs(
        self, request: GenerationRequest, indices: Sequence[int]
    ) -> tuple[np.ndarray, ...]:
        heights = encode(request.condition("height", indices))
        return (np.concatenate([request.latents(indices), heights], axis=1),)


plugin = FastganBrainMri(__file__, torch=lambda tensors: build("fastgan-polyp", tensors))
