"""The model {{ cookiecutter.name }}."""

from collections.abc import Iterator, Mapping

import numpy as np

from medigan_hub.plugin import GenerationRequest, ModelPlugin, SampleBatch, fractions, resized
from {{ cookiecutter.__package }}.network import build

SIZE = ({{ cookiecutter._facts.size | join(", ") }})
"""Height and width of an image, in pixels."""


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


plugin = Model(__file__, torch=build)
