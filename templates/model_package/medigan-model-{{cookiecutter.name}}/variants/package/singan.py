"""The model {{ cookiecutter.name }}."""

from collections.abc import Sequence

import numpy as np

from medigan_hub.plugin import GenerationRequest, NoiseToImage, level_sizes
from {{ cookiecutter.__package }}.network import build

SIZE = ({{ cookiecutter._facts.size | join(", ") }})
"""Height and width of an image, in pixels."""
CHANNELS = {{ cookiecutter._facts.input_channels | length }}
SCALES = {{ cookiecutter._facts.scales }}
FACTOR = {{ cookiecutter._facts.factor }}
"""Size of a scale as a fraction of the next finer one's."""


class Model(NoiseToImage):
    """The network takes a map of noise for each of its scales; the coarsest has one channel."""

    def network_inputs(
        self, request: GenerationRequest, indices: Sequence[int]
    ) -> tuple[np.ndarray, ...]:
        sizes = level_sizes(SCALES, FACTOR, *SIZE)
        shapes = [(*size, CHANNELS if scale else 1) for scale, size in enumerate(sizes)]
        return tuple(
            request.noise(indices, shape, f"noise{scale}") for scale, shape in enumerate(shapes)
        )


plugin = Model(__file__, torch=build)
