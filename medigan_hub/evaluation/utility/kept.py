"""What learners said, kept in the cache: interrupted work goes on, and further arms add to it.

An entry is named after all that decides it, and lies beside features, with which it is removed
once nobody has read it for long.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from pathlib import Path

import numpy as np

from medigan_hub.errors import OutputError
from medigan_hub.evaluation import asking, features
from medigan_hub.evaluation.utility.arms import Job
from medigan_hub.evaluation.utility.learners import Learner
from medigan_hub.evaluation.utility.tasks import Sets, Task
from medigan_hub.files import cache_folder, write_atomically

FORM = 1
"""Of the entries: another one makes all of them anew."""


class Kept:
    """What one learner said, of one task."""

    def __init__(self, learner: Learner, sets: Sets, task: Task, seed: int) -> None:
        known = asking.versions(*learner.packages)
        self._is_kept = learner.key is not None
        self._told = [
            *(FORM, learner.key, {each: known.get(each) for each in learner.packages}),
            *({name: images.key for name, images in sets.every.items()}, task.key, seed),
        ]

    def load(self, job: Job) -> np.ndarray | None:
        """Return what was said; None where that is not known, or was damaged."""
        path = self._path(job)
        if path is None:
            return None
        try:
            content = path.read_bytes()
            is_whole = hashlib.sha256(content).hexdigest() == _sum(path).read_text()
            if not is_whole:
                return None
            os.utime(path)
            outcome: np.ndarray = np.load(io.BytesIO(content), allow_pickle=False)
        except (OSError, ValueError):
            return None
        return outcome

    def keep(self, job: Job, outcome: np.ndarray) -> None:
        """Write down what was said.

        Raises
        ------
        OutputError
            The cache can't be written.
        """
        path = self._path(job)
        if path is None:
            return
        stream = io.BytesIO()
        np.save(stream, outcome, allow_pickle=False)
        content = stream.getvalue()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(_sum(path), hashlib.sha256(content).hexdigest().encode())
            write_atomically(path, content)
        except OSError as error:
            raise OutputError(
                f"the cache {cache_folder()} can't be written: {error.strerror or error}; make "
                "room, or set MEDIGAN_CACHE to another folder"
            ) from error

    def _path(self, job: Job) -> Path | None:
        if not self._is_kept:
            return None
        places = [
            hashlib.sha256(np.asarray(each, "<i8").tobytes()).hexdigest()
            for each in (job.real, job.synthetic)
        ]
        told = [*self._told, *places, job.copies, job.steps, job.repeat]
        name = hashlib.sha256(json.dumps(told).encode()).hexdigest()
        return cache_folder() / features.FOLDER / f"{name}.npy"


def _sum(path: Path) -> Path:
    return path.with_suffix(".sha256")
