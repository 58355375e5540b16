"""Waiting for other processes that are at the same thing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def locked(path: Path) -> Iterator[tuple[int, ...]]:
    """Wait until no other process or thread holds the lock file ``path``; missing folders are made.

    Yields what a child process must inherit to hold the lock for as long as it
    runs. Where the system or the file system has no locks, nothing is waited for.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:  # Windows
        yield ()
        return
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield (descriptor,)
    finally:
        with suppress(OSError):  # a process that was forked meanwhile would hold it on
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)
