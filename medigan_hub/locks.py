"""Locks between processes: files that one of them holds at a time.

Locking is filelock's, on every system. Opening is ours: its own locks can't say whose
file they take, nor hand what they hold on to a child process.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

from medigan_hub import ownership
from medigan_hub.errors import HubWarning, OutputError

LOCK = ".medigan.lock"
"""Name of the file that lies in a folder while a data set is written into it."""
WINDOWS = os.name == "nt"
"""Where a child process inherits no descriptors, and nothing is removed that is open."""

_warned = False
"""Whether this process has said that a file system has no locks."""


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Keep other processes from writing a data set into ``folder``; missing folders are made.

    Meanwhile a hidden file lies there, since some file systems lock only what is open
    for writing. Where the file system has no locks, nothing is kept out.

    Raises
    ------
    OutputError
        Another process is at it.
    """

    def busy() -> NoReturn:
        raise OutputError(
            f"another process is writing into {folder}; wait for it, or name another folder"
        )

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK
    while True:
        descriptor = ownership.opened(path, os.O_RDWR | os.O_CREAT, owned=False)
        with _holding(descriptor, folder, busy):
            if not _is_at(path, descriptor):  # who held it has removed it since it was opened
                continue
            try:
                yield
            finally:
                if not WINDOWS and _is_at(path, descriptor):  # and it is still the same folder
                    path.unlink(missing_ok=True)
            return


@contextmanager
def locked(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[tuple[int, ...]]:
    """Wait until no other process or thread holds the lock file ``path``; missing folders are made.

    ``waiting`` is called where there is somebody to wait for. Yields what a
    child process must inherit to hold the lock for as long as it runs. Where
    the file system has no locks, that is empty, and nothing is waited for; on
    Windows it is empty, too.

    Raises
    ------
    OutputError
        The lock file is a link, or another account's.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = ownership.opened(path, os.O_RDWR | os.O_CREAT)
    with _holding(descriptor, path.parent, waiting) as held:
        yield (descriptor,) if held and not WINDOWS else ()


@contextmanager
def _holding(descriptor: int, folder: Path, waiting: Callable[[], None]) -> Iterator[bool]:
    """Lock an open file, and close it in the end; tell whether there are locks at all."""
    from filelock import lock_descriptor, unlock_descriptor

    held, free = True, False
    try:
        try:
            free = lock_descriptor(descriptor, blocking=False)
        except OSError as error:
            held = False
            _warn_of_no_locks(folder, error)
        if held and not free:
            waiting()
            lock_descriptor(descriptor)
        yield held
    finally:
        with suppress(OSError):  # a process that was forked meanwhile would hold it on
            unlock_descriptor(descriptor)
        os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except OSError:
        return False


def _warn_of_no_locks(folder: Path, error: OSError) -> None:
    global _warned
    if _warned:
        return
    _warned = True
    warnings.warn(
        f"{folder} is on a file system without locks ({error.strerror}); let no two processes of "
        "the hub write there at a time, or name another folder",
        HubWarning,
        stacklevel=2,
    )
