"""NumPy: .npy files of one image or of a stack of them; a pickle in one is never run."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from medigan_hub.errors import RequestError
from medigan_hub.inputs.decoders.base import Decoder


class ArrayDecoder(Decoder):
    """Four dimensions are a stack, which is mapped into memory instead of read."""

    format = "array"
    called = "NumPy (.npy)"
    suffixes = (".npy",)

    def knows(self, start: bytes) -> bool:
        return start.startswith(b"\x93NUMPY")

    def size(self, path: Path) -> tuple[int, ...]:
        shape = _shape(path)
        return shape[:3] if len(shape) == 4 else shape[:2]

    def read(self, path: Path) -> np.ndarray:
        _shape(path)
        array: np.ndarray = np.load(path, allow_pickle=False)
        return array

    def stack(self, path: Path) -> np.ndarray | None:
        if len(_shape(path)) != 4:
            return None
        images: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
        return images


def _shape(path: Path) -> tuple[int, ...]:
    """Return the shape of the array in a .npy file, which holds as many numbers as it says."""
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    with path.open("rb") as stream:
        version = np.lib.format.read_magic(stream)
        if version not in readers:
            raise RequestError(f"{path} can't be read: save it anew with numpy.save")
        shape, _, dtype = readers[version](stream)
        room = path.stat().st_size - stream.tell()
    if dtype.kind not in "buif":
        raise RequestError(f"{path} can't be read: it holds {dtype.name} values; give numbers")
    if any(length < 0 for length in shape) or math.prod(shape) * dtype.itemsize > room:
        raise RequestError(
            f"{path} can't be read: it claims the shape {str(shape)[:60]}, and holds {room} bytes; "
            "save it anew with numpy.save"
        )
    return tuple(shape)
