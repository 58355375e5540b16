"""The model {{ cookiecutter.name }}."""

from collections.abc import Sequence

import numpy as np

from medigan_hub.networks.singan import level_sizes
from medigan_hub.runtimes.torch import NoiseToImage, TorchRuntime
from medigan_hub.samples import GenerationRequest
from {{ cookiecutter.__package }}.network import build

SIZE = ({{ cookiecutter._facts.size | join(", ") }})
"""Height and width of an image, in pixels."""
CHANNELS = {{ cookiecutter._facts.input_channels | length }}
SCALES = {{ cookiecutter._facts.scales }}
FACTOR = {{ cookiecutter._facts.factor }}
"""Size of a scale as a fraction of the next finer one's."""


class Model(NoiseToImage):
    """The network takes noise maps, one for each of its scales."""

    def network_inputs(
        self, request: GenerationRequest, indices: Sequence[int]
    ) -> tuple[np.ndarray, ...]:
        sizes = level_sizes(SCALES, FACTOR, *SIZE)
        return tuple(
            np.stack([self.noise(request, index, scale, size) for index in indices])
            for scale, size in enumerate(sizes)
        )

    def noise(
        self, request: GenerationRequest, index: int, scale: int, size: tuple[int, int]
    ) -> np.ndarray:
        """Return the map of one sample: the coarsest is the same for all channels."""
        shape = (*size, CHANNELS if scale else 1)
        return request.rng(index, f"noise{scale}").standard_normal(shape, dtype=np.float32)


plugin = Model(__file__, TorchRuntime(build))
