"""Makes whole chest x-rays, by a progressive GAN."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from torch import nn

from medigan_hub.plugin import (
    GenerationRequest,
    PublishedNoise,
    SampleBatch,
    build,
    entry,
    resized,
)


class PgganChestXrayRgb(PublishedNoise):
    """Brings images to another size afterwards, where that is asked for."""

    def run(self, request: GenerationRequest) -> Iterator[SampleBatch]:
        size = request.options["resize_pixel_dim"]
        for batch in super().run(request):
            images = batch.arrays["image"]
            if size is not None:
                images = np.stack([resized(image, (size, size)) for image in images])
            yield replace(batch, arrays={**batch.arrays, "image": images})


def _network(file: Mapping[str, Any]) -> nn.Module:
    tensors, settings = entry(file, "state_dict"), file.get("settings", {})
    known = {name: settings[name] for name in ("leakiness", "mode") if name in settings}
    return build("pggan-chest", tensors, **known)


plugin = PgganChestXrayRgb(__file__, torch=_network)
