"""A probe on features as a learner: in seconds, and with no network to train."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np

from medigan_hub.errors import RequestError, require
from medigan_hub.evaluation import asking, features
from medigan_hub.evaluation.extractors import Extractor
from medigan_hub.evaluation.preparation import Preparation
from medigan_hub.evaluation.probe import Probe
from medigan_hub.evaluation.sources import ImageSet
from medigan_hub.evaluation.utility.arms import VARIED, Arm, Job
from medigan_hub.evaluation.utility.learners import Learner, Progress
from medigan_hub.evaluation.utility.tasks import Classes, Sets, Task
from medigan_hub.evaluation.utility.varied import Copy

COPIES = (1, 4)
"""Varied copies of each real image, where they are held against synthetic ones."""
VERSION = 1


class Probing(Learner):
    """Logistic regression on the features of images, of several extractors side by side."""

    name = "probe"
    is_of_masks = False
    packages = ("numpy", "scipy", "scikit-learn")
    notes = (
        "real, equal steps: left out, as the probe takes no steps, and would be the same as real",
    )

    def __init__(self, chosen: Sequence[Extractor]) -> None:
        self.extractors = chosen
        self.title = f"a linear probe on features of {' and '.join(each.name for each in chosen)}"

    @property
    def key(self) -> str:
        return json.dumps([self.name, VERSION, Preparation().words, self.recorded])

    @property
    def recorded(self) -> Mapping[str, object]:
        return {each.name: asking.about(each) for each in self.extractors}

    def check(self) -> None:
        """Make sure that all it needs is there, before an image is read.

        Raises
        ------
        HubError
            Something is not installed, or features are no rows of numbers.
        """
        require("sklearn.linear_model", extra="evaluation", purpose="training a probe")
        for each in self.extractors:
            missing = each.missing()
            if missing is not None:
                raise missing
            if len(each.shape) != 1:
                raise RequestError(
                    f"features of {each.name} are no row of numbers, as a probe learns from; name "
                    "another extractor, such as texture"
                )

    def reads(self, sets: Sets, most: float) -> int:
        number = sum(map(len, sets.every.values())) + len(self._copies(most)) * len(sets.train)
        return number * len(self.extractors)

    def open(self, sets: Sets, task: Task, seed: int, most: float, progress: Progress) -> None:
        if not isinstance(task, Classes):
            raise TypeError("a probe learns classes alone")
        self._target, self._classes = task.target, task.classes
        # A model that can't be run is known before the first real image is read.
        self._synthetic, self._test, self._train = (
            self._features(images, progress) for images in (sets.synthetic, sets.test, sets.train)
        )
        self._varied = [
            self._features(Copy(sets.train, seed, n), progress)
            for n in range(max(self._copies(most)))
        ]

    def _features(self, images: ImageSet, progress: Progress) -> list[np.ndarray]:
        wanted = [(each, Preparation()) for each in self.extractors]
        told = 0

        def tell(done: int, _: int) -> None:
            nonlocal told
            progress(done - told)
            told = done

        return features.of(images, wanted, progress=tell)

    @staticmethod
    def _copies(most: float) -> list[int]:
        return [count for count in COPIES if count <= max(1, most)]

    def steps(self, count: int) -> None:
        """Return None: what it learns is a minimum, which there is one of."""

    def controls(self, share: float, most: float) -> Sequence[Arm]:
        return [Arm(VARIED, share, float(count)) for count in self._copies(most)]

    def outcome(self, job: Job) -> np.ndarray:
        parts = [(self._train, job.real), (self._synthetic, job.synthetic)]
        parts += [(copy, job.real) for copy in self._varied[: job.copies]]
        rows = np.concatenate([_rows(found, places) for found, places in parts])
        values = np.concatenate(
            [
                self._classes["train"][job.real],
                self._classes["synthetic"][job.synthetic],
                np.tile(self._classes["train"][job.real], job.copies),
            ]
        )
        return Probe(self._target).fit(rows, values).predict(_rows(self._test))


def _rows(found: Sequence[np.ndarray], places: np.ndarray | slice = slice(None)) -> np.ndarray:
    """Return features of several extractors side by side, (n, d)."""
    return np.concatenate([each[places] for each in found], axis=1)
