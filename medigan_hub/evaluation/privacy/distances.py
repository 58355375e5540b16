"""All distances that findings are made of, in one space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medigan_hub.evaluation.privacy.copying import num_cells
from medigan_hub.evaluation.privacy.membership import Attacked
from medigan_hub.evaluation.privacy.nearness import Near, logarithm, one_of_each
from medigan_hub.evaluation.privacy.spaces import Apart, Nearest, Space

MEMBERS = 2000
"""Training images that are taken for the attack on membership, at most."""


@dataclass(frozen=True)
class Belonging:
    """What the images of a set belong to, and which of them stand for all."""

    groups: Sequence[str]
    """(N,): one word for what belongs together; each image has one."""
    alone: np.ndarray
    """Places of images that are independent of each other: one of each group, drawn."""

    @classmethod
    def of(cls, words: Sequence[str], name: str, rng: np.random.Generator) -> Belonging:
        """Return that of a set, of which an empty word is a group of its own.

        Parameters
        ----------
        name
            Of the set: groups of different sets are different ones, however they are called.
        """
        groups = [f"{name} {word}" if word else f"{name}\0{n}" for n, word in enumerate(words)]
        return cls(groups, one_of_each(groups, rng))


@dataclass(frozen=True)
class Images:
    """A set of images, as a space describes them."""

    rows: np.ndarray
    """(N, ...)"""
    belonging: Belonging


@dataclass(frozen=True)
class Distances:
    """How far the images of all sets are from each other."""

    synthetic: Near
    """Of all synthetic images."""
    heldout: Near
    """Of all held-out images."""
    nearest: np.ndarray
    """Which training image is nearest to each synthetic one, (n,)."""
    around: tuple[np.ndarray, np.ndarray] | None
    """Of the training image that is nearest to each synthetic image, (n,), and to each held-out
    one, (m,): the distance to its nearest other one. None where it is the only one."""
    cells: tuple[np.ndarray, np.ndarray] | None
    """In which part of the space each synthetic, and each held-out image lies; None: all in one."""
    members: Attacked
    others: Attacked


def measure(
    space: Space,
    training: Images,
    heldout: Images,
    synthetic: Images,
    rng: np.random.Generator,
) -> Distances:
    """Return the distances of three sets, by one function for all of them.

    What is drawn of ``rng`` is which training images the parts of the space are told by, and which
    are attacked.
    """
    ours = space.nearest(synthetic.rows, training.rows)
    theirs = space.nearest(heldout.rows, training.rows)
    own = _numbers(heldout.belonging.groups)
    members, others = _attacked(space, training, heldout, synthetic, rng)
    return Distances(
        synthetic=Near(ours.distances, space.nearest(synthetic.rows, heldout.rows).distances),
        heldout=Near(
            theirs.distances,
            space.nearest(heldout.rows, heldout.rows, Apart(own, own)).distances,
        ),
        nearest=ours.places,
        around=_around(space, training.rows, ours, theirs),
        cells=_cells(space, training, heldout, synthetic, rng),
        members=members,
        others=others,
    )


def _around(
    space: Space, training: np.ndarray, ours: Nearest, theirs: Nearest
) -> tuple[np.ndarray, np.ndarray] | None:
    if len(training) < 2:
        return None
    found, place = np.unique(np.concatenate([ours.places, theirs.places]), return_inverse=True)
    apart = Apart(found, np.arange(len(training)))
    gaps = space.nearest(training[found], training, apart).distances[place]
    return gaps[: len(ours.places)], gaps[len(ours.places) :]


def _cells(
    space: Space,
    training: Images,
    heldout: Images,
    synthetic: Images,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return in which part each image lies: that of the nearest of a few training images."""
    alone = training.belonging.alone
    count = min(num_cells(len(synthetic.belonging.alone), len(heldout.belonging.alone)), len(alone))
    if count < 2:
        return None
    centres = training.rows[np.sort(rng.permutation(alone)[:count])]
    return tuple(space.nearest(each.rows, centres).places for each in (synthetic, heldout))  # type: ignore[return-value]


def _attacked(
    space: Space,
    training: Images,
    heldout: Images,
    synthetic: Images,
    rng: np.random.Generator,
) -> tuple[Attacked, Attacked]:
    """Return what an attack says of training and of held-out images: it treats both alike."""
    groups = np.array(training.belonging.groups)
    taken = _some(training.belonging.groups, rng)
    rows = np.concatenate([training.rows[taken], heldout.rows])
    together = [*groups[taken], *heldout.belonging.groups]
    own = _numbers(together)
    near = space.nearest(rows, synthetic.rows).distances
    among = space.nearest(rows, rows, Apart(own, own)).distances
    scores = logarithm(near) - logarithm(among)
    count = len(taken)
    is_alone = np.isin(taken, training.belonging.alone)
    return (
        Attacked(scores[:count], together[:count], np.flatnonzero(is_alone)),
        Attacked(scores[count:], together[count:], heldout.belonging.alone),
    )


def _some(groups: Sequence[str], rng: np.random.Generator) -> np.ndarray:
    """Return the places of images to be attacked: all, or those of whole groups, drawn."""
    numbers = _numbers(groups)
    if len(numbers) <= MEMBERS:
        return np.arange(len(numbers))
    order = rng.permutation(int(numbers.max()) + 1)
    sizes = np.bincount(numbers)[order].cumsum()
    taken = order[: max(1, int((sizes <= MEMBERS).sum()))]
    return np.flatnonzero(np.isin(numbers, taken))


def _numbers(groups: Sequence[str]) -> np.ndarray:
    return np.unique(np.asarray(groups), return_inverse=True)[1]
