"""Precision, recall, density and coverage: whose neighbourhoods hold images of the other set.

An image's neighbourhood is the ball that reaches to the fifth nearest image of its own set. What
lies on its edge is outside, as in prdc, but an image's copy is inside even where the ball has no
extent, because it has copies of its own.

Sources: Kynkäänniemi et al. (2019), arXiv:1904.06991 (precision, recall); Naeem et al. (2020),
arXiv:2002.09797 (density, coverage).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medigan_hub.evaluation.metrics.base import Groups, Metric
from medigan_hub.evaluation.metrics.blocks import blocks, centre, pieces, read, squares

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEAREST = 5
EDGE = 1 - 1e-9
"""Share of a squared radius that is inside: less than all, so that rounding decides nothing."""
NONE = -1
"""In the place of a group: none is left out."""


@dataclass(frozen=True)
class _Set:
    features: np.ndarray
    groups: np.ndarray


class _Neighbours(Metric):
    better = "higher"
    ideal = 1.0
    smallest = NEAREST + 1
    is_distance = False
    limits = (0.0, 1.0)

    def __call__(self, real: np.ndarray, synthetic: np.ndarray) -> float:
        one, other = (_Set(each, np.zeros(len(each), int)) for each in (real, synthetic))
        return float(self._values(one, other, 1, [NONE])[0])

    def left_out(self, real: np.ndarray, synthetic: np.ndarray, groups: Groups) -> np.ndarray:
        """Return the value without each group: distances are measured once."""
        one, other = _Set(real, groups.real), _Set(synthetic, groups.synthetic)
        return np.array(self._values(one, other, groups.count, range(groups.count)))

    @abstractmethod
    def _values(
        self, real: _Set, synthetic: _Set, count: int, left: Sequence[int]
    ) -> Sequence[float]:
        """Return the value without each of some groups."""


class Precision(_Neighbours):
    """Share of the synthetic images that lie in the neighbourhood of a real one."""

    name = "precision"
    title = "synthetic images that lie among the real ones"
    source = "Kynkäänniemi et al. (2019), arXiv:1904.06991"

    def _values(
        self, real: _Set, synthetic: _Set, count: int, left: Sequence[int]
    ) -> Sequence[float]:
        inside = _inside(real, synthetic, count, left)
        return [
            float((inside[synthetic.groups != group, n] > 0).mean()) for n, group in enumerate(left)
        ]


class Recall(Precision):
    """Share of the real images that lie in the neighbourhood of a synthetic one."""

    name = "recall"
    title = "real images that lie among the synthetic ones"

    def _values(
        self, real: _Set, synthetic: _Set, count: int, left: Sequence[int]
    ) -> Sequence[float]:
        return super()._values(synthetic, real, count, left)


class Density(_Neighbours):
    """In how many neighbourhoods of real images a synthetic one lies, by the five expected.

    One that is a copy of real images which have copies counts as in five.
    """

    name = "density"
    title = "how densely real images lie around the synthetic ones"
    source = "Naeem et al. (2020), arXiv:2002.09797"
    limits = (0.0, np.inf)

    def _values(
        self, real: _Set, synthetic: _Set, count: int, left: Sequence[int]
    ) -> Sequence[float]:
        inside = _inside(real, synthetic, count, left)
        return [
            float(inside[synthetic.groups != group, n].mean() / NEAREST)
            for n, group in enumerate(left)
        ]


class Coverage(_Neighbours):
    """Share of the real images whose neighbourhood holds a synthetic one.

    Of two large sets of one distribution, equally many: 0.97.
    """

    name = "coverage"
    title = "real images that have a synthetic one near"
    source = "Naeem et al. (2020), arXiv:2002.09797"

    def covered(self, real: np.ndarray, synthetic: np.ndarray, groups: Groups) -> NDArray[np.bool_]:
        """Return whether each real image has a synthetic one near: (N, 1 + ``groups.count``).

        Of all images, and of those without each group in turn, in both sets.
        """
        one, other = _Set(real, groups.real), _Set(synthetic, groups.synthetic)
        return _covered(one, other, groups.count, [NONE, *range(groups.count)])

    def _values(
        self, real: _Set, synthetic: _Set, count: int, left: Sequence[int]
    ) -> Sequence[float]:
        covered = _covered(real, synthetic, count, left)
        return [float(covered[real.groups != group, n].mean()) for n, group in enumerate(left)]


def _covered(real: _Set, synthetic: _Set, count: int, left: Sequence[int]) -> NDArray[np.bool_]:
    """Return whether the neighbourhood of each real image holds a synthetic one: (N, n)."""
    radii = _radii(_nearest(real, real, count, NEAREST), left)
    gaps = _radii(_nearest(real, synthetic, count, 1), left)
    return np.asarray((gaps < EDGE * radii) | (gaps == 0))


def _inside(balls: _Set, points: _Set, count: int, left: Sequence[int]) -> NDArray[np.int64]:
    """Return in how many neighbourhoods each point lies, without each of some groups: (M, n)."""
    radii = _radii(_nearest(balls, balls, count, NEAREST), left)
    for n, group in enumerate(left):
        radii[balls.groups == group, n] = -1  # holds nothing
    edges = EDGE * radii
    middle = centre(balls.features)
    found = np.zeros((len(points.features), len(left)), int)
    copies = np.zeros(found.shape, bool)
    for block in blocks(len(balls.features)):
        one = read(balls.features, block) - middle
        has_copies = (radii[block] == 0).any()
        for others in blocks(len(points.features)):
            between = squares(one, read(points.features, others) - middle)
            for n in range(len(left)):
                found[others, n] += (between < edges[block, n, np.newaxis]).sum(axis=0)
                if has_copies:
                    same = (between == 0) & (radii[block, n, np.newaxis] == 0)
                    copies[others, n] |= same.any(axis=0)
    found[copies] += NEAREST
    return found


def _nearest(one: _Set, other: _Set, count: int, most: int) -> NDArray[np.float64]:
    """Return the squared distances to the nearest images of each group: (N, count, most).

    Of none where a group has fewer. In a set, an image is not near itself.
    """
    middle = centre(one.features)
    found = np.full((len(one.features), count, most), np.inf)
    for block in blocks(len(one.features)):
        rows = read(one.features, block) - middle
        for group, places in pieces(other.groups, count):
            between = squares(rows, read(other.features, places) - middle)
            if one is other:
                between[places == np.arange(block.start, block.stop)[:, np.newaxis]] = np.inf
            candidates = np.concatenate([found[block, group], between], axis=1)
            found[block, group] = np.partition(candidates, most - 1, axis=1)[:, :most]
    return found


def _radii(nearest: np.ndarray, left: Sequence[int]) -> NDArray[np.float64]:
    """Return the squared distance to the farthest of the nearest, without each group: (N, n)."""
    number, count, most = nearest.shape
    radii = np.empty((number, len(left)))
    for block in blocks(number):
        for n, group in enumerate(left):
            rest = nearest[block, np.arange(count) != group]
            rest = rest.reshape(len(rest), -1)
            radii[block, n] = np.partition(rest, most - 1, axis=1)[:, most - 1]
    return radii
