"""What is to be learned, and how it is scored: classes, or masks."""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from medigan_hub.evaluation import scores
from medigan_hub.evaluation.scores import Score
from medigan_hub.evaluation.sources import ImageSet
from medigan_hub.evaluation.targets import Target


@dataclass(frozen=True, eq=False)
class Sets:
    """The images: to learn from, to test on, and those that a model made."""

    train: ImageSet
    test: ImageSet
    synthetic: ImageSet

    @property
    def every(self) -> dict[str, ImageSet]:
        """All three, by their names."""
        return {"train": self.train, "test": self.test, "synthetic": self.synthetic}


class Task(ABC):
    """What is to be learned of images."""

    outputs: int
    """Numbers that a network says of an image, or of a pixel."""
    scores: Sequence[Score]
    """The leading one first."""

    @property
    @abstractmethod
    def classes(self) -> dict[str, np.ndarray]:
        """The class of each image, by which images are drawn, by the set."""

    @property
    @abstractmethod
    def key(self) -> str:
        """SHA-256 of all that decides what is to be learned, beside the images."""

    @abstractmethod
    def score(self, score: Score, outcome: np.ndarray, places: np.ndarray) -> float:
        """Return the score of what a learner said of the test images, of those at some places."""


class Classes(Task):
    """A class of each image."""

    scores = scores.OF_CLASSES

    def __init__(self, target: Target, sets: Sets, theirs: Target) -> None:
        """Take the target of real images, and that of synthetic ones, whose column may differ."""
        self.target = target
        self.outputs = len(target.classes)
        targets = {"train": target, "test": target, "synthetic": theirs}
        for name, images in sets.every.items():
            targets[name].check_all_there(images)
        self._classes = {name: targets[name].values(each) for name, each in sets.every.items()}

    @property
    def classes(self) -> dict[str, np.ndarray]:
        return self._classes

    @cached_property
    def key(self) -> str:
        """SHA-256 of all that decides what is to be learned, beside the images."""
        told = hashlib.sha256(repr(self.target.classes).encode())
        for values in self._classes.values():
            told.update(repr(values.tolist()).encode())
        return told.hexdigest()

    def score(self, score: Score, outcome: np.ndarray, places: np.ndarray) -> float:
        """Return the score of probabilities, (N, classes)."""
        return score(self._classes["test"][places], outcome[places])


@dataclass(frozen=True, eq=False)
class Outlines:
    """The masks of one set of images."""

    images: ImageSet
    order: Sequence[int]
    """The place of each image's mask among them."""
    title: str
    """Where they come from: a path, or the name of an output."""


class Masks(Task):
    """A mask of each image: which pixels belong to what was outlined; by the names of the sets."""

    outputs = 1
    scores = (scores.DICE,)

    def __init__(self, sets: Sets, outlines: Mapping[str, Outlines]) -> None:
        self.outlines = outlines
        self._numbers = {name: len(images) for name, images in sets.every.items()}

    @property
    def titles(self) -> dict[str, str]:
        """Where the masks of each set come from."""
        return {name: each.title for name, each in self.outlines.items()}

    @property
    def classes(self) -> dict[str, np.ndarray]:
        """None: all images are drawn alike."""
        return {name: np.zeros(number, np.int64) for name, number in self._numbers.items()}

    @cached_property
    def key(self) -> str:
        """SHA-256 of all that decides what is to be learned, beside the images."""
        told = hashlib.sha256(b"masks")
        for each in self.outlines.values():
            told.update(f"{each.images.key} {list(each.order)}".encode())
        return told.hexdigest()

    def score(self, score: Score, outcome: np.ndarray, places: np.ndarray) -> float:
        """Return the mean of the score of each image, (N,); NaN is that of two empty masks."""
        defined = outcome[places][np.isfinite(outcome[places])]
        return float(defined.mean()) if defined.size else math.nan
