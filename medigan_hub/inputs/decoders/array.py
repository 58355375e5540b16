"""NumPy: .npy files of one image or of a stack of them; a pickle in one is never run."""

from __future__ import annotations

import math
from pathlib import Path
from typing import IO

import numpy as np

from medigan_hub.errors import RequestError
from medigan_hub.inputs.decoders.base import Decoder, Frames, Picture
from medigan_hub.reading import Reading


class ArrayDecoder(Decoder):
    """Four dimensions are a stack, (n, height, width, channels), read one by one."""

    format = "array"
    called = "NumPy (.npy, .npz)"
    suffixes = (".npy",)

    def knows(self, start: bytes) -> bool:
        return start.startswith(b"\x93NUMPY")

    def frames(self, path: Path, reading: Reading) -> Frames:
        with path.open("rb") as stream:
            return frames_of(path, shape_of(path, stream, path.stat().st_size))

    def read(self, path: Path, frame: int, reading: Reading) -> Picture:
        # Mapped into memory: of a stack, no more is read than the one image.
        array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
        return Picture(np.array(array[frame] if array.ndim == 4 else array))


def shape_of(path: Path, stream: IO[bytes], size: int) -> tuple[int, ...]:
    """Return the shape of the array in a stream of ``size`` bytes, which holds what it says."""
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    version = np.lib.format.read_magic(stream)
    if version not in readers:
        raise RequestError(f"{path} can't be read: save it anew with NumPy")
    shape, _, dtype = readers[version](stream)
    room = size - stream.tell()
    if dtype.kind not in "buif":
        raise RequestError(f"{path} can't be read: it holds {dtype.name} values; give numbers")
    if any(length < 0 for length in shape) or math.prod(shape) * dtype.itemsize > room:
        raise RequestError(
            f"{path} can't be read: it claims the shape {str(shape)[:60]}, and holds {room} bytes; "
            "save it anew with NumPy"
        )
    return tuple(shape)


def frames_of(path: Path, shape: tuple[int, ...]) -> Frames:
    """Return what the shape of an array says of the images in it."""
    if len(shape) not in (2, 3, 4) or 0 in shape:
        raise RequestError(
            f"{path} has the shape {str(shape)[:60]}; an image has (height, width) or (height, "
            "width, channels), and several have (n, height, width, channels)"
        )
    count, height, width = shape[:3] if len(shape) == 4 else (1, *shape[:2])
    return Frames(count, height, width)
