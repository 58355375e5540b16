"""The files that pass between the app and its users' browsers: each its owner's alone.

Every file lies in a folder of its own whose name nobody can guess, and what is not
written down here is neither taken nor handed out. No disk is asked about any other
path, so that no answer tells whether there is something at it.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import BinaryIO

from medigan_hub.app.settings import (
    MOST_FILES,
    MOST_FILES_IN_ALL,
    MOST_HELD,
    MOST_HELD_IN_ALL,
    UNCLAIMED_SECONDS,
)
from medigan_hub.errors import RequestError

GONE = "a file is not there, or no longer; upload it again"
SHARED = "GRADIO_TEMP_DIR"
STRAY_SECONDS = 60.0
"""Seconds after which what the web framework left behind is removed."""

_apps: list[ExitStack] = []
_changing = threading.Lock()


@contextmanager
def shared_folder() -> Iterator[Path]:
    """Yield the folder that the web framework takes files from, for as long as an app runs.

    It knows one in a process, however many apps there are: each has a folder of its own below.
    """
    with _changing, ExitStack() as undone:
        if not _apps:
            undone.callback(_name_folder, os.environ.get(SHARED))
            folder = undone.enter_context(TemporaryDirectory(prefix="medigan-passing-"))
            _name_folder(str(Path(folder).resolve()))
        _apps.append(undone.pop_all())
    try:
        yield Path(os.environ[SHARED])
    finally:
        with _changing:
            if len(_apps) == 1:
                _apps[0].close()  # the first app's: it made the folder
                _apps.clear()
            else:
                _apps.pop()


def _name_folder(folder: str | None) -> None:
    if folder is None:
        os.environ.pop(SHARED, None)
    else:
        os.environ[SHARED] = folder


@dataclass(eq=False)
class _File:
    size: int
    since: float
    owner: object | None


class Files:
    """The files of one app; an owner is whatever object stands for one."""

    def __init__(self, shared: Path) -> None:
        self._shared = shared
        self._folder = Path(mkdtemp(dir=shared)).resolve()
        self._known: dict[str, _File] = {}  # by path, the oldest first
        self._lock = threading.RLock()

    def take(self, uploads: Sequence[tuple[str, BinaryIO]]) -> list[Path]:
        """Keep what was uploaded, all or none, for whoever claims it; return the paths."""
        with ExitStack() as undone:
            paths = []
            for name, content in uploads:
                paths.append(self._place(name))
                undone.callback(shutil.rmtree, paths[-1].parent, ignore_errors=True)
                with paths[-1].open("xb") as file:
                    shutil.copyfileobj(content, file)
            undone.pop_all()
        for path in paths:
            self._know(path, None)
        return paths

    def hand_out(self, made: Path, owner: object) -> Path:
        """Move a file that was made to where its owner can fetch it, and return its path."""
        path = self._place(made.name)
        shutil.move(made, path)
        self._know(path, owner)
        return path

    def claim(self, path: str, owner: object) -> Path:
        """Return an upload, which from now on is the owner's.

        Raises
        ------
        RequestError
            It is none, or another's; which of them is not said.
        """
        with self._lock:
            file = self._known.get(path)
            if file is None or file.owner not in (None, owner) or not _is_regular(path):
                raise RequestError(GONE)
            file.owner = owner
            self._bound(owner)
        return Path(path)

    def find(self, path: str) -> Path | None:
        """Return the path of a file that whoever knows its name may fetch."""
        return Path(path) if path in self._known and _is_regular(path) else None

    def drop(self, owner: object) -> None:
        """Remove the files of an owner."""
        with self._lock:
            for path in self._of(owner):
                self._remove(path)

    def sweep(self) -> None:
        """Remove what nobody claimed, and what the web framework left behind."""
        with self._lock:
            for path in self._of(None):
                if time.monotonic() - self._known[path].since > UNCLAIMED_SECONDS:
                    self._remove(path)
        for entry in self._shared.iterdir():
            with suppress(OSError):
                status = entry.lstat()
                if stat.S_ISREG(status.st_mode) and time.time() - status.st_mtime > STRAY_SECONDS:
                    entry.unlink()

    def _place(self, name: str) -> Path:
        """Return the path for a new file, in a new folder."""
        return Path(mkdtemp(prefix=f"{secrets.token_hex(16)}-", dir=self._folder)) / name

    def _know(self, path: Path, owner: object | None) -> None:
        with self._lock:
            self._known[str(path)] = _File(path.stat().st_size, time.monotonic(), owner)
            self._bound(owner)

    def _bound(self, owner: object | None) -> None:
        """Remove the oldest files where there are too many of an owner, or of all."""
        self._shrink(self._of(owner), MOST_FILES, MOST_HELD)
        every = sorted(self._known, key=lambda path: self._known[path].owner is not None)
        self._shrink(every, MOST_FILES_IN_ALL, MOST_HELD_IN_ALL)

    def _shrink(self, paths: list[str], most: int, most_bytes: int) -> None:
        held = sum(self._known[path].size for path in paths)
        for number, path in enumerate(paths):
            if len(paths) - number <= most and held <= most_bytes:
                return
            held -= self._known[path].size
            self._remove(path)

    def _of(self, owner: object | None) -> list[str]:
        return [path for path, file in self._known.items() if file.owner is owner]

    def _remove(self, path: str) -> None:
        del self._known[path]
        shutil.rmtree(Path(path).parent, ignore_errors=True)


def _is_regular(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False
