"""Draws patches of mammograms around masks of random shape, tiled with real texture."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from skimage.metrics import structural_similarity

from medigan_hub.plugin import (
    GenerationRequest,
    Published,
    SampleBatch,
    Session,
    build,
    fractions,
    resized,
)
from medigan_model_pix2pix_mmg_mass_masks.masks import draw_mask, tile

ATTEMPTS = 10
"""Masks that are tried for a sample until its image is like enough to the texture."""


class Pix2pixMmgMassMasks(Published):
    """A sample starts from a mask of its own and from the texture of a real patch."""

    truncated = True

    def run(self, request: GenerationRequest) -> Iterator[SampleBatch]:
        session = self.open(request, request.indices[0])
        for index in request.indices:
            arrays = self._sample(session, request, index)
            yield SampleBatch(
                np.array([index], dtype=np.int64),
                {name: array[np.newaxis] for name, array in arrays.items()},
            )

    def archive_arguments(self, request: GenerationRequest, index: int) -> dict[str, Any]:
        options = request.options
        return super().archive_arguments(request, index) | {
            "image_size": [options["image_size"]] * 2,
            "patch_size": [options["patch_height"], options["patch_width"]],
            "shapes": request.condition("shape", [index]),
        }

    def _sample(
        self, session: Session, request: GenerationRequest, index: int
    ) -> dict[str, np.ndarray]:
        options, given = request.options, request.inputs["texture"][index]
        size = options["image_size"]
        patch = options["patch_height"], options["patch_width"]
        texture = resized(given, (size, size))
        shape = request.condition("shape", [index])[0]
        rng = request.rng(index, "mask")
        best, most = {}, -2.0
        for _ in range(ATTEMPTS):
            mask = draw_mask(rng, shape, size)
            seen = 2 * fractions(tile(rng, texture, mask, patch)) - 1
            white = np.where(mask[np.newaxis, :, :, np.newaxis], np.float32(1), np.float32(-1))
            made = self.to_outputs(np.concatenate([session(seen[np.newaxis]), white], axis=-1))
            likeness = structural_similarity(
                fractions(made["image"][0]), fractions(texture), channel_axis=-1, data_range=1
            )
            if likeness > most:
                best, most = {name: array[0] for name, array in made.items()}, likeness
            if likeness > options["ssim_threshold"]:
                break
        return {**best, "texture": given}


plugin = Pix2pixMmgMassMasks(__file__, torch=lambda tensors: build("unet256", tensors))
