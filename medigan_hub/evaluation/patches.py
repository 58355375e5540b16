"""Sliced Wasserstein distance between two sets of images, by their patches.

Source: Karras et al., "Progressive growing of GANs for improved quality,
stability, and variation", ICLR 2018 (https://arxiv.org/abs/1710.10196), who
compare patches of 7 x 7 pixels of every level of a Laplacian pyramid along
random directions. It needs no pretrained network, and no more than a few
hundred images. Unlike there, both sets are standardised by the mean and
deviation of the second one, so that brightness and contrast count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from medigan_hub.errors import RequestError

PATCH = 7
PATCHES = 64
"""Patches that are drawn of each image at each level."""
DIRECTIONS = 128
COARSEST = 16
"""No level of the pyramid is smaller than this many pixels."""


def sliced_wasserstein(one: np.ndarray, other: np.ndarray, *, seed: int = 0) -> float:
    """Return the distance between two sets of images; 0 between equal distributions.

    Parameters
    ----------
    one, other
        Float arrays, (N, height, width, channels), of one size and on one
        scale, such as 0 to 1. If the sets are not equally large, images at
        the end of the larger one are left out.
    seed
        Of the patches and directions. Between sets that are to be compared it
        should be the same.

    Returns
    -------
    The mean over the pyramid's levels, in standard deviations of ``other``'s
    patches at that level.
    """
    return compare({"": one}, other, resamples=0, seed=seed)[""][0]


def compare(
    sets: Mapping[str, np.ndarray],
    reference: np.ndarray,
    *,
    resamples: int = 20,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """Return the distance of each set to ``reference``, and its spread.

    The spread is the standard deviation over ``resamples`` draws of as many
    images with replacement, in both sets; NaN without any. Patches are drawn
    anew for each set, in their order. Otherwise as :func:`sliced_wasserstein`.

    Raises
    ------
    RequestError
        The sets differ in size or channels, or are empty.

    >>> images = np.random.default_rng(0).random((8, 32, 32, 1), np.float32)
    >>> found = compare({"same": images, "darker": images / 2}, images, resamples=2)
    >>> found["same"][0] < found["darker"][0]
    True
    """
    for name, images in (*sets.items(), ("reference", reference)):
        if images.ndim != 4 or images.shape[1:] != reference.shape[1:] or not images.size:
            raise RequestError(
                f"the images {name} have the shape {list(images.shape)}; all sets must be "
                "[N, height, width, channels] of one size"
            )
        if min(images.shape[1:3]) < PATCH:
            raise RequestError(f"the images {name} are smaller than {PATCH} x {PATCH} pixels")
    rng = np.random.default_rng(seed)
    drawn = _draw(reference, rng)
    scales = [(level.mean(), level.std() + 1e-6) for level in drawn]
    length = PATCH * PATCH * reference.shape[-1]
    directions = rng.standard_normal((length, DIRECTIONS)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=0)

    def project(levels: Sequence[np.ndarray]) -> list[np.ndarray]:
        pairs = zip(levels, scales, strict=True)
        return [(level - mean) / deviation @ directions for level, (mean, deviation) in pairs]

    theirs = project(drawn)
    result = {}
    for name, images in sets.items():
        ours = project(_draw(images, rng))
        count = min(len(images), len(reference))
        values = [
            _distance(
                ours, theirs, *(rng.integers(len(s), size=count) for s in (images, reference))
            )
            for _ in range(resamples)
        ]
        first = np.arange(count)
        spread = float(np.std(values)) if values else float("nan")
        result[name] = _distance(ours, theirs, first, first), spread
    return result


def _draw(images: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Draw patches of each level: (N, PATCHES, PATCH * PATCH * channels) float32, finest first."""
    images = images.astype(np.float32)
    drawn = []
    for band in _laplacian_pyramid(images):
        count, height, width, _ = band.shape
        rows = rng.integers(height - PATCH + 1, size=(count, PATCHES))
        columns = rng.integers(width - PATCH + 1, size=(count, PATCHES))
        windows = np.lib.stride_tricks.sliding_window_view(band, (PATCH, PATCH), axis=(1, 2))
        patches = windows[np.arange(count)[:, None], rows, columns]
        drawn.append(patches.reshape(count, PATCHES, -1))
    return drawn


def _laplacian_pyramid(images: np.ndarray) -> list[np.ndarray]:
    """Split images into bands, each of half the size of the one before; the last is the rest."""
    bands = []
    while min(images.shape[1:3]) >= 2 * COARSEST:
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


def _distance(
    ours: Sequence[np.ndarray],
    theirs: Sequence[np.ndarray],
    chosen: np.ndarray,
    others: np.ndarray,
) -> float:
    """Return the mean over levels of the distance along all directions."""
    per_level = []
    for one, other in zip(ours, theirs, strict=True):
        flat = (np.sort(a.reshape(-1, DIRECTIONS), axis=0) for a in (one[chosen], other[others]))
        per_level.append(np.abs(np.subtract(*flat)).mean())
    return float(np.mean(per_level))
