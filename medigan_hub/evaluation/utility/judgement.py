"""From what was said of test images to figures, and to a verdict in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from medigan_hub.evaluation import intervals
from medigan_hub.evaluation.proportions import corrected
from medigan_hub.evaluation.scores import Score
from medigan_hub.evaluation.utility.arms import REAL, Arm, Job, percent
from medigan_hub.evaluation.utility.gains import ALPHA, Cases, Estimate, Scored, estimate
from medigan_hub.evaluation.utility.planning import Plan
from medigan_hub.evaluation.utility.results import (
    HARMS,
    HELPS,
    MATCHES,
    NOTHING,
    UNTOLD,
    ArmScore,
    Gain,
)
from medigan_hub.evaluation.utility.tasks import Task

DIFFERENCE = (-1.0, 1.0)
"""Limits of the difference of two scores from 0 to 1."""


@dataclass(frozen=True, eq=False)
class Judged:
    """One mixture by one score, before several are judged together."""

    figure: ArmScore
    p: float
    """That it gains or loses nothing against real images."""
    p_over: float
    """That it is no better than one of its controls."""
    can_be_told: bool


def figures(
    plan: Plan,
    outcomes: Mapping[int, np.ndarray],
    task: Task,
    score: Score,
    cases: Cases,
    group: str | None = None,
) -> list[Judged]:
    """Return the figure of each arm by one score of some test images.

    Parameters
    ----------
    outcomes
        Of each job, by its ``id``.
    """
    scored = {
        arm: Scored.of(
            lambda outcome, places: task.score(score, outcome, places),
            [outcomes[id(job)] for job in jobs],
            cases,
        )
        for arm, jobs in plan.jobs.items()
    }
    found = []
    for arm, jobs in plan.jobs.items():
        own = estimate(scored[arm], score.limits)
        over_real = over = None
        p = p_over = 1.0
        if arm.name != REAL:
            over_real = estimate(scored[arm] - scored[Arm(REAL, arm.share, 0.0)], DIFFERENCE)
            p = over_real.p
        controls = plan.controls(arm.share) if arm in plan.mixtures else []
        if controls:
            each = [estimate(scored[arm] - scored[control], DIFFERENCE) for control in controls]
            over = min(each, key=lambda estimate: estimate.value)
            # Better than all of them, which the least certain decides.
            p_over = max(one.p if one.value > 0 else 1.0 for one in each)
        figure = ArmScore(
            arm=arm.name,
            ratio=arm.ratio,
            share=arm.share,
            metric=score.name,
            value=own.value,
            low=own.low,
            high=own.high,
            gain=_gain(over_real),
            gain_over_controls=_gain(over),
            num_real=_mean([len(job.real) for job in jobs]),
            num_synthetic=_mean([len(job.synthetic) for job in jobs]),
            steps=_steps(jobs),
            group=group,
        )
        found.append(Judged(figure, p, p_over, cases.count >= intervals.FEWEST))
    return found


def judged(every: Sequence[Judged]) -> list[ArmScore]:
    """Return figures with a verdict on each mixture; all that are given count as one family.

    A mixture helps where it gains over real images, and over each control. Both are adjusted for
    the number of mixtures by Holm's way, each for itself.
    """
    mixtures = [each for each in every if each.figure.gain_over_controls is not None]
    found = {}
    for one, p, p_over in zip(
        mixtures,
        corrected([each.p for each in mixtures]),
        corrected([each.p_over for each in mixtures]),
        strict=True,
    ):
        found[id(one)] = replace(one.figure, verdict=_verdict(one, p, p_over))
    return [found.get(id(each), each.figure) for each in every]


def _verdict(one: Judged, p: float, p_over: float) -> str:
    if not one.can_be_told:
        return UNTOLD
    gain = one.figure.gain.value if one.figure.gain else 0.0
    if p >= ALPHA:
        return NOTHING
    if gain < 0:
        return HARMS
    return HELPS if p_over < ALPHA else MATCHES


def verdict(arms: Sequence[ArmScore], groups: Sequence[str] = ()) -> str:
    """Return what the leading score says of all mixtures, in words; of some groups beside."""
    leading = [each for each in arms if each.metric == arms[0].metric]
    words = f"Synthetic images {_worded([each for each in leading if each.group is None])}."
    for group in groups:
        words += f" Of {group}, they {_worded([each for each in leading if each.group == group])}."
    return words


def _worded(arms: Sequence[ArmScore]) -> str:
    by_verdict: dict[str, dict[float, list[float]]] = {}
    every: dict[float, list[float]] = {}
    for each in arms:
        if each.verdict is not None:
            ratio = each.ratio or 0.0
            by_verdict.setdefault(each.verdict, {}).setdefault(each.share, []).append(ratio)
            every.setdefault(each.share, []).append(ratio)
    said = {
        HELPS: "help",
        MATCHES: "gain, but no more than the controls (longer training, flips and noise) do,",
        HARMS: "harm",
        NOTHING: "make no difference that these images tell",
        UNTOLD: "can't be judged by so few groups of test images",
    }
    parts = []
    for kind, words in said.items():
        if kind in by_verdict:
            shares = by_verdict[kind].items()
            at = " and at ".join(_at(share, ratios, every[share]) for share, ratios in shares)
            everywhere = len(by_verdict) == 1 and kind in (NOTHING, UNTOLD)
            parts.append(f"{words}, at any ratio" if everywhere else f"{words} at {at}")
            if kind in (HELPS, HARMS):
                parts[-1] += f" ({_largest(arms, kind)})"
    return "; they ".join(parts)


def _at(share: float, ratios: Sequence[float], every: Sequence[float]) -> str:
    """Return which mixtures of one share are meant.

    >>> _at(0.1, [1, 2.5], [1, 2.5, 4])
    'ratio 1 and 2.5 with 10 % of the real images'
    """
    numbers = [f"{ratio:g}" for ratio in ratios]
    told = f"ratio {numbers[0]}"
    if len(numbers) > 1:
        told = f"ratio {', '.join(numbers[:-1])} and {numbers[-1]}"
        told = "any ratio" if len(ratios) == len(every) else told
    return f"{told} with {percent(share)} of the real images"


def _largest(arms: Sequence[ArmScore], kind: str) -> str:
    """Return the gain, or loss, that is the largest, with its interval."""
    gains = [each.gain for each in arms if each.verdict == kind and each.gain is not None]
    one = max(gains, key=lambda gain: abs(gain.value))
    return f"{arms[0].metric} {one.value:+.3f}, {one.low:+.3f} to {one.high:+.3f}, at the most"


def _gain(found: Estimate | None) -> Gain | None:
    return None if found is None else Gain(found.value, found.low, found.high)


def _steps(jobs: Sequence[Job]) -> int | None:
    steps = [job.steps for job in jobs if job.steps is not None]
    return _mean(steps) if steps else None


def _mean(numbers: Sequence[int]) -> int:
    return round(float(np.mean(numbers)))
