"""How often groups are called left out, and conditions not obeyed, where they are not, and are.

    python benchmarks/groups.py --runs 400

Features are drawn, and no image is: four kinds of them, of which the first is a tenth.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from medigan_hub.evaluation import conditions, extractors, intervals, subgroups
from medigan_hub.evaluation.preparation import Preparation
from medigan_hub.evaluation.sources import ImageSet, Item

NUMBER, LENGTH, KINDS = 600, 8, (0.1, 0.3, 0.3, 0.3)
CENTRES = np.random.default_rng(1).normal(0, 1.5, (len(KINDS), LENGTH))
FEATURES = extractors.find("random")  # whose features are taken as they are
COLUMN = "column"

GROUPS: Mapping[str, Mapping[str, Any]] = {
    "as real images": {},
    "60 patients": {"patients": 60},
    "shifted": {"shift": 1.0},
    "100 synthetic images": {"synthetic": 100},
    "without the tenth": {"lacks": True},
}
CONDITIONS: Mapping[str, Mapping[str, Any]] = {
    "two classes": {},
    "two classes, 40 patients": {"patients": 40, "gap": 2.0},
    "a number": {"is_number": True},
    "no class shows": {"gap": 0.0},
    "swapped": {"swapped": True},
}


class Described(ImageSet):
    """Images of which nothing but a column is known."""

    def __init__(self, title: str, values: np.ndarray, words: list[str]) -> None:
        self.title = title
        self._items = [
            Item(f"{n}", f"{title} {n}", {COLUMN: str(value)}, word)
            for n, (value, word) in enumerate(zip(values, words, strict=True))
        ]

    @property
    def items(self) -> list[Item]:
        return self._items

    @property
    def key(self) -> str:
        return self.title

    def images(self, start: int = 0) -> Iterator[np.ndarray]:
        return iter(())


def left_out(
    seed: int, patients: int = 0, shift: float = 0.0, synthetic: int = NUMBER, lacks: bool = False
) -> bool:
    """Tell whether any group is called left out."""
    rng = np.random.default_rng(seed)
    kinds, words = rng.choice(len(KINDS), NUMBER, p=KINDS), [""] * NUMBER
    noise = rng.normal(0, 1, (NUMBER, LENGTH))
    if patients:
        whose = rng.integers(0, patients, NUMBER)
        kinds, words = kinds[whose], [str(each) for each in whose]
        noise = 0.9 * noise[whose] + 0.45 * rng.normal(0, 1, noise.shape)
    made = rng.choice(len(KINDS), synthetic, p=KINDS)
    if lacks:
        made[made == 0] = 1
    groups = [
        subgroups.Group(str(kind), np.flatnonzero(kinds == kind), None) for kind in np.unique(kinds)
    ]
    found = subgroups.judged(
        groups,
        FEATURES,
        Preparation(),
        CENTRES[kinds] + noise,
        CENTRES[made] + rng.normal(0, 1, (synthetic, LENGTH)) + shift,
        intervals.groups(words, [""] * synthetic),
        words,
    )
    return any(each.is_left_out for each in subgroups.corrected(found.subgroups))


def obeyed(
    seed: int,
    patients: int = 0,
    gap: float = 1.0,
    is_number: bool = False,
    swapped: bool = False,
) -> str:
    """Return the first words of what is said of a condition."""
    rng = np.random.default_rng(seed)
    features = rng.normal(0, 1, (2, 200, 20))
    words = [""] * 200
    values = rng.normal(50, 10, (2, 200)).round(2) if is_number else rng.integers(0, 2, (2, 200))
    if patients:
        whose = rng.integers(0, patients, 200)
        values[0], words = values[0][whose], [str(each) for each in whose]
        features[0] = 0.8 * features[0][whose] + 0.6 * rng.normal(0, 1, features[0].shape)
    features[:, :, 0] += gap * ((values - 50) / 10 if is_number else values)
    asked_for = 1 - values[1] if swapped else values[1]
    sets = Described("real", values[0], words), Described("synthetic", asked_for, [""] * 200)
    (asked,), _ = conditions.asked([COLUMN], *sets, (200, 200), 0)
    found = next(conditions.judged(asked, FEATURES, Preparation(), *features))
    return (found.verdict or "as asked for").partition(":")[0]


def shares(words: Sequence[object]) -> Mapping[str, str]:
    """Return how often each word came, as shares."""
    return {str(each): f"{words.count(each) / len(words):.3f}" for each in dict.fromkeys(words)}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=400)
    runs = range(parser.parse_args().runs)
    for name, given in GROUPS.items():
        print(f"groups, {name}: left out {shares([left_out(seed, **given) for seed in runs])}")
    for name, given in CONDITIONS.items():
        print(f"conditions, {name}: {shares([obeyed(seed, **given) for seed in runs])}")


if __name__ == "__main__":
    main()
