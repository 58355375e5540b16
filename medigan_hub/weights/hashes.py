"""Checksums of files, computed once for each state that a file is found in."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

from medigan_hub.files import sha256_of


class Digests(NamedTuple):
    """What a file's content is known by."""

    sha256: str
    md5: str
    size: int


_known: dict[tuple[Path, int, int], str] = {}


def state_of(path: Path) -> tuple[int, int]:
    """Return what changes when a file does: its size, and when it was changed, in nanoseconds."""
    about = path.stat()
    return about.st_size, about.st_mtime_ns


def sha256_once(path: Path) -> str:
    """Return a file's SHA-256, computed once a process for each state that it is found in.

    A data loader opens its network for each batch.
    """
    key = (path, *state_of(path))
    if key not in _known:
        _known[key] = sha256_of(path)
    return _known[key]


def digests_of(path: Path) -> Digests:
    """Return the checksums of a file, read once, piece by piece."""
    key = (path, *state_of(path))
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    with path.open("rb") as stream:
        while piece := stream.read(2**20):
            sha256.update(piece)
            md5.update(piece)
            size += len(piece)
    _known[key] = sha256.hexdigest()
    return Digests(sha256.hexdigest(), md5.hexdigest(), size)
