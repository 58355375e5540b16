"""Makes images of polyps with their masks, by FastGAN."""

from collections.abc import Sequence

import numpy as np

from medigan_hub.plugin import GenerationRequest, PublishedNoise, build, entry

NOISE = (8, 8, 32, 32, 128, 128)
"""Side in pixels of each map of noise that the network adds to its features."""


class FastganPolypMasks(PublishedNoise):
    """The noise is drawn for each sample, so that it does not depend on the batch."""

    def network_inputs(
        self, request: GenerationRequest, indices: Sequence[int]
    ) -> tuple[np.ndarray, ...]:
        maps = (
            request.noise(indices, (size, size, 1), f"noise {place}")
            for place, size in enumerate(NOISE)
        )
        return request.latents(indices), *maps


plugin = FastganPolypMasks(
    __file__,
    torch=lambda file: build("fastgan-polyp", entry(file, "g", "module."), noise=True),
)
