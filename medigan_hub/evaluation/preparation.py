"""From an image as it was read to what an extractor is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from medigan_hub.evaluation.extractors import Extractor

PROTOCOLS = ("hub", "medigan")
NORMALIZE = ("none", "minmax", "both")


@dataclass(frozen=True)
class Preparation:
    """How images are brought to size, channels and range, the same for all."""

    is_normalized: bool = False
    """Whether each image's least and greatest value become 0 and 1 (min-max)."""
    protocol: str = "hub"

    @property
    def words(self) -> str:
        """What was done, as it is recorded, and as it tells features in the cache apart."""
        raise NotImplementedError

    def __call__(self, image: np.ndarray, extractor: Extractor) -> np.ndarray:
        """Return an image, (height, width, channels) uint8, uint16 or fractions, as prepared.

        (height, width, ``extractor.channels``) float32, 0 to 1, of ``extractor.size`` if it has one.
        """
        raise NotImplementedError
