"""An image of one grey level, which two conditions set."""

import numpy as np

from medigan_hub.plugin import NetworkRuntime, NoiseToImage


class Constant(NetworkRuntime):
    def open(self, files, device, precision):
        return lambda ages, views: (
            np.ones((1, 8, 6, 1), np.float32)
            * (2 * ages / 255 - 1 + 200 / 255 * views)[:, None, None, None]
        )


class Plugin(NoiseToImage):
    def network_inputs(self, request, indices):
        views = [("cc", "mlo").index(view) for view in request.condition("view", indices)]
        return np.float32(request.condition("age", indices)), np.float32(views)


plugin = Plugin(__file__, numpy=Constant())
