"""Two tests for copied training images that others have published, on the same distances."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from medigan_hub.evaluation.proportions import Share

FEWEST = 20
"""Images of each kind that a cell needs."""
MOST_CELLS = 8
NORMAL = 1.959963984540054
"""Standard deviations about the mean that hold 95 % of normal values."""


@dataclass(frozen=True)
class DataCopying:
    """C_T of Meehan, Chaudhuri and Dasgupta (2020), arXiv:2004.05675.

    Below 0, synthetic images are nearer to the training images than held-out ones are: in each part
    of the space the ranks of both are compared (Mann and Whitney), and the z-values averaged. Above
    0 the model's images lie farther away, which is no sign of copies, and no sign of none.
    """

    value: float
    low: float
    """Of the range that holds 95 % of the values where both are drawn alike."""
    high: float
    cells: int
    """Parts of the space that were looked at: those with enough images of both."""
    left_out: int
    """Synthetic images in other parts."""


def num_cells(num_synthetic: int, num_heldout: int) -> int:
    """Return how many parts the space is cut into: such that most have enough images."""
    return max(1, min(MOST_CELLS, min(num_synthetic, num_heldout) // (2 * FEWEST)))


def data_copying(
    synthetic: np.ndarray,
    heldout: np.ndarray,
    cells: tuple[np.ndarray, np.ndarray] | None = None,
) -> DataCopying | None:
    """Return C_T of distances to the nearest training image, (n,) and (m,); all independent.

    Parameters
    ----------
    cells
        In which part of the space each synthetic and each held-out image lies.

    None where no part has 20 images of each kind.
    """
    ours, theirs = cells or (np.zeros(len(synthetic), int), np.zeros(len(heldout), int))
    scores, weights, seen = [], [], 0
    for cell in np.unique(theirs):
        one, other = synthetic[ours == cell], heldout[theirs == cell]
        if min(len(one), len(other)) >= FEWEST:
            scores.append(_standardised(one, other))
            weights.append(len(other))
            seen += len(one)
    if not scores:
        return None
    shares = np.array(weights) / sum(weights)
    reach = NORMAL * float(np.sqrt(np.square(shares).sum()))
    value = float(shares @ np.array(scores))
    return DataCopying(value, -reach, reach, len(scores), len(synthetic) - seen)


def _standardised(one: np.ndarray, other: np.ndarray) -> float:
    """Return Mann and Whitney's U of the pairs with ``one`` greater, as a z-value."""
    n, m = len(one), len(other)
    ordered = np.sort(other)
    below = np.searchsorted(ordered, one, "left") + np.searchsorted(ordered, one, "right")
    _, ties = np.unique(np.concatenate([one, other]), return_counts=True)
    tied = float((ties.astype(float) ** 3 - ties).sum()) / ((n + m) * (n + m - 1))
    variance = n * m / 12 * (n + m + 1 - tied)
    return (below.sum() / 2 - n * m / 2) / math.sqrt(variance) if variance > 0 else 0.0


@dataclass(frozen=True)
class Authenticity:
    """AuthPct of Alaa et al. (2022), arXiv:2102.08921: images that are not called copies.

    An image is called one where it is nearer to its training image than any other training image is
    to that. Of held-out images, which nobody copied, many are called copies, too.
    """

    synthetic: Share
    """Of authentic ones."""
    heldout: Share


def authenticity(
    synthetic: np.ndarray, heldout: np.ndarray, around: tuple[np.ndarray, np.ndarray]
) -> Authenticity:
    """Return the share of authentic images, of distances to the nearest training image.

    Parameters
    ----------
    around
        The distance of that training image to its nearest other one, for each synthetic, (n,), and
        each held-out image, (m,).
    """
    ours, theirs = (
        Share(int((distances > gap).sum()), len(distances))
        for distances, gap in zip((synthetic, heldout), around, strict=True)
    )
    return Authenticity(ours, theirs)
