"""Sets of images for tests of evaluation: arrays by name, and files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

import numpy as np

from medigan_hub import inputs
from medigan_hub.evaluation.sources import ImageSet, Item


class ArraySet(ImageSet):
    """Arrays by name, which are counted when they are read."""

    def __init__(
        self,
        images: Mapping[str, np.ndarray],
        *,
        title: str = "arrays",
        groups: Mapping[str, str] | None = None,
        facts: Mapping[str, Mapping[str, str]] | None = None,
        spacing: tuple[float, float] | None = None,
    ) -> None:
        self.title = title
        self.facts = {}
        self.opened = 0
        self.read: list[str] = []
        self._images = images
        self._spacing = spacing
        self._items = [
            Item(name, name, (facts or {}).get(name, {}), (groups or {}).get(name, ""))
            for name in images
        ]

    @property
    def items(self) -> list[Item]:
        return self._items

    @property
    def key(self) -> str:
        told = [(name, image.shape, image.tobytes().hex()) for name, image in self._images.items()]
        return hashlib.sha256(repr(told).encode()).hexdigest()

    def images(self, start: int = 0) -> Iterator[np.ndarray]:
        self.opened += 1
        for item in self._items[start:]:
            self.read.append(item.name)
            yield self._images[item.name]

    def spacing(self, place: int) -> tuple[float, float] | None:
        return self._spacing if self._items[place].name in self.read else None


class FileSet(ImageSet):
    """What ``inputs.find`` finds."""

    def __init__(self, source: inputs.Source) -> None:
        self.title = str(source)
        self.facts = {}
        self._found = inputs.find(source)

    @property
    def items(self) -> list[Item]:
        found = self._found
        return [
            Item(found.name(place), found.name(place), group=found.group(place))
            for place in range(len(found))
        ]

    @property
    def key(self) -> str:
        return ""

    def images(self, start: int = 0) -> Iterator[np.ndarray]:
        for place in range(start, len(self._found)):
            yield self._found[place]

    def spacing(self, place: int) -> tuple[float, float] | None:
        return self._found.spacing(place)
