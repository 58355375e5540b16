"""Makes images of polyps with their masks, by FastGAN."""

from collections.abc import Sequence

import numpy as np

from medigan_hub.networks import build
from medigan_hub.runtimes.published import PublishedNoise, entry
from medigan_hub.runtimes.torch import TorchRuntime
from medigan_hub.samples import GenerationRequest

NOISE = (8, 8, 32, 32, 128, 128)
"""Side in pixels of each map of noise that the network adds to its features."""


class FastganPolypMasks(PublishedNoise):
    """The noise is drawn for each sample, so that it does not depend on the batch."""

    def network_inputs(
        self, request: GenerationRequest, indices: Sequence[int]
    ) -> tuple[np.ndarray, ...]:
        maps = [
            [
                request.rng(index, f"noise {place}").standard_normal((size, size, 1), np.float32)
                for index in indices
            ]
            for place, size in enumerate(NOISE)
        ]
        return request.latents(indices), *map(np.stack, maps)


plugin = FastganPolypMasks(
    __file__,
    TorchRuntime(lambda file: build("fastgan-polyp", entry(file, "g", "module."), noise=True)),
)
