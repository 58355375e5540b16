"""Shards: tar files each of whose bytes follows from the names and contents of their members.

There is one way to write a member (no time, owner or extension of tar), one way
to fill its last block and one way to end. What was written otherwise, or was
changed since, is no part of a shard; so whoever holds the members against the
manifest has held the whole file against it.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from medigan_hub.hashes import hashed

BLOCK = tarfile.BLOCKSIZE
END = bytes(2 * BLOCK)
"""What follows the last member."""


@dataclass(frozen=True)
class Member:
    """A file in a shard."""

    name: str
    sha256: str
    end: int
    """Where what follows it in the shard begins, in bytes."""


def entry(name: str, content: bytes) -> bytes:
    """Return a file as it stands in a shard."""
    return _head(name, len(content)) + content + bytes(_padding(len(content)))


def space(size: int) -> int:
    """Return how many bytes a member takes whose content has ``size``."""
    return BLOCK + size + _padding(size)


def members(stream: BinaryIO) -> Iterator[Member]:
    """Yield the members of a shard from its beginning on, as far as it is whole.

    A size is believed only as far as the file goes.
    """
    length = os.fstat(stream.fileno()).st_size
    end = 0
    while True:
        stream.seek(end)
        head = stream.read(BLOCK)
        try:
            info = tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
            ours = info.size >= 0 and head == _head(info.name, info.size)
        except (tarfile.TarError, ValueError):
            return
        end += space(info.size)
        if not ours or end > length:
            return
        size, (sha256,) = hashed(stream, "sha256", most=info.size)
        padding = _padding(info.size)
        if size < info.size or stream.read(padding) != bytes(padding):
            return
        yield Member(info.name, sha256, end)


def ends(stream: BinaryIO, end: int) -> bool:
    """Tell whether a shard ends as it should, after the members that take ``end`` bytes."""
    stream.seek(end)
    return stream.read(len(END) + 1) == END


def _head(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.USTAR_FORMAT, "utf-8", "surrogateescape")


def _padding(size: int) -> int:
    return -size % BLOCK
