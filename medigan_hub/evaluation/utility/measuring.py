"""Whether synthetic images help a task: arms are learned from, tested, and held against others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medigan_hub.errors import RequestError, listed, named, require, shortened
from medigan_hub.evaluation import asking, sources
from medigan_hub.evaluation.sources import ImageSet, column, columns
from medigan_hub.evaluation.sources.patients import PATIENT
from medigan_hub.evaluation.targets import Target
from medigan_hub.evaluation.utility import outlines
from medigan_hub.evaluation.utility.apart import check_apart
from medigan_hub.evaluation.utility.arms import Job
from medigan_hub.evaluation.utility.asked import RATIOS, REPEATS, SHARES, Asked, learner_of
from medigan_hub.evaluation.utility.draws import Draws
from medigan_hub.evaluation.utility.gains import Cases
from medigan_hub.evaluation.utility.judged import JudgedUtility
from medigan_hub.evaluation.utility.judgement import Judged, figures, judged, verdict
from medigan_hub.evaluation.utility.kept import Kept
from medigan_hub.evaluation.utility.learners import Learner
from medigan_hub.evaluation.utility.planning import Plan, needed, planned
from medigan_hub.evaluation.utility.results import ArmScore
from medigan_hub.evaluation.utility.tasks import Classes, Masks, Sets, Task

if TYPE_CHECKING:
    from torch.nn import Module
    from typing_extensions import Unpack

    from medigan_hub.evaluation.extractors import Extractor
    from medigan_hub.generation import Wishes
    from medigan_hub.inputs import Source

LEAST = 50
"""Test images that a group of them needs to be judged by itself."""
CONDITIONAL = (
    "intervals say what other test patients and other repeats might change. All repeats draw from "
    "these training images and these synthetic ones, and with 100 % of the real images they share "
    "them all: what other ones to train on might change comes on top"
)


def measure(
    train: Source | ImageSet,
    test: Source | ImageSet,
    synthetic: Source | ImageSet,
    *,
    label: str | None = None,
    masks: str | Mapping[str, Source] | None = None,
    learner: str | Callable[[int, int], Module] | None = None,
    extractors: Sequence[str | Extractor | Module] = (),
    weights: Mapping[str, str | Path] | None = None,
    shares: Sequence[float] = SHARES,
    ratios: Sequence[float] = RATIOS,
    repeats: int = REPEATS,
    by: str | None = None,
    num_samples: int | None = None,
    patients: str | None = None,
    table: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    **wishes: Unpack[Wishes],
) -> JudgedUtility:
    """Find what was asked for, and measure it; parameters are those of ``Hub.utility``."""
    asked = Asked.of(shares, ratios, repeats, wishes.get("seed", 0))
    if (label is None) == (masks is None):
        raise RequestError(
            f"either {named('label')} or {named('masks')} says what is to be learned; give one of "
            "them"
        )
    require("scipy", extra="evaluation", purpose="judging images")
    learns = learner_of(learner, extractors, weights, is_of_masks=masks is not None)
    asking.check_models([synthetic], num_samples, wishes)
    reading = asking.reading(wishes)
    real, tested = (
        sources.find(_no_model(each), reading=reading, patients=patients, table=table)
        for each in (train, test)
    )
    target = None if label is None else _target(label, real)
    classes = np.zeros(len(real), np.int64) if target is None else target.values(real)
    enough = needed(classes, asked, 1 if target is None else len(target.classes))
    theirs = sources.find(
        synthetic, reading=reading, count=num_samples, default=enough, wishes=wishes
    )
    sets = Sets(real, tested, theirs)
    notes = check_apart(sets, patients, table)
    task: Task
    if target is None:
        task = outlines.task_of(sets, masks if masks is not None else {}, reading)
    else:
        theirs, of_theirs = _labelled(theirs, target, table, notes)
        sets = Sets(real, tested, theirs)
        task = Classes(target, sets, of_theirs)
    groups = {} if by is None else _groups(sets.test, by, notes)
    draws = Draws(
        task.classes["train"],
        [item.group for item in sets.train.items],
        task.classes["synthetic"],
        asked.seed,
    )
    plan = planned(draws, learns, asked, target.classes if target else ())
    outcomes = _outcomes(plan, learns, sets, task, asked, progress)
    asking.check_obeyed(list(sets.every.values()))
    arms = _judged(plan, outcomes, task, sets, asked.seed, groups, notes)
    return JudgedUtility(
        arms=arms,
        verdict=verdict(arms, [name for name in groups if any(a.group == name for a in arms)]),
        label=label,
        masks=task.titles if isinstance(task, Masks) else None,
        learner={"name": learns.name, "title": learns.title, **learns.recorded},
        sets={name: asking.about_set(images) for name, images in sets.every.items()},
        settings={
            "seed": asked.seed,
            "repeats": asked.repeats,
            "shares": list(asked.shares),
            "ratios": list(asked.ratios),
            "by": by,
            "patients": patients,
            "table": None if table is None else str(table),
            **reading.asked,
        },
        versions=asking.versions("scikit-learn"),
        notes=tuple(dict.fromkeys([CONDITIONAL, *learns.notes, *notes, *plan.notes, *_told(sets)])),
        header=sets.synthetic.header,
    )


def _no_model(given: Source | ImageSet) -> Source | ImageSet:
    """Return a source of real images.

    Raises
    ------
    RequestError
        It is a model.
    """
    if sources.is_model(given):
        raise RequestError(
            f"{given} is to make the synthetic images alone; give folders of real images to train "
            "and to test with"
        )
    return given


def _target(label: str, train: ImageSet) -> Target:
    target = Target.of(label, train)
    if target.is_number:
        raise RequestError(
            f"the column {shortened(label)} of {train.title} is a number, and what is learned here "
            "are classes; add a column with its ranges, such as young and old"
        )
    return target


def _labelled(
    images: ImageSet, target: Target, table: str | Path | None, notes: list[str]
) -> tuple[ImageSet, Target]:
    """Return synthetic images with their classes: by the same column, the table, or another column.

    Raises
    ------
    RequestError
        Nothing says of which class they are.
    """
    if any(images.fact(place, target.name) for place in range(len(images))):
        return images, target
    if table is not None and images.header is None:
        return sources.find(images, table=table), target
    fitting = []
    for name in columns(images):
        alike = Target(name, target.classes)
        try:
            alike.check_all_there(images)
        except RequestError:  # it says something else
            continue
        fitting.append(alike)
    if len(fitting) != 1:
        column(images, target.name)  # which says what there is
    notes.append(
        f"{target.name} of {images.title} is what its column {fitting[0].name} says, as that has "
        "the same classes"
    )
    return images, fitting[0]


def _groups(test: ImageSet, by: str, notes: list[str]) -> dict[str, np.ndarray]:
    """Return the test images of each group, by their places; a note names those too small."""
    words = column(test, by)
    counts = Counter(words)
    small = sorted(word for word, count in counts.items() if count < LEAST)
    if small:
        told = listed(f"{by} {word} ({counts[word]})" for word in small)
        few = f"as they have fewer than {LEAST} test images"
        notes.append(f"not judged by themselves, {few}: {told}")
    return {
        f"{by} {word}": np.array([n for n, each in enumerate(words) if each == word])
        for word in sorted(counts)
        if counts[word] >= LEAST
    }


def _outcomes(
    plan: Plan,
    learner: Learner,
    sets: Sets,
    task: Task,
    asked: Asked,
    progress: Callable[[int, int], None] | None,
) -> dict[int, np.ndarray]:
    """Return what the learner says after each job, by the job's ``id``."""
    kept = Kept(learner, sets, task, asked.seed)
    most, jobs, done = max(asked.ratios), plan.every, 0
    total = learner.reads(sets, most) + len(jobs)

    def tell(more: int) -> None:
        nonlocal done
        done += more
        if progress is not None:
            progress(done, total)

    tell(0)
    learner.open(sets, task, asked.seed, most, tell)

    def outcome(job: Job) -> np.ndarray:
        found = kept.load(job)
        if found is None:
            found = learner.outcome(job)
            kept.keep(job, found)
        return found

    found = {}
    with learner.working() as begin:
        if learner.threads == 1:
            for job in jobs:
                found[id(job)] = outcome(job)
                tell(1)
            return found
        with ThreadPoolExecutor(learner.threads, "learning", begin) as pool:
            waiting = {pool.submit(outcome, job): id(job) for job in jobs}
            try:
                for each in as_completed(waiting):
                    found[waiting[each]] = each.result()
                    tell(1)
            except BaseException:  # those at work are finished, and kept
                pool.shutdown(cancel_futures=True)
                raise
    return found


