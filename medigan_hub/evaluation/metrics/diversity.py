"""How different the images of one set are from each other; what is right the real images say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from medigan_hub.evaluation.metrics.base import Groups, Metric
from medigan_hub.evaluation.metrics.blocks import read

if TYPE_CHECKING:
    from numpy.typing import NDArray

NUMBER = 50
"""Images among which kinds are counted."""
SUBSETS = 50
"""Sets of so many images that are drawn, at most."""
SEED = 0


class Vendi(Metric):
    """How many kinds of images there are among 50: from 1, all the same, to 50.

    The exponential of the entropy of the eigenvalues of the similarities, which are cosines.
    Since it grows with the number of images, sets of 50 are drawn, so that each image is in
    one, and the mean over them is given; of at most 50 such sets.
    """

    name = "Vendi"
    title = "kinds of images among 50"
    source = "Friedman and Dieng (2023), The Vendi score, arXiv:2210.02410"
    better = None
    ideal = None
    smallest = NUMBER
    is_distance = False
    is_of_one_set = True
    limits = (1.0, float(NUMBER))

    def __call__(self, real: np.ndarray, synthetic: np.ndarray) -> float:
        alike = (_cosines(read(synthetic, places)) for places in _subsets(len(synthetic)))
        return float(np.mean([_kinds(each) for each in alike]))

    def left_out(self, real: np.ndarray, synthetic: np.ndarray, groups: Groups) -> np.ndarray:
        """Return the value without the images of each group in the sets that were drawn.

        Sets drawn anew would differ by chance, which is not what an interval asks for.
        """
        found: list[list[float]] = [[] for _ in range(groups.count)]
        for places in _subsets(len(synthetic)):
            alike = _cosines(read(synthetic, places))
            for group in range(groups.count):
                kept = groups.synthetic[places] != group
                if kept.any():
                    found[group].append(_kinds(alike[np.ix_(kept, kept)]))
        return np.array([np.mean(values) for values in found])


def _subsets(number: int) -> Iterator[np.ndarray]:
    """Yield the places of 50 images at a time: all of them once, before any comes again."""
    rng = np.random.Generator(np.random.Philox(SEED))
    places = rng.permutation(number)
    for start in range(0, min(number, SUBSETS * NUMBER), NUMBER):
        yield places.take(range(start, start + NUMBER), mode="wrap")


def _cosines(features: np.ndarray) -> NDArray[np.float64]:
    """Return the cosine of each pair of rows; those without a length are alike."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    rows = np.hstack([features / np.where(lengths > 0, lengths, 1), lengths == 0])
    return np.asarray(rows @ rows.T)


def _kinds(alike: np.ndarray) -> float:
    shares = np.linalg.eigvalsh(alike / len(alike)).clip(0)
    shares = shares[shares > 0]
    return float(np.exp(-(shares * np.log(shares)).sum()))
