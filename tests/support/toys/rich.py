"""Images, masks and labels of several types, whose sizes differ."""

from pathlib import Path

import numpy as np

from medigan_hub import SampleBatch, hookimpl, metadata


class Rich:
    @hookimpl
    def model_metadata(self):
        return metadata.load(Path(__file__).parent / "metadata.json").document

    @hookimpl
    def generate(self, request):
        for index in request.indices:
            rng = request.rng(index, "all")
            size = (1, 4 + index % 3, 5, 1)
            arrays = {
                "t1": rng.integers(-100, 301, size).astype(np.int16),
                "t2": rng.integers(0, 256, size).astype(np.uint8),
                "organ": rng.integers(0, 2, size).astype(np.uint8),
                "tumour": rng.integers(0, 2, size).astype(np.uint16),
                "grade": np.array([index % 3], np.uint8),
                "age": np.array([40.5], np.float32),
                "scan": rng.integers(0, 65536, size).astype(np.uint16),
            }
            declared = (*request.metadata.outputs, *request.metadata.inputs)
            yield SampleBatch(np.array([index]), {one.name: arrays[one.name] for one in declared})


plugin = Rich()
