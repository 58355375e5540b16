"""Paints tumours into slices of a brain, in four MRI sequences at once."""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from medigan_hub.plugin import (
    GenerationRequest,
    Published,
    RequestError,
    SampleBatch,
    build,
    fractions,
    resized,
)
from medigan_model_inpaint_brain_mri.circles import Circles, draw, vary

SEQUENCES = ("flair", "t1", "t1c", "t2")


class InpaintBrainMri(Published):
    """The network fills circles that were cut out of all four slices alike."""

    network_range = (0.0, 1.0)
    truncated = True
    archive_inputs: ClassVar = {
        "brain_flair": "F_img_path",
        "brain_t1": "T1_img_path",
        "brain_t1c": "T1c_img_path",
        "brain_t2": "T2_img_path",
    }

    def circles(self, request: GenerationRequest, index: int) -> Circles:
        """Return the circles that a sample's tumour is drawn from."""
        names = ("x_center", "y_center", "radius_1", "radius_2", "radius_3")
        circles = Circles(*(request.condition(name, [index])[0] for name in names))
        if not circles.radius_1 < circles.radius_2 < circles.radius_3:
            raise RequestError(
                f"the radii are {circles.radius_1}, {circles.radius_2} and {circles.radius_3}; "
                "radius_1 must be below radius_2, and that below radius_3"
            )
        if request.options["add_variations_to_mask"]:
            return vary(circles, request.rng(index, "mask"))
        return circles

    def run(self, request: GenerationRequest) -> Iterator[SampleBatch]:
        size = request.options["image_size"]
        for indices in request.batches():
            slices = [self._slices(request, index, size) for index in indices]
            grades = np.stack([draw(self.circles(request, index), size) for index in indices])
            brains = np.stack(slices) * (grades == 0)
            values = self.open(request, indices[0])(brains, grades)
            values = np.concatenate([values, (grades > 0).astype(np.float32), grades], axis=-1)
            outputs = self.to_outputs(values)
            for place, index in enumerate(indices):  # inputs may differ in size
                arrays = {name: array[[place]] for name, array in outputs.items()}
                arrays |= {
                    name: images[index][np.newaxis] for name, images in request.inputs.items()
                }
                yield SampleBatch(np.array([index], dtype=np.int64), arrays)

    def archive_arguments(self, request: GenerationRequest, index: int) -> dict[str, Any]:
        self.circles(request, index)
        # The hub chooses the inputs itself, one set for each sample.
        own = {"num_inpaints_per_sample": 1, "randomize_input_image_order": False}
        return super().archive_arguments(request, index) | own

    def _slices(self, request: GenerationRequest, index: int, size: int) -> np.ndarray:
        """Return the four slices of a sample: (size, size, 4) float32 in [0, 1]."""
        images: Sequence[np.ndarray] = [
            resized(request.inputs[f"brain_{name}"][index], (size, size)) for name in SEQUENCES
        ]
        return np.concatenate([fractions(image) for image in images], axis=-1)


plugin = InpaintBrainMri(__file__, torch=lambda tensors: build("inpaint-multimodal", tensors))
