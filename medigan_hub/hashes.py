"""Checksums of files, read piece by piece, and once for each state that a file is found in."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import IO, NamedTuple

from medigan_hub.files import open_inside


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


TICK_NS = 20_000_000
"""Nanoseconds in which a file may change twice at what is the same time for a file system."""

PIECE_BYTES = 2**20

_known: dict[tuple[Path, State], str] = {}


def hashed(
    source: IO[bytes], *algorithms: str, most: int | None = None, target: IO[bytes] | None = None
) -> tuple[int, list[str]]:
    """Read what a stream still holds; return how many bytes that is, and their checksums.

    Parameters
    ----------
    algorithms
        As ``hashlib`` names them.
    most
        Bytes after which no more are read.
    target
        Where what is read is written to.

    >>> import io
    >>> hashed(io.BytesIO(b"abc"), "md5")
    (3, ['900150983cd24fb0d6963f7d28e17f72'])
    """
    digests = [hashlib.new(name, usedforsecurity=False) for name in algorithms]
    size = 0
    while piece := source.read(PIECE_BYTES if most is None else min(PIECE_BYTES, most - size)):
        size += len(piece)
        for digest in digests:
            digest.update(piece)
        if target is not None:
            target.write(piece)
    return size, [digest.hexdigest() for digest in digests]


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashed(stream, "sha256")[1][0]


def sha256_inside(folder: Path, path: str) -> str | None:
    """Return the SHA-256 of a file in a folder; None where there is none (see ``open_inside``)."""
    stream = open_inside(folder, path)
    if stream is None:
        return None
    with stream:
        return hashed(stream, "sha256")[1][0]


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
        settled = is_settled(state)
        found = sha256_of(path)
        if settled:
            _known[path, state] = found
    return found


def digests_of(path: Path) -> Digests:
    """Return the checksums of a file, read once."""
    state = state_of(path)
    settled = is_settled(state)
    with path.open("rb") as stream:
        size, (sha256, md5) = hashed(stream, "sha256", "md5")
    if settled:
        _known[path, state] = sha256
    return Digests(sha256, md5, size)


def is_settled(state: State) -> bool:
    """Tell whether a file that changes from now on comes into another state by that."""
    return time.time_ns() - state.changed > TICK_NS
