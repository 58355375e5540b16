"""Waiting for other processes and threads that are at the same file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def locked(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Wait until nobody else holds the lock file ``path``; missing folders are made.

    ``waiting`` is called where there is somebody to wait for. Where the system or
    the file system has no locks, nothing is waited for.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:
            pass
        yield
    finally:
        with suppress(OSError):  # a process that was forked meanwhile would hold it on
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)
