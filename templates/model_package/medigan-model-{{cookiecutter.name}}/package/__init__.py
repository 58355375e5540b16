{% set facts = cookiecutter._facts %}
{% set kind = cookiecutter.__kind %}
{% set framework = cookiecutter.framework %}
{% set network = cookiecutter._network %}
{% set own = network == "own" %}
{% set runtime = {"torch": "TorchRuntime", "tensorflow": "TensorflowRuntime", "onnx": "OnnxRuntime", "archive": ""}[framework] %}
{% set base = "ImageToImage" if kind == "image" else "NoiseToImage" %}
{% set singan = network.startswith("singan") %}
{% set inpaint = network == "inpaint-multimodal" %}
"""The model {{ cookiecutter.name }}."""
{% if framework == "archive" %}

from medigan_hub.runtimes.published import ArchiveOnly

plugin = ArchiveOnly(__file__)
{% else %}

{% if inpaint %}
from collections.abc import Iterator, Mapping
{% elif not own and (kind == "class" or singan) %}
from collections.abc import Mapping, Sequence
{% elif not own %}
from collections.abc import Mapping
{% elif kind == "class" %}
from collections.abc import Sequence
{% endif %}
{% if inpaint or singan or kind != "noise" %}
{% if not own or kind == "class" %}

{% endif %}
import numpy as np
{% endif %}
{% if not own and kind == "noise" and not inpaint and not singan %}

{% endif %}
{% if not own %}
import torch
{% endif %}
{% if not own or kind != "noise" %}

{% endif %}
{% if inpaint %}
from medigan_hub import networks
from medigan_hub.inputs import resized
from medigan_hub.runtimes.base import ModelPlugin, fractions
from medigan_hub.runtimes.torch import TorchRuntime
from medigan_hub.samples import GenerationRequest, SampleBatch
{% else %}
{% if not own %}
from medigan_hub import networks
{% endif %}
{% if singan %}
from medigan_hub.networks.singan import {{ "SinganPyramid, " if network == "singan-scale" else "" }}level_sizes
{% endif %}
from medigan_hub.runtimes.{{ framework }} import {{ base }}, {{ runtime }}
{% if kind != "noise" or singan %}
from medigan_hub.samples import GenerationRequest
{% endif %}
{% endif %}
{% if own and framework in ("torch", "tensorflow") %}
from {{ cookiecutter.__package }}.network import build
{% endif %}
{% if kind == "class" %}

CLASSES = ({% for word in facts.classes %}{{ word | tojson }}{{ ("," if loop.length == 1 else "") if loop.last else ", " }}{% endfor %})
"""In the order of the network."""
{% elif kind == "image" or singan %}

SIZE = ({{ facts.size | join(", ") }})
"""Height and width of an image, in pixels{{ ", where no input says it" if kind == "image" and not inpaint else "" }}."""
{% endif %}
{% if singan %}
FACTOR = {{ facts.factor }}
"""Size of a scale as a fraction of the next finer one's."""
SCALES = {{ facts.scales }}
{% endif %}
{% if not own %}


def build(tensors: Mapping[str, torch.Tensor]) -> torch.nn.Module:
    """Return the network that these tensors belong to."""
{% if network == "singan-scale" %}
    return SinganPyramid([networks.build("singan-scale", tensors)], [1.0], FACTOR).eval()
{% else %}
    return networks.build("{{ network }}", tensors)
{% endif %}
{% endif %}
{% if singan %}


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
        """Return the map of one sample{{ ": the coarsest is the same for all channels" if facts.input_channels | length > 1 else "" }}."""
{% if facts.input_channels | length > 1 %}
        channels = {{ facts.input_channels | length }} if scale else 1
{% endif %}
        rng = request.rng(index, f"noise{scale}")
        return rng.standard_normal((*size, {{ "channels" if facts.input_channels | length > 1 else 1 }}), dtype=np.float32)
{% elif inpaint %}


class Model(ModelPlugin):
    """The network fills what is not black in the mask, in all slices alike."""

    network_range = (0.0, 1.0)

    def run(self, request: GenerationRequest) -> Iterator[SampleBatch]:
        for indices in request.batches():
            made = [self.given(request, index) for index in indices]
            given = {name: np.stack([each[name] for each in made]) for name in made[0]}
            *slices, mask = (fractions(images) for images in given.values())
            blank = np.concatenate(slices, axis=-1) * (mask == 0)
            values = self.open(request, indices[0])(blank, mask)
            yield SampleBatch(np.asarray(indices, np.int64), {**self.to_outputs(values), **given})

    def given(self, request: GenerationRequest, index: int) -> Mapping[str, np.ndarray]:
        """Return the inputs of a sample by name, the mask last: uint8, (height, width, 1)."""
        names = [entry.name for entry in self.metadata.inputs]
        if not request.inputs:
            return {name: disc(request.rng(index, name)) for name in names}
        images = {name: resized(request.inputs[name][index], SIZE) for name in names}
        return {
            name: np.rint(fractions(each) * 255).astype(np.uint8) for name, each in images.items()
        }


def disc(rng: np.random.Generator) -> np.ndarray:
    """Draw a disc somewhere."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    row, column = rng.uniform(0.3, 0.7, 2) * SIZE
    radius = rng.uniform(0.1, 0.3) * min(SIZE)
    inside = (rows - row) ** 2 + (columns - column) ** 2 < radius**2
    return np.where(inside, 255, 0).astype(np.uint8)[:, :, np.newaxis]
{% elif kind == "class" %}


class Model(NoiseToImage):
{% if own %}
    """The network takes the class beside the latent vector, as one number for each class."""
{% else %}
    """The network takes the class beside the latent vector, by its place among the classes."""
{% endif %}

    def network_inputs(
        self, request: GenerationRequest, indices: Sequence[int]
    ) -> tuple[np.ndarray, ...]:
        labels = [CLASSES.index(name) for name in request.condition("label", indices)]
{% if own %}
        return request.latents(indices), np.eye(len(CLASSES), dtype=np.float32)[labels]
{% else %}
        return request.latents(indices), np.array(labels, np.float32)
{% endif %}
{% elif kind == "image" %}


class Model(ImageToImage):
    """With no input given, each sample starts from a disc of its own."""
{% if facts.multiple > 1 or facts.minimum > 1 %}

    multiple = {{ facts.multiple }}
    minimum = {{ facts.minimum }}
{% endif %}

    def default_input(self, request: GenerationRequest, index: int) -> np.ndarray:
        rng = request.rng(index, "input")
        rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
        row, column = rng.uniform(0.3, 0.7, 2) * SIZE
        radius = rng.uniform(0.1, 0.3) * min(SIZE)
        inside = (rows - row) ** 2 + (columns - column) ** 2 < radius**2
{% if facts.input_channels | length > 1 %}
        image = np.where(inside, 255, 0).astype(np.uint8)[:, :, np.newaxis]
        return image.repeat({{ facts.input_channels | length }}, axis=-1)
{% else %}
        return np.where(inside, 255, 0).astype(np.uint8)[:, :, np.newaxis]
{% endif %}
{% endif %}

{% if kind != "noise" or not own %}

{% endif %}
plugin = {{ base if kind == "noise" and not singan else "Model" }}(__file__, {{ runtime }}({{ "" if framework == "onnx" else "build" }}))
{% endif %}
