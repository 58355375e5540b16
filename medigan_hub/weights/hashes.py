"""Checksums of files, computed once for each state that a file is found in."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import NamedTuple

from medigan_hub.files import sha256_of


class Digests(NamedTuple):
    """What a file's content is known by."""

    sha256: str
    md5: str
    size: int


class State(NamedTuple):
    """What changes when a file does."""

    size: int
    changed: int
    """When its content or anything about it changed, in nanoseconds: nobody can set that back."""
    device: int
    inode: int


TICK = 20_000_000
"""Nanoseconds in which a file may change twice at what is the same time for a file system."""

_known: dict[tuple[Path, State], str] = {}


def state_of(path: Path) -> State:
    """Return what changes when a file does."""
    about = path.stat()
    # On Windows st_ctime is when the file was made.
    changed = about.st_mtime_ns if os.name == "nt" else about.st_ctime_ns
    return State(about.st_size, changed, about.st_dev, about.st_ino)


def sha256_once(path: Path) -> str:
    """Return a file's SHA-256, computed once a process for each state that it is found in.

    A data loader opens its network for each batch.
    """
    state = state_of(path)
    found = _known.get((path, state))
    if found is None:
        settled = _is_settled(state)
        found = sha256_of(path)
        if settled:
            _known[path, state] = found
    return found


def digests_of(path: Path) -> Digests:
    """Return the checksums of a file, read once, piece by piece."""
    state = state_of(path)
    settled = _is_settled(state)
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    with path.open("rb") as stream:
        while piece := stream.read(2**20):
            sha256.update(piece)
            md5.update(piece)
            size += len(piece)
    if settled:
        _known[path, state] = sha256.hexdigest()
    return Digests(sha256.hexdigest(), md5.hexdigest(), size)


def _is_settled(state: State) -> bool:
    """Tell whether a file that changes from now on comes into another state by that."""
    return time.time_ns() - state.changed > TICK
