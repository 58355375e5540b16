"""How many synthetic images are nearer to a training image than held-out images are.

Held-out images are as near to training images as images come that nobody copied. The k-th nearest
of m of them is the threshold. Were the synthetic images drawn as the held-out ones are, all orders
of both would be equally likely, whatever the distance is: the share below the threshold would be
k / (m + 1) on average, and the number below it beta-binomial (n, k, m + 1 - k). The tail of that is
the p-value, exact for any m. Where the model's images lie farther from the training images than
held-out ones do, as they mostly do, it is too careful, and never too bold.

Blurred or average-looking images are near to everything, and are no copies; nor are the images of a
model that makes but a few, which lie where some training image happens to be. So what is counted
for the test is twice as near to a training image as to any held-out one, too (as Carlini et al.
2023, arXiv:2301.13188, hold a distance against those to other images), and more so than k held-out
images are. The less is counted, the more careful the test.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medigan_hub.evaluation.proportions import Share

LEVEL = 0.01
"""Share of the held-out images that are nearer than the threshold."""
ERROR = 0.05
"""Share of sets without copies in which some may be found, over all tests."""
POWER = 0.8
ENOUGH = 100
"""Held-out images that are not called few."""
TWICE = math.log(2)
HUNDRED = 100
SMALLEST = 1e-6
"""Distances below are no more told apart."""


@dataclass(frozen=True)
class Near:
    """How near some images are to the training images, and to the held-out ones but themselves."""

    training: np.ndarray
    """(N,), 0 or more."""
    heldout: np.ndarray

    @property
    def relative(self) -> np.ndarray:
        """How much nearer to the training images: logarithm of the ratio, (N,); less is nearer."""
        return np.asarray(logarithm(self.training) - logarithm(self.heldout))

    def some(self, places: np.ndarray) -> Near:
        """Return that of some of the images."""
        return Near(self.training[places], self.heldout[places])


@dataclass(frozen=True)
class Level:
    """Synthetic images that are nearer to a training image than all but k held-out ones."""

    rank: int
    """k: of the held-out image that is the threshold, from 1 on."""
    threshold: float
    margin: float
    """Of the relative nearness of those that are counted."""
    flagged: np.ndarray
    """Whether each synthetic image is nearer than the threshold, (n,) bool."""
    counted: np.ndarray
    """Whether it is much nearer to the training than to the held-out images as well, (n,) bool."""
    num_heldout: int

    def of(self, some: Near) -> tuple[np.ndarray, np.ndarray]:
        """Return which images are flagged, and which are counted: (N,) bool each."""
        return _flagged(some, self.threshold, self.margin)

    @property
    def share(self) -> Share:
        """Of those that are flagged."""
        return Share(int(self.flagged.sum()), len(self.flagged))

    @property
    def expected(self) -> float:
        """The share of other images that would be flagged, on average."""
        return self.rank / (self.num_heldout + 1)

    @property
    def p_value(self) -> float:
        """How likely so many are counted where nothing was copied, or less likely than that."""
        return tail(int(self.counted.sum()), len(self.counted), self.rank, self.num_heldout)


def levels(synthetic: Near, heldout: Near) -> list[Level]:
    """Return which images are nearer than 1 % of the held-out ones, and which than all of them.

    The first shows what many near images look like, the second sees few copies that are exact.
    With fewer than 199 held-out images both are one. Images at the threshold are not below it, so
    that equal distances make no finding.
    """
    return [_level(synthetic, heldout, rank) for rank in ranks(len(heldout.training))]


def all_but_equal(synthetic: Near, heldout: Near) -> np.ndarray:
    """Return which images are so near to a training image as no chance explains: (n,) bool.

    A hundredth as far away as any held-out image is, and a hundredth as far as from any of these.
    One such image is a finding, as one that is a training image, pixel for pixel: a file that
    was compressed, resized or turned brighter is no more the same.
    """
    bound = heldout.training.min() / HUNDRED
    return np.asarray((synthetic.training < bound) & (synthetic.relative < -math.log(HUNDRED)))


def ranks(num_heldout: int) -> list[int]:
    """Return of which held-out images, by their nearness, the distance is a threshold.

    >>> ranks(500), ranks(100)
    ([5, 1], [1])
    """
    return list(dict.fromkeys((max(1, math.floor(LEVEL * (num_heldout + 1))), 1)))


def _level(synthetic: Near, heldout: Near, rank: int) -> Level:
    threshold, margin = (
        np.partition(each, rank - 1)[rank - 1] for each in (heldout.training, heldout.relative)
    )
    margin = min(margin, -TWICE)
    flagged, counted = _flagged(synthetic, threshold, margin)
    return Level(
        rank=rank,
        threshold=float(threshold),
        margin=float(margin),
        flagged=flagged,
        counted=counted,
        num_heldout=len(heldout.training),
    )


def _flagged(some: Near, threshold: float, margin: float) -> tuple[np.ndarray, np.ndarray]:
    flagged = some.training < threshold
    return flagged, flagged & (some.relative < margin)


def tail(count: int, number: int, rank: int, num_heldout: int) -> float:
    """Return how likely ``count`` of ``number`` values or more are below the k-th of m others.

    All of them are independent draws of one distribution, and ``rank`` is k. The number is
    beta-binomial; so many are below it just where no more than k - 1 of the ``count`` + k - 1
    smallest are among the m, which is hypergeometric and summed up in whole numbers.

    >>> tail(1, 1, 1, 19), tail(0, 5, 2, 30)
    (0.05, 1.0)
    """
    if count == 0:
        return 1.0
    first = count + rank - 1
    ways = sum(
        math.comb(num_heldout, n) * math.comb(number, first - n)
        for n in range(min(rank, first + 1))
    )
    return ways / math.comb(number + num_heldout, first)


def detectable(number: int, num_heldout: int, num_tests: int) -> float | None:
    """Return the least share of copies that would be found in 80 % of cases, 0 to 1.

    Copies that are nearer than every held-out image, among ``number`` synthetic images whose others
    are none of them. None where not even copies alone would be found.
    """
    least = _least(number, num_heldout, num_tests)
    if least is None:
        return None
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        missed = sum(_binomial(count, number, middle) for count in range(least))
        low, high = (low, middle) if 1 - missed >= POWER else (middle, high)
    return high


def _least(number: int, num_heldout: int, num_tests: int) -> int | None:
    """Return the fewest images that are found, where they are nearer than all held-out ones."""

    def is_found(count: int) -> bool:
        return tail(count, number, 1, num_heldout) * num_tests <= ERROR

    if not is_found(number):
        return None
    low, high = 0, number  # the tail falls with the count
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_found(middle) else (middle, high)
    return high


def _binomial(count: int, number: int, share: float) -> float:
    if share in (0.0, 1.0):
        return float(count == number * share)
    ways = math.lgamma(number + 1) - math.lgamma(count + 1) - math.lgamma(number - count + 1)
    return math.exp(ways + count * math.log(share) + (number - count) * math.log1p(-share))


def one_of_each(groups: Sequence[str], rng: np.random.Generator) -> np.ndarray:
    """Return the places of one image of each group, drawn: images that are independent.

    An empty word is a group of its own.
    """
    found: dict[str | int, list[int]] = {}
    for place, word in enumerate(groups):
        found.setdefault(word or place, []).append(place)
    return np.sort([places[int(rng.integers(len(places)))] for places in found.values()])


def logarithm(distances: np.ndarray) -> np.ndarray:
    """Return the logarithm of distances, of which the smallest are all alike."""
    return np.asarray(np.log(np.maximum(distances, SMALLEST)))
