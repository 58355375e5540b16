"""Draws every output from its whole range, by sample and name; the masks of sample 0 are empty.

It hands on what it starts from, given or made.
"""

import json
import pathlib

import numpy as np

from medigan_hub import SampleBatch, hookimpl


class Plugin:
    @hookimpl
    def model_metadata(self):
        return json.loads(pathlib.Path(__file__).with_name("metadata.json").read_text())

    @hookimpl
    def generate(self, request):
        for indices in request.batches():
            arrays = {
                output.name: np.stack([self.draw(request, output, i) for i in indices])
                for output in request.metadata.outputs
            }
            for entry in request.metadata.inputs:
                arrays[entry.name] = np.stack(
                    [
                        request.inputs[entry.name][i]
                        if entry.name in request.inputs
                        else np.full((5, 7, 1), i, np.uint8)
                        for i in indices
                    ]
                )
            yield SampleBatch(np.array(indices), arrays)

    def draw(self, request, output, index):
        if output.kind == "mask" and index == 0:
            return np.zeros(output.shape, output.dtype)
        low, high = output.range
        rng = request.rng(index, output.name)
        if output.dtype == "float32":
            return rng.random(output.shape, np.float32)
        return rng.integers(low, high, output.shape, output.dtype, endpoint=True)


plugin = Plugin()
