"""Features of a network that has learned nothing: a yardstick for those that have.

What its features tell apart, the mere architecture of convolutional networks tells apart. Source
of the idea: Naeem et al., "Reliable fidelity and diversity metrics for generative models", ICML
2020 (https://arxiv.org/abs/2002.09797), for images that are unlike those of ImageNet.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from medigan_hub.evaluation.extractors.base import Extractor

SEED = 2015
LAYERS = ((1, 16, 5), (16, 32, 3), (32, 64, 3))
"""Channels before and after, and the kernel's side, of each layer; each halves height and width."""


class RandomNetwork(Extractor):
    """64 features: means over the picture of what the third of three random layers gives.

    The weights are the same bit for bit on every machine: uniform numbers of the Philox generator
    with a fixed seed. What they make of an image is the same up to rounding.
    """

    name = "random"
    title = "features of a random convolutional network (fixed seed, nothing learned)"
    size = (128, 128)

    @property
    def shape(self) -> tuple[int, ...]:
        return (LAYERS[-1][1],)

    @property
    def weights(self) -> str:
        return hashlib.sha256(b"".join(map(np.ndarray.tobytes, _weights()))).hexdigest()

    def features(self, images: Sequence[np.ndarray]) -> np.ndarray:
        x: np.ndarray = 2 * np.stack(images) - 1
        for weights, (_, _, side) in zip(_weights(), LAYERS, strict=True):
            windows = np.lib.stride_tricks.sliding_window_view(x, (side, side), axis=(1, 2))
            places = windows[:, ::2, ::2]
            # (n, height, width, channels, side, side): a row for each place.
            flat = places.reshape(-1, len(weights))
            x = np.maximum(flat @ weights, 0).reshape(*places.shape[:3], -1)
        means: np.ndarray = x.mean(axis=(1, 2))
        return means


@lru_cache(maxsize=1)
def _weights() -> tuple[np.ndarray, ...]:
    """Return the weights of each layer: (channels x side x side, channels after) float32.

    Scaled so that the size of what goes through stays about the same: He et al., ICCV 2015
    (https://arxiv.org/abs/1502.01852).
    """
    source = np.random.Philox(key=SEED)
    made = []
    for before, after, side in LAYERS:
        length = before * side**2
        # Of raw numbers, which NumPy keeps the same; 24 bits are exact in float32.
        raw = np.asarray(source.random_raw(length * after), np.uint64) >> np.uint64(40)
        uniform = raw.astype(np.float32) / np.float32(2**23) - np.float32(1)
        made.append(uniform.reshape(length, after) * np.float32(np.sqrt(6 / length)))
    return tuple(made)
