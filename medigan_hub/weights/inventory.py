"""What weights are there, whether they are what they must be, and removing them."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from medigan_hub.errors import OutputError, WeightsError
from medigan_hub.hashes import sha256_once, state_of
from medigan_hub.locks import locked
from medigan_hub.metadata import WeightsFile
from medigan_hub.weights import pins, places
from medigan_hub.weights.bundled import bundled
from medigan_hub.weights.download import known_sha256
from medigan_hub.weights.owners import Owner
from medigan_hub.weights.places import Place, place_of


@dataclass(frozen=True)
class Stock:
    """A file of a model's weights, as it is here."""

    model: str
    file: str | None
    state: str
    """``bundled``, ``cached``, ``absent`` or ``damaged``."""
    size: int | None
    """In bytes, where it is known."""
    sha256: str | None
    """What it must be, where that is known."""
    source: str
    """Where the file comes from: its address, or the plugin's distribution."""
    path: str | None
    """Where it lies."""


def find(model: Owner, file: WeightsFile, folder: Path | None, *, thorough: bool = False) -> Stock:
    """Return how a file of a model is here; ``folder`` is that of its plugin, if installed.

    Unless ``thorough``, a file that has not changed since it was verified is not hashed.
    """
    if not file.is_remote:
        return _bundled(model, file, folder, thorough)
    place = place_of(model, file)
    checksum, pin = known_sha256(file, place), pins.read(place.key)
    there = place.path.is_file()
    size = place.path.stat().st_size if there else pin.size if pin is not None else None
    state = _state(place, checksum, pin, thorough) if there else "absent"
    path = str(place.path) if there else None
    return Stock(model.name, place.name, state, size, checksum, place.key, path)


def clear(model: Owner, file: WeightsFile, *, forget: bool = False) -> int:
    """Remove a remote file of a model from the cache, and all that was made of it.

    What they must be stays pinned, unless it is to be forgotten. Returns the
    bytes that were freed.

    Raises
    ------
    WeightsError
        The file is bundled.
    OutputError
        Something can't be removed.
    """
    place = place_of(model, file)
    freed = 0
    try:
        if place.path.parent.is_dir():
            with locked(place.lock):
                mine = place.path.parent.glob(f".{_literal(place.name)}.*")
                for path in (place.path, *(path for path in mine if path != place.lock)):
                    freed += _remove(path)
        if forget and pins.read(place.key) is not None:
            pins.write(place.key, None)
    except OSError as error:
        raise OutputError(
            f"the weights of {model.name} can't be removed from {place.path.parent}: "
            f"{error.strerror or error}"
        ) from error
    return freed


def clear_others(models: Iterable[Owner]) -> int:
    """Remove from the cache the weights of all but the given models; return the bytes freed."""
    folder = places.folder()
    kept = {
        place_of(model, file).path.parent
        for model in models
        for file in model.files
        if file.is_remote
    }
    others = [path for path in folder.glob("*/") if path not in kept and not path.is_symlink()]
    return sum(map(_remove, others))


def _bundled(model: Owner, file: WeightsFile, folder: Path | None, thorough: bool) -> Stock:
    path = None if folder is None else folder / (file.file or "")
    size, state = None, "absent"
    if path is not None and path.is_file():
        size, state = path.stat().st_size, "bundled"
        if thorough:
            try:
                bundled(model, path.parent if folder is None else folder, file)
            except WeightsError:
                state = "damaged"
    return Stock(
        model=model.name,
        file=file.file,
        state=state,
        size=size,
        sha256=file.sha256,
        source=model.plugin,
        path=None if state == "absent" else str(path),
    )


def _state(place: Place, checksum: str | None, pin: pins.Pin | None, thorough: bool) -> str:
    verified = pin is not None and (pin.sha256, pin.size, pin.modified) == (
        checksum,
        *state_of(place.path)[:2],
    )
    if verified and not thorough:
        return "cached"
    return "cached" if sha256_once(place.path) == checksum else "damaged"


def _remove(path: Path) -> int:
    """Remove a file, or a folder with all that is in it; return its size in bytes."""
    if path.is_dir() and not path.is_symlink():
        size = 0
        for each in path.rglob("*"):
            with suppress(OSError):
                size += each.lstat().st_size if not each.is_dir() else 0
        shutil.rmtree(path)
        return size
    try:
        size = path.lstat().st_size
        path.unlink()
    except FileNotFoundError:
        return 0
    return size


def _literal(name: str) -> str:
    import glob

    return glob.escape(name)
