"""A model that is as slow as the environment says, and tells when it is opened."""

import os
import time
from pathlib import Path
from typing import ClassVar

import numpy as np

from medigan_hub.plugin import NetworkRuntime, NoiseToImage


class Slow(NetworkRuntime):
    def open(self, files, device, precision):
        if "TOY_OPENED" in os.environ:
            Path(os.environ["TOY_OPENED"]).touch()
        return self.draw

    def draw(self, latents):
        time.sleep(float(os.environ.get("TOY_SECONDS", 0)))
        image = latents.reshape(-1, 8, 6, 1)
        return np.concatenate([image, -image], axis=-1)


class Toy(NoiseToImage):
    made: ClassVar[list[int]] = []

    def network_inputs(self, request, indices):
        self.made += indices
        return super().network_inputs(request, indices)


plugin = Toy(__file__, numpy=Slow())
