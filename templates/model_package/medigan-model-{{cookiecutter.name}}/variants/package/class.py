"""The model {{ cookiecutter.name }}."""

from collections.abc import Sequence

import numpy as np

from medigan_hub.plugin import GenerationRequest, NoiseToImage
{% if cookiecutter.framework != "onnx" %}
from {{ cookiecutter.__package }}.network import build
{% endif %}

CLASSES = {{ cookiecutter._facts.classes | tojson }}
"""In the order of the network."""


class Model(NoiseToImage):
    """The network takes the class beside the latent vector, {{ "as one number for each class" if cookiecutter._network == "own" else "by its place among the classes" }}."""

    def network_inputs(
        self, request: GenerationRequest, indices: Sequence[int]
    ) -> tuple[np.ndarray, ...]:
        labels = [CLASSES.index(name) for name in request.condition("label", indices)]
{% if cookiecutter._network == "own" %}
        return request.latents(indices), np.eye(len(CLASSES), dtype=np.float32)[labels]
{% else %}
        return request.latents(indices), np.array(labels, np.float32)
{% endif %}


plugin = Model(__file__{{ cookiecutter.__network }})
