"""What an extractor is: the contract."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from medigan_hub.errors import HubError, RequestError
from medigan_hub.weights import OwnerOfOne


class ImageError(RequestError):
    """An image that can't be described, by its place among those that an extractor was given.

    Whoever knows what it is called says that, and the ``reason``.
    """

    def __init__(self, place: int, reason: str) -> None:
        super().__init__(f"image {place} of those described at a time {reason}")
        self.place = place
        """From 0 on."""
        self.reason = reason
        """The rest of a sentence: "shows one grey level alone; leave it out"."""


class Extractor(ABC):
    """Describes each image by numbers, so that sets of images can be compared.

    Making one is cheap: nothing is imported or read. ``open`` loads what it needs.

    Parameters
    ----------
    weights
        File with weights in the place of its own, for one that takes a file.
    """

    name: str
    """As it is asked for and reported, such as ``texture``."""
    title: str
    """What its features are, in words: "ImageNet features of EfficientNet-Lite0"."""
    version: str = "1"
    """Changes whenever features of the same image do."""
    takes_weights: ClassVar[bool] = False
    """Whether a file with weights may be given."""
    size: tuple[int, int] | None = None
    """Height and width that images are brought to; None: they stay as they are."""
    channels: int = 1
    """1: images are made grey; 3: grey is repeated."""
    scaling: ClassVar[str] = "none"
    """``none``, or ``robust``: each feature less its median, by its interquartile range among the
    real images, cut off at 5. For features of different units."""
    metrics: ClassVar[tuple[str, ...] | None] = None
    """Metrics that its features are for; None: every one that names no extractors of its own."""
    batch: int = 32
    """Images that ``features`` is given at a time, at most."""
    notes: ClassVar[tuple[str, ...]] = ()
    """What is to be known with its figures, in sentences."""
    published: ClassVar[OwnerOfOne | None] = None
    """Weights that ``open`` fetches where they are not there."""

    def __init__(self, weights: Path | None = None) -> None:
        self.file = weights

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of the features of one image: most often their number alone, (d,)."""

    @property
    def weights(self) -> str | None:
        """SHA-256 of the weights; None where there are none. May be asked before ``open``.

        Raises
        ------
        HubError
            The file can't be read.
        """
        return None

    @property
    def calls(self) -> Mapping[str, str]:
        """Names that metrics have on these features alone, by their own: as FD is called FID."""
        return {}

    def missing(self) -> HubError | None:
        """Return what is to be said where what it needs is not there; nothing is imported."""
        return None

    def open(self) -> None:  # noqa: B027 (not all have something to load)
        """Load what it needs, once, before the first image.

        Raises
        ------
        HubError
            Weights are missing or wrong, or a package is not installed.
        """

    @abstractmethod
    def features(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Return the features of images: (n, *shape) float32, all of them numbers.

        Each image is (height, width, ``channels``) float32, 0 to 1, of the ``size`` where there is
        one. Those of an image depend on it alone, not on the others beside it.

        Raises
        ------
        ImageError
            One of them can't be described.
        """
