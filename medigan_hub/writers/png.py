"""PNG: one folder for each image, mask and input, one file a sample in it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from medigan_hub import provenance
from medigan_hub.metadata import Output
from medigan_hub.writers.base import EncodedFile, Writer

FITTING = (("uint8", 1), ("uint8", 3), ("uint16", 1))
"""Types and numbers of channels that a PNG holds."""
WHOLE_RANGE = (0, 65535)
"""Black and white of an image that uses all of 16 bits."""


class PngWriter(Writer):
    """Text chunks say what a picture is."""

    format = "png"
    holds = "slices of 8 bits with 1 or 3 channels, or of 16 bits with 1"

    @classmethod
    def can_hold(cls, array: Output) -> bool:
        return len(array.shape) == 3 and (array.dtype, array.shape[-1]) in FITTING

    def encode(
        self, index: int, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]
    ) -> Mapping[str, EncodedFile]:
        return {
            name: EncodedFile(
                f"{name}/{index:06d}.png",
                encode(
                    array,
                    provenance.sample_text(self.request, index, name),
                    self.levels(name, array),
                ),
            )
            for name, array in arrays.items()
        }


def encode(
    array: np.ndarray, text: Mapping[Any, str], levels: tuple[float, float] | None = None
) -> bytes:
    """Return the PNG of an image: uint8 or uint16, (height, width, channels).

    Of 16 bits it says that all of them count, where ``levels`` (black and white) say so; or else
    a dark image would be taken for one of 12 bits.
    """
    chunks = PngInfo()
    if array.dtype == np.uint16 and levels == WHOLE_RANGE:
        chunks.add(b"sBIT", b"\x10")
    for key, value in text.items():
        chunks.add_itxt(key, value)
    stream = io.BytesIO()
    pixels = array[:, :, 0] if array.shape[-1] == 1 else array
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, "PNG", pnginfo=chunks)
    return stream.getvalue()
