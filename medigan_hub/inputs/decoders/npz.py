"""NumPy's archives (.npz): one array with images, as the hub writes and others do."""

from __future__ import annotations

import json
import zipfile
from functools import lru_cache
from pathlib import Path

import numpy as np

from medigan_hub.errors import RequestError, listed
from medigan_hub.hashes import State, state_of
from medigan_hub.inputs.decoders.array import frames_of, shape_of
from medigan_hub.inputs.decoders.base import Decoder, Frames, Picture
from medigan_hub.reading import Reading

MAX_ARRAY_BYTES = 2**29
"""Bytes of an array, which is unpacked as a whole, and kept while its images are asked for."""
MAX_MEMBERS = 1000
OURS = "_provenance.npy"
"""What the hub adds to the arrays of a sample: JSON in a string, with the ``levels`` of each."""
MAX_OURS_BYTES = 2**24
PREFERRED = "image"


class NpzDecoder(Decoder):
    """The only array in a file, or the one called ``image``; one of numbers, as in a .npy file."""

    format = "npz"
    called = "NumPy (.npy, .npz)"
    suffixes = (".npz",)

    def knows(self, start: bytes) -> bool:
        return start.startswith(b"PK\x03\x04")

    def frames(self, path: Path, reading: Reading) -> Frames:
        with zipfile.ZipFile(path) as archive:
            info, _ = _member(path, archive)
            with archive.open(info) as stream:
                return frames_of(path, shape_of(path, stream, info.file_size))

    def read(self, path: Path, frame: int, reading: Reading) -> Picture:
        array, levels, taken = _unpacked(path, state_of(path))
        pixels = np.array(array[frame] if array.ndim == 4 else array)
        return Picture(pixels, levels=None if pixels.dtype == np.uint8 else levels, taken=taken)


@lru_cache(maxsize=1)
def _unpacked(path: Path, state: State) -> tuple[np.ndarray, tuple[float, float] | None, str]:
    """Return the array of a file, its levels, and what was taken of several: once for a stack."""
    with zipfile.ZipFile(path) as archive:
        info, is_one_of_several = _member(path, archive)
        with archive.open(info) as stream:
            array = np.lib.format.read_array(stream, allow_pickle=False)
        levels = _levels(archive, info.filename.removesuffix(".npy"))
    return array, levels, f"the array {PREFERRED}" if is_one_of_several else ""


def _member(path: Path, archive: zipfile.ZipFile) -> tuple[zipfile.ZipInfo, bool]:
    """Return the member with the images, and whether there are others beside it."""
    if len(archive.infolist()) > MAX_MEMBERS:
        raise RequestError(f"{path} holds too many arrays to look through; give one with an image")
    arrays = {
        info.filename.removesuffix(".npy"): info
        for info in archive.infolist()
        if info.filename.endswith(".npy") and not info.filename.startswith("_")
    }
    if not arrays:
        raise RequestError(f"{path} is an archive without arrays; give images")
    if len(arrays) > 1 and PREFERRED not in arrays:
        raise RequestError(
            f"{path} holds {len(arrays)} arrays ({listed(arrays)}), and none is called "
            f"{PREFERRED}; save the one with images alone"
        )
    info = arrays[PREFERRED] if len(arrays) > 1 else next(iter(arrays.values()))
    if info.file_size > MAX_ARRAY_BYTES:
        raise RequestError(
            f"{path} holds an array of {info.file_size} bytes, and at most {MAX_ARRAY_BYTES} are "
            "unpacked; save it as .npy"
        )
    return info, len(arrays) > 1


def _levels(archive: zipfile.ZipFile, name: str) -> tuple[float, float] | None:
    """Return what is black and white in an array that the hub wrote; None in one of others."""
    try:
        info = archive.getinfo(OURS)
        if info.file_size > MAX_OURS_BYTES:
            return None
        with archive.open(info) as stream:
            words = np.lib.format.read_array(stream, allow_pickle=False).item()
        low, high = map(float, json.loads(words)["levels"][name])
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    return (low, high) if -np.inf < low < high < np.inf else None
