"""PNG: one folder for each image, mask and input, one file a sample in it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from medigan_hub import provenance
from medigan_hub.errors import RequestError
from medigan_hub.files import write_atomically
from medigan_hub.metadata import ModelMetadata
from medigan_hub.writers import Writer, WrittenFile


class PngWriter(Writer):
    """8 bits with 1 or 3 channels, or 16 bits with 1; text chunks say what it is."""

    format = "png"

    @classmethod
    def check(cls, model: ModelMetadata) -> None:
        for output in model.outputs:
            if output.kind == "label":
                continue
            channels = output.shape[-1]
            fits = output.dtype == "uint8" and channels in (1, 3)
            fits = fits or (output.dtype == "uint16" and channels == 1)
            if not fits or len(output.shape) != 3:
                raise RequestError(
                    f"PNG can't hold the {output.name} of {model.name}, {output.dtype} of shape "
                    f"{list(output.shape)}; it holds 8-bit images of 1 or 3 channels and "
                    "16-bit images of 1"
                )

    def write(self, index: int, arrays: Mapping[str, np.ndarray]) -> dict[str, WrittenFile]:
        written = {}
        for name, array in arrays.items():
            path = f"{name}/{index:06d}.png"
            content = encode(array, provenance.sample_text(self.job, index, name))
            write_atomically(self.folder / path, content)
            written[name] = WrittenFile(path, hashlib.sha256(content).hexdigest())
        return written


def encode(array: np.ndarray, text: Mapping[Any, str]) -> bytes:
    """Return the PNG of an image: uint8 or uint16, (height, width, channels)."""
    chunks = PngInfo()
    for key, value in text.items():
        chunks.add_itxt(key, value)
    stream = io.BytesIO()
    pixels = array[:, :, 0] if array.shape[-1] == 1 else array
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, "PNG", pnginfo=chunks)
    return stream.getvalue()
