"""Carrying weights to a machine that has no network.

A folder holds the files, and beside them ``medigan-weights.json``, which says
what each is. Nothing in it is believed: a file is hashed while it is copied,
and is held against the model's metadata and the pin, where there is one.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from medigan_hub.errors import OutputError, WeightsError
from medigan_hub.files import replacing, write_atomically
from medigan_hub.hashes import hashed
from medigan_hub.locks import locked
from medigan_hub.metadata import WeightsFile
from medigan_hub.weights import pins, places
from medigan_hub.weights.download import Download, cached, check_room, known_sha256, pin
from medigan_hub.weights.owners import Owner
from medigan_hub.weights.places import Place, place_of

MANIFEST = "medigan-weights.json"
MAX_MANIFEST_BYTES = 16 * 2**20
"""Bytes that a manifest may have."""


@dataclass(frozen=True)
class Carried:
    """A file in such a folder."""

    model: str
    key: str
    """Its address, by which it is pinned."""
    record: str | None
    """Number of the Zenodo record that it belongs to."""
    path: str
    """Path in the folder."""
    sha256: str
    md5: str
    size: int
    url: str
    """Where it was downloaded from."""


def export(models: Iterable[Owner], folder: Path) -> list[Carried]:
    """Copy the cached weights of some models into a folder, beside any that are there.

    Raises
    ------
    WeightsError
        Weights are not in the cache, or are damaged; or the folder's manifest is.
    OutputError
        The folder can't be written.
    """
    try:
        there = manifest(folder) if (folder / MANIFEST).exists() else []
        found = {carried.key: carried for carried in there}
        copied = [_export(model, file, folder) for model in models for file in _remote(model)]
        found |= {carried.key: carried for carried in copied}
        content = {"version": 1, "files": [asdict(found[key]) for key in sorted(found)]}
        write_atomically(folder / MANIFEST, f"{json.dumps(content, indent=2)}\n".encode())
    except OSError as error:
        raise OutputError(
            f"weights can't be exported to {folder}: {error.strerror or error}"
        ) from error
    return copied


def manifest(folder: Path) -> list[Carried]:
    """Return what a folder says that it holds.

    Raises
    ------
    WeightsError
        It has no manifest, or a damaged one.
    """
    path = folder / MANIFEST
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_MANIFEST_BYTES)
        files = [Carried(**entry) for entry in json.loads(content)["files"]]
    except OSError as error:
        raise WeightsError(
            f"{folder} holds no weights to import: {MANIFEST} can't be read "
            f"({error.strerror or error}); make it with: medigan weights export DIR"
        ) from error
    except (ValueError, TypeError, KeyError, RecursionError):
        files = []
    if not files or not all(map(_valid, files)):
        raise WeightsError(f"{path} is damaged; export the weights again")
    return files


def install(carried: Carried, folder: Path, models: Iterable[Owner]) -> Download:
    """Take a file of an exported folder into the cache, verified, and pin it.

    Raises
    ------
    WeightsError
        None of the models has this file, it is not what the manifest, the
        metadata or the pin says, or it is reached through a link.
    OutputError
        The cache can't be written, or has no room.
    """
    model, file, place = _owner(carried, models)
    _check_stated(carried, model, file, place)
    try:
        with locked(place.lock):
            found = cached(file, place)
            if found is not None and found.sha256 == carried.sha256:
                return found
            with _opened(folder, carried) as source:
                check_room(place, carried.size)
                with replacing(place.path, durably=True) as target:
                    _copy(source, target, carried)
            return pin(place, carried.url)
    except OSError as error:
        raise OutputError(
            f"the weights of {model.name} can't be imported from {folder}: "
            f"{error.strerror or error}"
        ) from error


def _export(model: Owner, file: WeightsFile, folder: Path) -> Carried:
    place = place_of(model, file)
    found = cached(file, place)
    if found is None:
        raise WeightsError(
            f"the weights of {model.name} are not in the cache, or are damaged: "
            f"medigan weights fetch {model.name}"
        )
    about = pins.read(place.key)
    if about is None or about.sha256 != found.sha256:
        pin(place)
        about = pins.read(place.key)
    assert about is not None  # noqa: S101 (it was pinned just now)
    carried = Carried(
        model=model.name,
        key=place.key,
        record=place.record,
        path=_path(place),
        sha256=about.sha256,
        md5=about.md5,
        size=about.size,
        url=about.url,
    )
    with found.path.open("rb") as source, replacing(folder / carried.path) as target:
        _copy(source, target, carried)
    return carried


def _remote(model: Owner) -> list[WeightsFile]:
    """Return the remote files of a model; raise where it has none."""
    files = [file for file in model.files if file.is_remote]
    if not files:
        raise WeightsError(f"{model.name} has no remote weights")
    return files


def _path(place: Place) -> str:
    return place.path.relative_to(places.folder()).as_posix()


def _owner(carried: Carried, models: Iterable[Owner]) -> tuple[Owner, WeightsFile, Place]:
    for model in models:
        for file in model.files:
            if file.is_remote:
                place = place_of(model, file)
                if place.key == carried.key:
                    return model, file, place
    raise WeightsError(
        f"no model that is known here has the weights {carried.key}, which {MANIFEST} lists for "
        f"{carried.model}; MEDIGAN_CATALOGUE may name its document"
    )


def _check_stated(carried: Carried, model: Owner, file: WeightsFile, place: Place) -> None:
    if carried.path != _path(place):
        raise WeightsError(
            f"{MANIFEST} lists the weights of {model.name} as {carried.path!r}, and they belong "
            f"into {_path(place)}; export them again"
        )
    known = known_sha256(file, place)
    for kind, stated, must in (
        ("SHA-256", carried.sha256, known),
        ("MD5", carried.md5, file.md5),
    ):
        if must is not None and stated != must:
            forget = (
                ""
                if file.sha256 or file.md5
                else (f" (or forget the pin: medigan weights clear {model.name} --pins)")
            )
            raise WeightsError(
                f"the weights of {model.name} to be imported have the {kind} {stated}, and it "
                f"must be {must}; export those that it names{forget}"
            )


@contextmanager
def _opened(folder: Path, carried: Carried) -> Iterator[BinaryIO]:
    path = folder / carried.path
    for each in (path.parent, path):
        if each.is_symlink():
            raise WeightsError(f"{each} is a link, which is not followed; export the files again")
    try:
        # The last of it again, for who changes it meanwhile; and a pipe would wait for ever.
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise WeightsError(
            f"{path} can't be read ({error.strerror}); export the weights of {carried.model} again"
        ) from error
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise WeightsError(f"{path} is no file; export the weights of {carried.model} again")
        yield stream


def _copy(source: BinaryIO, target: BinaryIO, carried: Carried) -> None:
    """Copy a file, and raise where it is not what the manifest says."""
    found = hashed(source, "sha256", "md5", most=carried.size + 1, target=target)
    if found != (carried.size, [carried.sha256, carried.md5]):
        raise WeightsError(
            f"{carried.path} is not the file that {MANIFEST} describes (SHA-256 "
            f"{carried.sha256}); it was changed or is damaged: export the weights of "
            f"{carried.model} again"
        )


def _valid(carried: Any) -> bool:
    texts = (carried.model, carried.key, carried.path, carried.sha256, carried.md5, carried.url)
    return (
        all(isinstance(text, str) for text in texts)
        and isinstance(carried.record, str | None)
        and re.fullmatch("[0-9a-f]{64}", carried.sha256) is not None
        and re.fullmatch("[0-9a-f]{32}", carried.md5) is not None
        and type(carried.size) is int
        and carried.size >= 0
    )
