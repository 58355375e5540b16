"""A model of ten steps for a batch, which reports each."""

import numpy as np

from medigan_hub.plugin import NetworkRuntime, NoiseToImage, SampleBatch

STEPS = 10


class Steps(NetworkRuntime):
    def open(self, files, device, precision):
        def session(latents, step):
            values = np.zeros_like(latents)
            for done in range(1, STEPS + 1):
                values += latents / STEPS
                step(done, STEPS)
            return values.reshape(-1, 8, 6, 1)

        return session


class Toy(NoiseToImage):
    def run(self, request):
        for indices in request.batches():
            session = self.open(request, indices[0])
            values = session(request.latents(indices), step=request.step)
            yield SampleBatch(np.array(indices), self.to_outputs(values))


plugin = Toy(__file__, numpy=Steps())
