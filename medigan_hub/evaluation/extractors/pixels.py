"""The images themselves, in grey, for metrics that compare pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medigan_hub.evaluation.extractors.base import Extractor


class Pixels(Extractor):
    """Grey levels at a size that all five scales of MS-SSIM fit in."""

    name = "pixels"
    title = "grey levels of 176 x 176 pixels"
    size = (176, 176)
    metrics = ("intra-MS-SSIM",)

    @property
    def shape(self) -> tuple[int, ...]:
        """Height and width."""
        return self.size

    def features(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Return the images without their one channel: (n, 176, 176) float32."""
        return np.stack([image[..., 0] for image in images]).astype(np.float32, copy=False)