def _judged(
    plan: Plan,
    outcomes: Mapping[int, np.ndarray],
    task: Task,
    sets: Sets,
    seed: int,
    groups: Mapping[str, np.ndarray],
    notes: list[str],
) -> list[ArmScore]:
    """Return the figures of all test images, and those of groups of them by the leading score."""
    belongs = [item.group for item in sets.test.items]
    every = Cases.of(belongs, np.arange(len(belongs)), seed)
    found: list[ArmScore] = []
    for n, score in enumerate(task.scores):
        own = figures(plan, outcomes, task, score, every)
        found += [each.figure for each in own] if n else judged(own)
    of_groups: list[Judged] = []
    for name, places in groups.items():
        cases = Cases.of(belongs, places, seed)
        own = figures(plan, outcomes, task, task.scores[0], cases, name)
        if all(np.isfinite(each.figure.value) for each in own):
            of_groups += own
        else:
            notes.append(f"not judged by itself, as it has test images of one class alone: {name}")
    found += judged(of_groups)
    if any(each.low is None for each in found):
        notes.append(
            "without an interval where there are too few test images, or groups of them (patients, "
            "files, series), to tell it, or where a score is the same whatever is left out"
        )
    return found


def _told(sets: Sets) -> list[str]:
    """Return what is to be known of the images."""
    notes = [note for images in sets.every.values() for note in images.notes]
    notes += asking.twice(list(sets.every.values()))
    if not any(PATIENT in item.facts for item in (*sets.train.items, *sets.test.items)):
        notes.append(
            "whose the images are is not known: those of one patient in several files are taken "
            "for independent; where they are not, say whose they are, or intervals are too narrow"
        )
    return notes
