"""Patches of a Laplacian pyramid, for the sliced Wasserstein distance.

Source: Karras et al. (2018), "Progressive growing of GANs", arXiv:1710.10196. No network takes
part, and a few hundred images are enough.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medigan_hub.evaluation.extractors.base import Extractor

PATCH = 7
PATCHES = 32
"""That are taken of each level."""
LEVELS = 4
"""Of the pyramid: from 128 pixels down to 16."""
SEED = 0


class Patches(Extractor):
    """Patches of 7 x 7 pixels at random places, which are the same in all images."""

    name = "patches"
    title = "patches of 7 x 7 pixels at four resolutions"
    size = (128, 128)
    metrics = ("SWD",)

    @property
    def shape(self) -> tuple[int, ...]:
        """Levels, patches of each, pixels of a patch."""
        return LEVELS, PATCHES, PATCH * PATCH

    def features(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Return patches of each level, the finest first: (n, 4, 32, 49) float32."""
        rng = np.random.Generator(np.random.Philox(SEED))
        levels = []
        for band in _laplacian_pyramid(np.stack([image[..., 0] for image in images])):
            rows, columns = (
                rng.integers(side - PATCH + 1, size=PATCHES) for side in band.shape[1:]
            )
            windows = np.lib.stride_tricks.sliding_window_view(band, (PATCH, PATCH), axis=(1, 2))
            levels.append(windows[:, rows, columns].reshape(len(images), PATCHES, -1))
        return np.stack(levels, axis=1).astype(np.float32, copy=False)


def _laplacian_pyramid(images: np.ndarray) -> list[np.ndarray]:
    """Split images into bands, each of half the size of the one before; the last is the rest."""
    bands = []
    for _ in range(LEVELS - 1):
        low = _blur(_blur(images, axis=1), axis=2)
        bands.append(images - low)
        images = low[:, ::2, ::2]
    return [*bands, images]


def _blur(images: np.ndarray, axis: int) -> np.ndarray:
    """Smooth along an axis with the binomial filter of five."""
    padding = [(2, 2) if n == axis else (0, 0) for n in range(images.ndim)]
    padded = np.moveaxis(np.pad(images, padding, mode="reflect"), axis, 0)
    size = images.shape[axis]
    weights = np.array([1, 4, 6, 4, 1], np.float32) / 16
    smooth = sum(weight * padded[n : n + size] for n, weight in enumerate(weights))
    return np.moveaxis(np.asarray(smooth), 0, axis)
