"""The model {{ cookiecutter.name }}."""

import numpy as np

from medigan_hub.plugin import GenerationRequest, ImageToImage
{% if cookiecutter.framework != "onnx" %}
from {{ cookiecutter.__package }}.network import build
{% endif %}

SIZE = ({{ cookiecutter._facts.size | join(", ") }})
"""Height and width of an image, in pixels, where no input says it."""
CHANNELS = {{ cookiecutter._facts.input_channels | length }}
"""Of an input."""


class Model(ImageToImage):
    """With no input given, each sample starts from a disc of its own."""

    multiple = {{ cookiecutter._facts.multiple }}
    minimum = {{ cookiecutter._facts.minimum }}

    def default_input(self, request: GenerationRequest, index: int) -> np.ndarray:
        rng = request.rng(index, "input")
        rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
        row, column = rng.uniform(0.3, 0.7, 2) * SIZE
        radius = rng.uniform(0.1, 0.3) * min(SIZE)
        inside = (rows - row) ** 2 + (columns - column) ** 2 < radius**2
        return np.where(inside, 255, 0).astype(np.uint8)[:, :, np.newaxis].repeat(CHANNELS, axis=-1)


plugin = Model(__file__{{ cookiecutter.__network }})
