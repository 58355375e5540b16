"""Makes patches of colour fundus photographs, of any size, from the one that it learnt from."""

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
import torch
from torch import nn

from medigan_hub.plugin import (
    GenerationRequest,
    NoiseToImage,
    SinganPyramid,
    bundled,
    level_sizes,
    read_tensors,
)
from medigan_model_singan_fundus.layout import draw_coordinates, sample_image

SCALES = 5
FACTOR = 0.77
"""Size of a scale as a fraction of the next finer one's."""
COARSE = FACTOR**SCALES
"""Size of the layout as a fraction of the image's: it is one scale coarser than the coarsest."""
BOUNDS = (112, 192)
"""Height and width of the training image in pixels."""
EXTRAS = ("layout", "colours")
"""Tensors in the weights file beside those of the pyramid."""


class FundusNetwork(nn.Module):
    """The pyramid, and the way from its values back to colours.

    Its tensors are those of the pyramid, ``layout``, the reduced training image
    in the pyramid's values, and ``colours``, what -1 and 1 are in each channel.
    """

    def __init__(self, tensors: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        rest = {name: tensor for name, tensor in tensors.items() if name not in EXTRAS}
        self.pyramid = SinganPyramid.from_state_dict(rest)
        self.register_buffer("colours", tensors["colours"].reshape(2, 1, -1, 1, 1))

    def forward(self, layout: torch.Tensor, *noise: torch.Tensor) -> torch.Tensor:
        """Map a layout and noise, (N, 3, height, width) each, to colours, about in [0, 1]."""
        low, high = self.get_buffer("colours")
        return low + (high - low) * (self.pyramid(*noise, image=layout) + 1) / 2


class SinganFundus(NoiseToImage):
    """A sample starts from a random layout; each scale adds details from noise of its own."""

    network_range = (0.0, 1.0)

    @cached_property
    def layout(self) -> np.ndarray:
        """The reduced training image: (height, width, 3) float32 in [-1, 1]."""
        tensors = read_tensors(bundled(self.metadata, self.folder))
        return np.asarray(tensors["layout"].movedim(0, -1).numpy())

    def network_inputs(
        self, request: GenerationRequest, indices: Sequence[int]
    ) -> tuple[np.ndarray, ...]:
        height, width = request.options["height"], request.options["width"]
        places = [
            draw_coordinates(request.rng(index, "layout"), (height, width), BOUNDS, COARSE)
            for index in indices
        ]
        layouts = np.stack([sample_image(self.layout, place, COARSE) for place in places])
        sizes = level_sizes(SCALES, FACTOR, height, width)
        noise = (
            request.noise(indices, (*size, 3), f"noise{scale}") for scale, size in enumerate(sizes)
        )
        return layouts, *noise


plugin = SinganFundus(__file__, torch=FundusNetwork)
