"""Arrays in files that code of others has written."""

from __future__ import annotations

import io
import math
import os
import stat
from pathlib import Path

import numpy as np

MAX_HEADER_BYTES = 2**16
"""Bytes that the header of a .npy file may have."""


def read(path: Path) -> np.ndarray:
    """Return the array in a .npy file; nothing is allocated but for bytes that are there.

    Raises
    ------
    OSError
        The file can't be read.
    ValueError
        It is no regular file, or holds no array of plain numbers or words.
    """
    # Not waiting for a pipe to be filled.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with open(descriptor, "rb") as stream:  # noqa: PTH123 (a descriptor has no path)
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise ValueError("not a file in its folder")
        head = io.BytesIO(stream.read(MAX_HEADER_BYTES))
        try:
            version = np.lib.format.read_magic(head)
            read_header = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            shape, by_column, dtype = read_header(head)
        except Exception as error:  # NumPy reads it as Python code, with all that may go wrong
            raise ValueError("it is no array") from error
        if dtype.hasobject or dtype.names is not None or dtype.itemsize == 0:
            raise ValueError(f"it holds {dtype}")
        begin, size = head.tell(), math.prod(shape) * dtype.itemsize
        if any(length < 0 for length in shape) or begin + size != about.st_size:
            raise ValueError("its size is not that of its shape")
        stream.seek(begin)
        content = stream.read(size)
    if len(content) != size:
        raise ValueError("it is cut short")
    array = np.frombuffer(bytearray(content), dtype)
    return array.reshape(shape, order="F" if by_column else "C")
