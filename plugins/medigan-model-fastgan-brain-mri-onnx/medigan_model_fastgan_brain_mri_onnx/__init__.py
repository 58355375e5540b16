"""Draws axial brain MRI slices with tissue masks, without PyTorch."""

from collections.abc import Sequence

import numpy as np

from medigan_hub.runtimes.onnx import NoiseToImage, OnnxRuntime
from medigan_hub.samples import GenerationRequest


class FastganBrainMri(NoiseToImage):
    """The graph takes the height in mm beside the latent vector, and encodes it itself."""

    def network_inputs(
        self, request: GenerationRequest, indices: Sequence[int]
    ) -> tuple[np.ndarray, ...]:
        heights = np.array(request.condition("height", indices), np.float32)
        return request.latents(indices), heights[:, np.newaxis]


plugin = FastganBrainMri(__file__, OnnxRuntime())
