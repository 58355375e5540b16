"""Figures for a model's metadata, in the form that those of medigan's list have.

medigan reports a score of a classifier (``CLF``) or a segmentation (``SEG``) that was trained on
real images, on synthetic ones, and on both, and the difference of the last to the first. Ours are
those of the largest share of real images at ratio 1, or at the ratio that is nearest: which does
best is not chosen, or it would be ranked by chance.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medigan_hub.evaluation import performance
from medigan_hub.evaluation.digits import Valued, places, rounded
from medigan_hub.evaluation.utility.arms import BOTH, REAL, SYNTHETIC
from medigan_hub.evaluation.utility.results import ArmScore, Utility

TRAINED_ON = {REAL: "real", SYNTHETIC: "fake", BOTH: "real_and_fake"}
MEDIGANS = {"F1": "f1", "Dice": "dice", "balanced accuracy": "balanced_accuracy"}
"""Names of scores, where medigan has others."""
DELTAS = ("F1", "Dice")
"""Scores whose difference medigan calls delta without their name."""


def entries(found: Utility, *, command: str, reference: str | None = None) -> list[dict[str, Any]]:
    """Return figures as a model's metadata has them.

    Parameters
    ----------
    command
        What measures them again.
    reference
        The set of real images to train with, in words.
    """
    return [
        {key: value for key, value in each.items() if value is not None}
        for each in _entries(found, command, reference)
    ]


def write_metadata(
    path: Path | str, found: Utility, *, command: str, reference: str | None = None
) -> list[dict[str, Any]]:
    """Put figures into a model's ``metadata.json``, as ``performance.put`` does; return them.

    Raises
    ------
    HubError
        As ``performance.put``.
    """
    figures = entries(found, command=command, reference=reference)
    measured = {(each["metric"], None) for each in figures}
    performance.put(path, found.model, figures, measured, command=command)
    return figures


def _entries(found: Utility, command: str, reference: str | None) -> Iterator[dict[str, Any]]:
    prefix = "CLF" if found.masks is None else "SEG"
    for arm in _chosen(found):
        name = MEDIGANS.get(arm.metric, arm.metric)
        told = {
            "reference": reference,
            "num_images": arm.num_synthetic or None,
            "num_reference": arm.num_real or None,
            "better": "higher",
            "source": command,
        }
        what = f"{found.learner['title']}, trained on {_images(arm)}"
        if math.isfinite(arm.value):
            yield {
                "metric": f"{prefix}.trained_on_{TRAINED_ON[arm.arm]}.{name}",
                **_numbers(arm),
                "compares": f"{what}, judged on real ones",
                **told,
            }
        if arm.arm == BOTH and arm.gain is not None and math.isfinite(arm.gain.value):
            delta = f"{prefix}_delta" if arm.metric in DELTAS else f"{prefix}_delta.{name}"
            yield {
                "metric": delta,
                **_numbers(arm.gain),
                "compares": f"{what}, minus one trained on the real ones alone, in {name}",
                **told,
            }


def _chosen(found: Utility) -> list[ArmScore]:
    """Return the arms that are reported: of all scores."""
    every = [each for each in found.arms if each.group is None]
    shares = {each.share for each in every if each.arm == BOTH}
    ratios = {each.ratio for each in every if each.arm == BOTH and each.share == max(shares)}
    nearest = min((ratio for ratio in ratios if ratio is not None), key=lambda n: abs(math.log(n)))
    return [
        each
        for each in every
        if each.share == max(shares)
        and (each.arm in (REAL, SYNTHETIC) or (each.arm == BOTH and each.ratio == nearest))
    ]


def _images(arm: ArmScore) -> str:
    numbers = {"real": arm.num_real, "synthetic": arm.num_synthetic}
    return f"{' and '.join(f'{each} {kind}' for kind, each in numbers.items() if each)} images"


def _numbers(found: Valued) -> dict[str, Any]:
    """Return numbers with the digits that their interval bears."""
    digits = places(found)
    told: dict[str, Any] = {"value": rounded(found.value, digits)}
    if found.low is not None and found.high is not None:
        told["interval"] = [rounded(found.low, digits), rounded(found.high, digits)]
    return told
