"""Where a data set keeps the samples that it has made."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from medigan_hub import provenance
from medigan_hub.dataset import header
from medigan_hub.errors import OutputError, RequestError
from medigan_hub.files import open_inside, write_atomically
from medigan_hub.samples import GenerationRequest
from medigan_hub.writers import npz

Arrays = Mapping[str, np.ndarray]
FREE = ("count", "indices", "batch_size", "device", "runtime_version")
"""What may differ between jobs that share a folder: it changes no sample but by rounding.

Inputs and latent vectors of the caller's own must be the same ones, all of them.
"""


class Cache(Protocol):
    """The arrays of samples as the plugin made them, by index."""

    def get(self, index: int) -> Arrays | None:
        """Return the arrays of a sample, or None where they must be made."""

    def put(self, index: int, arrays: Arrays) -> None:
        """Keep the arrays of a sample."""


def find(cache: Any, request: GenerationRequest) -> Cache:
    """Return the cache that a caller means: None, ``memory`` or a folder.

    Raises
    ------
    RequestError
        It is none of these.
    OutputError
        The folder can't be used, or holds something else.
    """
    if cache is None:
        return NoCache()
    if not isinstance(cache, (str, Path)):
        raise RequestError(f'the cache is {cache!r}; it is None, "memory" or a folder')
    return MemoryCache() if cache == "memory" else DiskCache(Path(cache), request)


def check(cache: Any, request: GenerationRequest) -> None:
    """Make sure that a cache is one which can be used, as far as that is known without weights.

    Raises
    ------
    RequestError, OutputError
        As ``find``.
    """
    if isinstance(cache, (str, Path)) and cache != "memory":
        _check_folder(Path(cache))
    else:
        find(cache, request)


class NoCache(Cache):
    """Keeps nothing."""

    def get(self, index: int) -> Arrays | None:
        return None

    def put(self, index: int, arrays: Arrays) -> None:
        pass


class MemoryCache(Cache):
    """Keeps samples in the memory of a process; a pickled copy starts empty."""

    def __init__(self) -> None:
        self._samples: dict[int, Arrays] = {}

    def get(self, index: int) -> Arrays | None:
        return self._samples.get(index)

    def put(self, index: int, arrays: Arrays) -> None:
        self._samples[index] = arrays

    def __reduce__(self) -> Any:
        return MemoryCache, ()


class DiskCache(Cache):
    """Keeps samples in a folder, a file each, for any number of processes and runs.

    ``dataset.json`` says whose samples they are, and each file that its arrays
    are synthetic. A file that is damaged counts as one that is missing.
    """

    def __init__(self, folder: Path, request: GenerationRequest) -> None:
        self._folder = folder.absolute()
        self._request = request
        _claim(self._folder, request)

    def get(self, index: int) -> Arrays | None:
        try:
            stream = open_inside(self._folder, self._path(index).name)
            if stream is None:
                return None
            with stream:
                file = np.load(stream, allow_pickle=False)
                arrays = {name: file[name] for name in file.files}
            words = json.loads(arrays.pop(npz.PROVENANCE).item())
        # Beyond the first, what NumPy and zipfile raise on damaged files.
        except (OSError, ValueError, KeyError, EOFError, TypeError, AttributeError, RuntimeError):
            return None
        except (zipfile.BadZipFile, zlib.error):
            return None
        return arrays if words == self._words(index, arrays) else None

    def put(self, index: int, arrays: Arrays) -> None:
        words = json.dumps(self._words(index, arrays), ensure_ascii=False)
        content = npz.encode({**arrays, npz.PROVENANCE: np.array(words)}, compressed=False)
        path = self._path(index)
        try:
            if not (self._folder / header.HEADER).exists():  # removed while it was in use
                _claim(self._folder, self._request)
            write_atomically(path, content)
        except OSError as error:
            raise OutputError(f"{path} can't be written: {error.strerror}") from error

    def _path(self, index: int) -> Path:
        return self._folder / f"{index:06d}.npz"

    def _words(self, index: int, arrays: Arrays) -> dict[str, Any]:
        words = {name: provenance.sample_text(self._request, index, name) for name in arrays}
        return {"index": index, "arrays": words}


ADVICE = "name another folder for the cache, or remove that one"


def _check_folder(folder: Path) -> None:
    """Refuse what is no folder, and a folder that holds something else."""
    try:
        if folder.exists() and not folder.is_dir():
            raise OutputError(f"{folder} is a file; name a folder for the cache")
        if not folder.exists() or header.read(folder) is not None:
            return
        if any(not entry.name.startswith(".") for entry in folder.iterdir()):
            raise OutputError(f"{folder} holds something else than a cache; {ADVICE}")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"{folder} can't be used as a cache: {reason}") from error


def _claim(folder: Path, request: GenerationRequest) -> None:
    """Take a new or empty folder for the samples of a job, or make sure that it holds them."""
    wanted = {
        name: value
        for name, value in {**provenance.header(request), "format": header.CACHE}.items()
        if name not in FREE
    }
    _check_folder(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found = header.read(folder)
        if found is None:
            header.write(folder, wanted)
            return
    except OSError as error:
        raise OutputError(f"{folder} can't be used as a cache: {error.strerror}") from error
    different = header.differences(found[0], wanted)
    if different:
        raise OutputError(f"{folder} holds other samples: {different[0]}; {ADVICE}")
