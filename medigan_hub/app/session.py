"""What one user has uploaded and made: nobody else's, and gone when the page is closed."""

from __future__ import annotations

import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import numpy as np

from medigan_hub import inputs
from medigan_hub.app.files import Files
from medigan_hub.app.settings import (
    IDLE_SECONDS,
    MAX_FOLDERS,
    MAX_PIXELS,
    MAX_SESSIONS,
    MAX_UPLOADS,
    MOST_HELD,
)
from medigan_hub.errors import RequestError

if TYPE_CHECKING:
    from medigan_hub.generation import Wishes
    from medigan_hub.metadata import ModelMetadata
    from medigan_hub.samples import GenerationRequest


@dataclass(frozen=True, eq=False)
class Made:
    """Samples that were made, and what they were made with."""

    request: GenerationRequest
    wishes: Wishes
    samples: list[tuple[int, dict[str, np.ndarray]]]
    """Index and arrays of each, as far as they are made."""

    @property
    def model(self) -> ModelMetadata:
        """The model that made it."""
        return self.request.metadata


@dataclass
class Reading:
    """A blind reading test under way."""

    images: Sequence[np.ndarray]
    """8 bits and one size, (height, width, 1 or 3), in the order of the test."""
    truth: Sequence[str]
    seed: int
    model: str
    answers: list[str] = field(default_factory=list)


class Session:
    """The state of one open page."""

    def __init__(self, place: Path | None = None, files: Files | None = None) -> None:
        """Begin a session whose folders lie in ``place``; without one it is over already."""
        self.made: Made | None = None
        """What was made last, to be taken away."""
        self.generated: Made | None = None
        """What the grid shows."""
        self.steered: Made | None = None
        """What is shown beside the sliders."""
        self.reading: Reading | None = None
        self.bases: dict[Any, np.ndarray] = {}
        """Principal directions, by what they were found for."""
        self._jobs: set[threading.Event] = set()
        self._place = place
        self._files = files
        self._folders: list[Path] = []

    def folder(self) -> Path:
        """Return a new folder of this user's, which is removed with the session, or long before.

        Raises
        ------
        RequestError
            The session is over, or the disk is full.
        """
        place, _ = self._open()
        while len(self._folders) >= MAX_FOLDERS or sum(map(_size, self._folders)) > MOST_HELD:
            shutil.rmtree(self._folders.pop(0), ignore_errors=True)
        with _full_disk_in_words():
            self._folders.append(Path(mkdtemp(dir=place)))
        return self._folders[-1]

    def hand_out(self, made: Path) -> str:
        """Return where this user alone can fetch a file that was made."""
        _, files = self._open()
        return str(files.hand_out(made, self))

    def begin(self) -> threading.Event:
        """Return the event that tells a new job to stop.

        Raises
        ------
        RequestError
            The session is over.
        """
        self._open()
        stop = threading.Event()
        self._jobs.add(stop)
        return stop

    def end(self, stop: threading.Event) -> None:
        """Forget a job that is over."""
        self._jobs.discard(stop)

    def cancel(self) -> None:
        """Tell all jobs of this user to stop."""
        for stop in list(self._jobs):
            stop.set()

    def keep(
        self, uploads: Mapping[str, Sequence[str | Path]], most: int = MAX_UPLOADS
    ) -> dict[str, Path]:
        """Take uploaded files into this session, and return by input the file, or folder of files.

        In a folder they come in the order of their names, as ``inputs.find`` has them. ``most``
        is how many an input may have.

        Raises
        ------
        RequestError
            There are too many, two have one name, one claims too many pixels, or one is no
            upload of this user.
        """
        kept = {}
        _, files = self._open()
        folder = self.folder()
        for name, paths in uploads.items():
            if not paths:
                continue
            if len(paths) > most:
                raise RequestError(
                    f"{len(paths)} files were uploaded; the app takes {most} at a time"
                )
            place = folder / name
            place.mkdir()
            for path in (files.claim(str(path), self) for path in paths):
                target = place / path.name
                if target.exists():
                    raise RequestError(f"two files are named {path.name}; rename one")
                with _full_disk_in_words():
                    shutil.copyfile(path, target)
                inputs.check_size(target, MAX_PIXELS)
            kept[name] = place if len(paths) > 1 else next(place.iterdir())
        return kept

    def close(self) -> None:
        """Stop what is running, and remove what was uploaded and made."""
        self.cancel()
        self._place = None
        self.made = self.generated = self.steered = self.reading = None
        self.bases.clear()
        while self._folders:
            shutil.rmtree(self._folders.pop(), ignore_errors=True)
        if self._files is not None:
            self._files.drop(self)

    def _open(self) -> tuple[Path, Files]:
        if self._place is None or self._files is None:
            raise RequestError("this page was closed here after a while; load it again")
        return self._place, self._files


class Sessions:
    """The sessions of all pages, by the name that each gives itself and no other knows."""

    def __init__(self, place: Path, files: Files) -> None:
        self._place = place
        self._files = files
        self._open: dict[str, Session] = {}  # the one that was used longest ago first
        self._used: dict[str, float] = {}
        self._watched: Counter[str] = Counter()
        self._lock = threading.RLock()

    def begin(self, name: str) -> Session:
        """Return a new session; the one of another page goes where there are too many."""
        with self._lock:
            self.end(name)
            while len(self._open) >= MAX_SESSIONS:
                self.end(min(self._open, key=lambda each: self._watched[each] > 0))
            self._open[name] = Session(self._place, self._files)
            self._used[name] = time.monotonic()
            return self._open[name]

    def use(self, name: str) -> Session | None:
        """Return a session that is used now, if it is open."""
        with self._lock:
            session = self._open.pop(name, None)
            if session is not None:
                self._open[name] = session
                self._used[name] = time.monotonic()
            return session

    def end(self, name: str) -> None:
        """Close a session, if it is open."""
        with self._lock:
            self._used.pop(name, None)
            session = self._open.pop(name, None)
        if session is not None:
            session.close()

    @contextmanager
    def watched(self, name: str) -> Iterator[None]:
        """Keep a session for as long as a browser has its page open."""
        self._watched[name] += 1
        try:
            yield
        finally:
            self._watched[name] -= 1
            if not self._watched[name]:
                del self._watched[name]
            with self._lock:
                if name in self._used:
                    self._used[name] = time.monotonic()

    def sweep(self) -> None:
        """Close the sessions of pages that were left without a word."""
        with self._lock:
            now = time.monotonic()
            for name, used in list(self._used.items()):
                if not self._watched[name] and now - used > IDLE_SECONDS:
                    self.end(name)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@contextmanager
def _full_disk_in_words() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RequestError(f"the app can't keep files here: {error.strerror}") from error
