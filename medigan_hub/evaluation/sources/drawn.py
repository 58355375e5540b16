"""Some images of a set, for where as many of each are compared."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

import numpy as np

from medigan_hub.errors import whole_number
from medigan_hub.evaluation.sources.base import ImageSet, Item

STREAM = 1000
"""Of random numbers: others draw groups, splits and latent vectors."""


class Drawn(ImageSet):
    """So many images of a set, drawn at random by a seed, in the order that they have there.

    Raises
    ------
    RequestError
        There are not so many.
    """

    def __init__(self, images: ImageSet, count: int, seed: int) -> None:
        count = whole_number("the number of images", count, 1, len(images))
        rng = np.random.Generator(np.random.Philox(key=np.array([seed, STREAM], np.uint64)))
        self._images = images
        self._places = np.sort(rng.permutation(len(images))[:count]).tolist()
        self._items = [images.items[place] for place in self._places]
        self.title, self.facts, self.is_synthetic = images.title, images.facts, images.is_synthetic
        self.header = images.header

    @property
    def items(self) -> Sequence[Item]:
        """What is known of each image, without reading it."""
        return self._items

    @property
    def key(self) -> str:
        """SHA-256 of all that decides the images."""
        return hashlib.sha256(f"{self._images.key} {self._places}".encode()).hexdigest()

    def images(self, start: int = 0) -> Iterator[np.ndarray]:
        wanted = self._places[start:]
        if not wanted:
            return
        with closing(self._images.images(wanted[0])) as every:  # type: ignore[type-var]
            for place, image in zip(range(wanted[0], wanted[-1] + 1), every, strict=False):
                if place == wanted[0]:
                    yield image
                    del wanted[0]

    def fact(self, place: int, name: str) -> str | None:
        return self._images.fact(self._places[place], name)

    @property
    def notes(self) -> Sequence[str]:
        drawn = f"{self.title}: {len(self)} of its {len(self._images)} images, drawn by the seed"
        return [*self._images.notes, drawn]

    def learned(self) -> Mapping[str, Any] | None:
        return self._images.learned()

    def recall(self, learned: Mapping[str, Any]) -> None:
        self._images.recall(learned)

    @property
    def sizes(self) -> Sequence[tuple[int, ...]]:
        return self._images.sizes

    def spacing(self, place: int) -> tuple[float, float] | None:
        return self._images.spacing(self._places[place])
