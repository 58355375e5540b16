"""What the gate and the model under check say to each other: words, and arrays after them.

A frame is a line of JSON, with the type and shape of each array, and then their bytes.
What reads a frame believes nothing of it: not its length, its types, or that it ends.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import IO, Any

import numpy as np

MAX_LINE_BYTES = 2**20
"""Bytes of the line."""
DTYPES = (
    *("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"),
    *("float16", "float32", "float64"),
)
MAX_AXES = 8


def write(stream: IO[bytes], words: Any, arrays: Sequence[np.ndarray] = ()) -> None:
    """Write a frame; the arrays are of ``DTYPES``."""
    about = [[str(array.dtype), list(array.shape)] for array in arrays]
    stream.write(json.dumps([words, about]).encode() + b"\n")
    for array in arrays:
        stream.write(np.ascontiguousarray(array).tobytes())
    stream.flush()


def read(stream: IO[bytes], most: int) -> tuple[Any, list[np.ndarray]]:
    """Return the words and the arrays of the next frame.

    Parameters
    ----------
    most
        Bytes that the arrays may have together.

    Raises
    ------
    EOFError
        There is none, or not all of it.
    ValueError
        It is no frame, or too large.
    """
    line = stream.readline(MAX_LINE_BYTES)
    if not line:
        raise EOFError("there is no answer")
    if not line.endswith(b"\n"):
        raise ValueError("a line without end")
    try:
        words, about = json.loads(line)
        sizes = [_size(dtype, shape) for dtype, shape in about]
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError("no frame") from error
    if sum(sizes) > most:
        raise ValueError(f"{sum(sizes) / 2**20:.0f} MiB, where {most / 2**20:.0f} would be much")
    arrays = []
    for (dtype, shape), size in zip(about, sizes, strict=True):
        content = stream.read(size)
        if len(content) != size:
            raise EOFError("the answer is cut short")
        arrays.append(np.frombuffer(content, dtype).reshape(shape))
    return words, arrays


def _size(dtype: Any, shape: Any) -> int:
    """Return the bytes of an array."""
    whole = isinstance(shape, list) and len(shape) <= MAX_AXES
    if dtype not in DTYPES or not whole or any(type(n) is not int or n < 0 for n in shape):
        raise ValueError("no array")
    size: int = math.prod(shape) * np.dtype(dtype).itemsize
    return size
