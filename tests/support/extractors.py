"""Extractors that a test can look into."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from medigan_hub.evaluation.extractors import Extractor


class Means(Extractor):
    """Mean and deviation of the pixels; it remembers what it was asked to do.

    Parameters
    ----------
    before
        Called with the number of images described so far, before some more are.
    """

    name = "means"
    title = "mean and deviation"
    batch = 8

    def __init__(
        self, weights: Path | None = None, before: Callable[[int], None] | None = None
    ) -> None:
        super().__init__(weights)
        self.opened = 0
        self.described: list[int] = []
        """How many images came at a time."""
        self._before = before

    @property
    def shape(self) -> tuple[int, ...]:
        return (2,)

    def open(self) -> None:
        self.opened += 1

    def features(self, images: Sequence[np.ndarray]) -> np.ndarray:
        if self._before is not None:
            self._before(sum(self.described))
        self.described.append(len(images))
        return np.array([[image.mean(), image.std()] for image in images], np.float32)
