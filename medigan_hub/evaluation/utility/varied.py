"""Classical augmentation: images flipped, with slight noise."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np

from medigan_hub.evaluation.sources import ImageSet, Item

NOISE = 0.01
"""Standard deviation, as a share of the range of an image."""
VERSION = 1


def turned(rng: np.random.Generator) -> tuple[slice, slice]:
    """Draw whether the rows, and the columns, of an image are taken from behind, half of the time.

    What is returned cuts an array whose first axes are rows and columns.
    """
    rows, columns = (slice(None, None, int(step)) for step in rng.choice((1, -1), size=2))
    return rows, columns


class Copy(ImageSet):
    """A copy of each image of a set, flipped and noised; copies of other numbers differ."""

    def __init__(self, images: ImageSet, seed: int, number: int) -> None:
        self.title = f"{images.title}, flips and noise"
        self._images, self._seed, self._number = images, seed, number

    @property
    def items(self) -> Sequence[Item]:
        return self._images.items

    @cached_property
    def key(self) -> str:
        """SHA-256 of all that decides the images."""
        told = f"flips and noise {VERSION} {self._images.key} {self._seed} {self._number}"
        return hashlib.sha256(told.encode()).hexdigest()

    def images(self, start: int = 0) -> Iterator[np.ndarray]:
        for place, image in enumerate(self._images.images(start), start):
            # Above what else is drawn, and the same wherever reading begins.
            own = 2**32 * (1 + self._number) + place
            key = np.array([self._seed, own], np.uint64)
            yield noised(image, np.random.Generator(np.random.Philox(key=key)))


def noised(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return an image, (height, width, channels) of any type, flipped and noised: fractions."""
    white = np.iinfo(image.dtype).max if image.dtype.kind == "u" else 1
    values = image[turned(rng)].astype(np.float32) / np.float32(white)
    noise = rng.standard_normal(values.shape, np.float32) * np.float32(NOISE)
    return np.asarray(np.clip(values + noise, 0, 1))
