"""Which arms there are, and what each of them learns from in each repeat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from medigan_hub.errors import RequestError, listed
from medigan_hub.evaluation.utility.arms import (
    BOTH,
    CONTROLS,
    REAL,
    SYNTHETIC,
    VARIED,
    Arm,
    Job,
    percent,
)
from medigan_hub.evaluation.utility.asked import Asked
from medigan_hub.evaluation.utility.draws import Draws
from medigan_hub.evaluation.utility.learners import Learner

NONE = np.zeros(0, np.int64)


@dataclass(eq=False)
class Plan:
    """Arms with their jobs, one a repeat; the shares rise."""

    jobs: dict[Arm, Sequence[Job]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def mixtures(self) -> list[Arm]:
        """The arms that are given real and synthetic images."""
        return [arm for arm in self.jobs if arm.name == BOTH]

    def controls(self, share: float) -> list[Arm]:
        """Return what the mixtures of a share are held against, beside real images alone."""
        return [arm for arm in self.jobs if arm.name in CONTROLS and arm.share == share]

    @property
    def every(self) -> list[Job]:
        """Return all jobs; those that several arms share once."""
        return list({id(job): job for jobs in self.jobs.values() for job in jobs}.values())


def planned(draws: Draws, learner: Learner, asked: Asked, names: Sequence[str]) -> Plan:
    """Return the arms; a note says which are left out, as synthetic images are too few.

    Parameters
    ----------
    names
        Of the classes, for notes; none of masks.

    Raises
    ------
    RequestError
        There are too few synthetic images for any mixture, or the real ones can't be shared.
    """
    if draws.num_groups == 1 and min(asked.shares) < 1:
        raise RequestError(
            "the training images all belong together (to one patient, file or series), and a part "
            "of them can't be drawn; give images of several"
        )
    plan = Plan()
    alone = _alone(draws, learner, asked, plan)
    short: dict[str, None] = {}
    for share in asked.shares:
        reals = [draws.real(repeat, share) for repeat in range(asked.repeats)]
        if draws.fewest_groups * share < 1:
            plan.notes.append(
                f"{percent(share)} of the real images is less than one patient, file or series of "
                f"a class; one is taken, which makes {_mean(map(len, reals))} images"
            )
        plan.jobs[Arm(REAL, share, 0.0)] = [
            Job(real, NONE, 0, learner.steps(len(real)), repeat)
            for repeat, real in enumerate(reals)
        ]
        plan.jobs[Arm(SYNTHETIC, share)] = alone
        most = 0
        for ratio in asked.ratios:
            arm = Arm(BOTH, share, ratio)
            numbers = [draws.numbers(real, ratio) for real in reals]
            needed = np.max(numbers, axis=0)
            if (needed > draws.there).any():
                short[_missing(arm, needed, draws.there, names)] = None
                continue
            plan.jobs[arm] = [
                _mixture(draws, learner, real, number, repeat)
                for repeat, (real, number) in enumerate(zip(reals, numbers, strict=True))
            ]
            most = max(most, *(len(job.real) + len(job.synthetic) for job in plan.jobs[arm]))
        if most:
            for arm in learner.controls(share, max(asked.ratios)):
                copies = int(arm.ratio or 1) if arm.name == VARIED else 0
                steps = learner.steps(most)
                plan.jobs[arm] = [  # which may be what is learned from real images anyhow
                    job
                    if (copies, steps) == (0, job.steps)
                    else replace(job, copies=copies, steps=steps)
                    for job in plan.jobs[Arm(REAL, share, 0.0)]
                ]
    if not plan.mixtures:
        raise RequestError(
            f"there are too few synthetic images for any mixture: {listed(short, '; ', 1)}; give "
            "more, or smaller ratios"
        )
    plan.notes += short
    return plan


def _mixture(
    draws: Draws, learner: Learner, real: np.ndarray, numbers: np.ndarray, repeat: int
) -> Job:
    synthetic = draws.synthetic(repeat, numbers)
    return Job(real, synthetic, 0, learner.steps(len(real) + len(synthetic)), repeat)


def _alone(draws: Draws, learner: Learner, asked: Asked, plan: Plan) -> Sequence[Job]:
    """Return what is learned from synthetic images alone: as many as all real ones, or fewer."""
    every = draws.real(0, 1.0)
    numbers = draws.numbers(every, 1.0)
    part = float(np.min(draws.there[numbers > 0] / numbers[numbers > 0]))
    if part < 1:
        numbers = np.maximum(np.floor(part * numbers), numbers > 0).astype(np.int64)
        plan.notes.append(
            f"{SYNTHETIC} has {numbers.sum()} images, and not {len(every)} as there are real ones: "
            "there are no more with the classes in the same proportions"
        )
    jobs = []
    for repeat in range(asked.repeats):
        synthetic = draws.synthetic(repeat, numbers)
        jobs.append(Job(NONE, synthetic, 0, learner.steps(len(synthetic)), repeat))
    return jobs


def _missing(arm: Arm, needed: np.ndarray, there: np.ndarray, names: Sequence[str]) -> str:
    """Say that an arm is left out, and how many images it needs."""
    counts = [
        f"{need} synthetic images{f' of {names[n]}' if names else ''}, and there are {there[n]}"
        for n, need in enumerate(needed)
        if need > there[n]
    ]
    return f"{arm.words} is left out: it needs {listed(counts, '; and ')}"


def needed(classes: np.ndarray, asked: Asked, num_classes: int) -> int:
    """Return how many samples of a model hold enough of each class, where it draws all alike.

    With four standard deviations beyond what is needed on average.
    """
    most = max(1.0, max(asked.ratios) * max(asked.shares))
    number = num_classes * most * int(np.bincount(classes).max())
    return int(number) if num_classes == 1 else int(np.ceil(number + 4 * number**0.5))


def _mean(numbers: Mapping[object, int] | map[int] | Sequence[int]) -> int:
    return round(float(np.mean(list(numbers))))
