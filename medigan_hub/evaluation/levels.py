"""The distribution of grey levels: the first thing in which synthetic images may differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from medigan_hub.errors import RequestError
from medigan_hub.inputs import luma

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_IMAGES = "there are no images, and so no grey levels; give at least one"
PERCENTILES = {"1st percentile": 1, "median": 50, "99th percentile": 99}


def histogram(
    images: Sequence[np.ndarray], low: float = 0, high: float = 1, bins: int = 64
) -> NDArray[np.float64]:
    """Return the share of the pixels at each grey level: (bins,), which sum to 1.

    Parameters
    ----------
    images
        Each (..., channels); of three channels the luma counts, of others each.
    low, high
        The lowest and the highest value; what lies beyond counts as one of them.

    Raises
    ------
    RequestError
        There are no images, or their values are not all numbers.

    >>> histogram([np.array([[[0.0], [0.2], [0.9], [1.0]]])], bins=2).tolist()
    [0.5, 0.5]
    """
    counts = np.zeros(bins)
    for image in images:
        counts += np.histogram(np.clip(_grey(image), low, high), bins, (low, high))[0]
    if not counts.sum():
        raise RequestError(NO_IMAGES)
    return np.asarray(counts / counts.sum())


def summary(images: Sequence[np.ndarray]) -> dict[str, float]:
    """Return mean, standard deviation and percentiles of all pixels, in the images' own unit.

    Raises
    ------
    RequestError
        As for ``histogram``.

    >>> summary([np.array([[[0.0], [1.0]]]), np.array([[[0.5]]])])["mean"]
    0.5
    """
    if not sum(image.size for image in images):
        raise RequestError(NO_IMAGES)
    pixels = np.concatenate([_grey(image).ravel() for image in images])
    facts = {"mean": pixels.mean(), "SD": pixels.std()}
    facts |= {name: np.percentile(pixels, share) for name, share in PERCENTILES.items()}
    return {name: float(value) for name, value in facts.items()}


def _grey(image: np.ndarray) -> np.ndarray:
    if np.isnan(image).any():
        raise RequestError("an image has values that are not numbers; leave it out")
    return luma(image) if image.shape[-1] == 3 else image
