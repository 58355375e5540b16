"""Whether test images had a part in what is to be tested."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from medigan_hub.errors import HubError, RequestError, shortened
from medigan_hub.evaluation import sources
from medigan_hub.evaluation.matching import INPUT
from medigan_hub.evaluation.sources import ImageSet, Item
from medigan_hub.evaluation.sources.patients import PATIENT
from medigan_hub.evaluation.utility.tasks import Sets


class _Inputs(ImageSet):
    """What synthetic images were made from, of which names alone are known."""

    key = ""

    def __init__(self, title: str, names: Sequence[str]) -> None:
        self.title = title
        self._items = [Item(name, name) for name in names]

    @property
    def items(self) -> Sequence[Item]:
        return self._items

    def images(self, start: int = 0) -> Iterator[np.ndarray]:
        raise TypeError("nothing is known of these images but their names")


def check_apart(sets: Sets, patients: str | None, table: str | Path | None) -> list[str]:
    """Make sure that no test image, or another one of its patient, was learned from.

    Neither by the learner, nor, as far as that can be told, by way of a synthetic image that was
    made from it. Notes say where it can't.

    Raises
    ------
    RequestError
        One was; the message names an image, and no patient.
    """
    sources.check_patients_apart(sets.train, sets.test)
    sources.check_apart(sets.test, sets.synthetic)
    sources.check_apart(sets.train, sets.synthetic)
    made = {item.facts[INPUT]: item.name for item in sets.synthetic.items if INPUT in item.facts}
    if not made:
        return []
    tested, trained = ({item.name for item in each.items} for each in (sets.test, sets.train))
    for name, sample in made.items():
        if name in tested and name not in trained:
            raise RequestError(
                f"{shortened(sample)} of {sets.synthetic.title} was made from {shortened(name)}, "
                f"which is the name of a test image of {sets.test.title}; make samples of training "
                "images alone, or give files names that tell them apart"
            )
    if patients is None:
        return []
    known = {item.facts.get(PATIENT) for item in sets.test.items}
    inputs = _Inputs(sets.synthetic.title, list(made))
    try:
        found = sources.find(inputs, patients=patients, table=table)
    except HubError:
        return [
            f"whether {sets.synthetic.title} was made from images of test patients can't be told: "
            "nothing says whose its inputs are"
        ]
    for item in found.items:
        if item.facts[PATIENT] in known:
            raise RequestError(
                f"{shortened(made[item.name])} of {sets.synthetic.title} was made from "
                f"{shortened(item.name)}, which is of a patient of {sets.test.title}; make samples "
                "of training images alone"
            )
    return []
