"""An image scaled by its conditions, with a row of noise."""

import numpy as np

from medigan_hub.plugin import NetworkRuntime, NoiseToImage

made = []


class Scaled(NetworkRuntime):
    def open(self, files, device, precision):
        return self

    def __call__(self, latents, weights, noise):
        image = (latents * weights[:, np.newaxis] / 100).reshape(-1, 8, 6, 1)
        image[:, 0, :, 0] = noise
        return image


class Plugin(NoiseToImage):
    def network_inputs(self, request, indices):
        made.append(len(indices))
        views = [("cc", "mlo").index(view) for view in request.condition("view", indices)]
        weights = np.float32(request.condition("weight", indices)) * (1 - 2 * np.float32(views))
        noise = [request.rng(index, "noise").random(6, np.float32) for index in indices]
        return request.latents(indices), weights, np.stack(noise)


plugin = Plugin(__file__, numpy=Scaled())
