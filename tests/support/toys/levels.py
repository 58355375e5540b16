"""Noise about a level: the code of a project."""

import numpy as np
import safetensors.numpy

from medigan_hub.plugin import NetworkRuntime, NoiseToImage


class Scale(NetworkRuntime):
    def open(self, files, device, precision):
        scale = safetensors.numpy.load_file(files["network"])["scale"]

        def network(latents, levels):
            return np.clip(latents * scale + levels / 4, -1, 1).reshape(-1, 8, 6, 1)

        return network


class Toy(NoiseToImage):
    def network_inputs(self, request, indices):
        levels = np.array(request.condition("level", indices), np.float32)
        return request.latents(indices), levels[:, np.newaxis]


plugin = Toy(__file__, numpy=Scale())
