"""What a learner is: the contract; and which there are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np

from medigan_hub.evaluation.utility.arms import Arm, Job
from medigan_hub.evaluation.utility.tasks import Sets, Task

Progress = Callable[[int], None]
"""Is told how many images were read, each time."""


class Learner(ABC):
    """Learns from some images, and says something of all test images."""

    name: str
    title: str
    """What it is, in words."""
    is_of_masks: bool | None = None
    """Whether it learns masks, and not classes; None: either."""
    threads: int = 1
    """Jobs that may be at work at a time."""
    packages: Sequence[str] = ()
    """Whose versions decide what it says."""
    notes: Sequence[str] = ()

    @property
    @abstractmethod
    def key(self) -> str | None:
        """All that decides what it says, in words; None where that can't be told."""

    @property
    def recorded(self) -> Mapping[str, object]:
        """What is recorded of it beside its name."""
        return {}

    @abstractmethod
    def reads(self, sets: Sets, most: float) -> int:
        """Return how many images ``open`` reads; ``most`` is the largest ratio."""

    @abstractmethod
    def open(self, sets: Sets, task: Task, seed: int, most: float, progress: Progress) -> None:
        """Read the images.

        Raises
        ------
        HubError
            An image can't be read, or something is not installed.
        """

    @abstractmethod
    def steps(self, count: int) -> int | None:
        """Return for how many steps it learns from so many images; None where it takes none."""

    @abstractmethod
    def controls(self, share: float, most: float) -> Sequence[Arm]:
        """Return what synthetic images are held against, beside real ones alone."""

    @abstractmethod
    def outcome(self, job: Job) -> np.ndarray:
        """Learn, and return what is said of the test images, as the task scores it."""

    @contextmanager
    def working(self) -> Iterator[Callable[[], None]]:
        """Set up what all jobs need; yield what each thread calls first."""
        yield lambda: None
