"""What one user has uploaded and made: nobody else's, and gone when the page is closed."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import numpy as np

from medigan_hub import inputs
from medigan_hub.app.settings import MOST_FOLDERS, MOST_PIXELS, MOST_UPLOADS
from medigan_hub.errors import RequestError

if TYPE_CHECKING:
    from medigan_hub.generation import Wishes
    from medigan_hub.metadata import ModelMetadata
    from medigan_hub.samples import GenerationRequest


@dataclass(frozen=True, eq=False)
class Made:
    """Samples that were made, and what they were made with."""

    job: GenerationRequest
    wishes: Wishes
    samples: list[tuple[int, dict[str, np.ndarray]]]
    """Index and arrays of each, as far as they are made."""

    @property
    def model(self) -> ModelMetadata:
        return self.job.metadata


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

    def __init__(self, place: Path) -> None:
        self.made: Made | None = None
        """What was made last, to be taken away."""
        self.generated: Made | None = None
        """What the grid shows."""
        self.steered: Made | None = None
        """What is shown beside the sliders."""
        self.reading: Reading | None = None
        self.uploads: set[Path] = set()
        """Where the web framework put the files that were taken from there."""
        self.bases: dict[Any, np.ndarray] = {}
        """Principal directions, by what they were found for."""
        self._jobs: set[threading.Event] = set()
        self._place = place
        self._folders: list[Path] = []

    def folder(self) -> Path:
        """Return a new folder of this user's, which is removed with the session, or long before."""
        self._folders.append(Path(mkdtemp(dir=self._place)))
        while len(self._folders) > MOST_FOLDERS:
            shutil.rmtree(self._folders.pop(0), ignore_errors=True)
        return self._folders[-1]

    def begin(self) -> threading.Event:
        """Return the event that tells a new job to stop."""
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

    def keep(self, uploads: Mapping[str, Sequence[str | Path]]) -> dict[str, Path]:
        """Take uploaded files into this session, and return by input the file, or folder of files.

        In a folder they come in the order of their names, as ``inputs.find`` has them.

        Raises
        ------
        RequestError
            There are too many, two have one name, or one claims too many pixels.
        """
        kept = {}
        folder = self.folder()
        for name, paths in uploads.items():
            if not paths:
                continue
            if len(paths) > MOST_UPLOADS:
                raise RequestError(
                    f"{len(paths)} files were uploaded; the app takes {MOST_UPLOADS} at a time"
                )
            place = folder / name
            place.mkdir()
            for path in map(Path, paths):
                self.uploads.add(path)
                target = place / path.name
                if target.exists():
                    raise RequestError(f"two files are named {path.name}; rename one")
                shutil.copyfile(path, target)
                inputs.check_size(target, MOST_PIXELS)
            kept[name] = place if len(paths) > 1 else next(place.iterdir())
        return kept

    def close(self) -> None:
        """Stop what is running, and remove the uploads."""
        self.cancel()
        while self._folders:
            shutil.rmtree(self._folders.pop(), ignore_errors=True)
