"""How well something is predicted: the scores of classifiers, of regressions and of masks.

Those that intervals take thousands of times are written out here, and equal scikit-learn's, which
checks its arguments for longer than it computes. Of several classes, AUC, AUPRC and F1 are the
mean over the classes, each against the others, so that no class has to be called the positive one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from medigan_hub.errors import require


@dataclass(frozen=True)
class Score:
    """One score of predictions: a function of what is true and what was said."""

    name: str
    title: str
    better: str
    limits: tuple[float, float]
    function: Callable[[np.ndarray, np.ndarray], float]

    def __call__(self, truth: np.ndarray, said: np.ndarray) -> float:
        """Return the score; NaN where these images have none, as with one class alone.

        Parameters
        ----------
        truth
            Places of classes, (N,) int; or numbers, (N,); or masks, (N, height, width) bool.
        said
            The probability of each class, (N, classes); or numbers; or masks.
        """
        return self.function(truth, said)


def _library() -> ModuleType:
    return require("sklearn.metrics", extra="evaluation", purpose="scoring predictions")


def _over_classes(score: Callable[[np.ndarray, np.ndarray], float]) -> Callable[..., float]:
    def mean(truth: np.ndarray, said: np.ndarray) -> float:
        there = [n for n in range(said.shape[1]) if 0 < (truth == n).sum() < len(truth)]
        if said.shape[1] == 2 and score is _auc:
            there = there[:1]  # the other's is the same
        found = [score(truth == n, said[:, n]) for n in there]
        return float(np.mean(found)) if found else math.nan

    return mean


def _auc(truth: np.ndarray, said: np.ndarray) -> float:
    """Return the share of pairs that are in order; ties count half (Mann and Whitney 1947)."""
    _, places, counts = np.unique(said, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    count = int(truth.sum())
    spare = ranks[places][truth].sum() - count * (count + 1) / 2
    return float(spare / (count * (len(truth) - count)))


def _auprc(truth: np.ndarray, said: np.ndarray) -> float:
    """Return the average precision: at each threshold, by how much recall rises there."""
    _, places, counts = np.unique(said, return_inverse=True, return_counts=True)
    right = np.bincount(places, truth)[::-1]
    precision = np.cumsum(right) / np.cumsum(counts[::-1])
    return float((right * precision).sum() / truth.sum())


def _f1(truth: np.ndarray, said: np.ndarray) -> float:
    """Return the mean over the classes that there are."""
    chosen = said.argmax(axis=1)
    found = [
        2 * ((truth == n) & (chosen == n)).sum() / ((truth == n).sum() + (chosen == n).sum())
        for n in np.unique(truth)
    ]
    return float(np.mean(found))


def _balanced(truth: np.ndarray, said: np.ndarray) -> float:
    chosen = said.argmax(axis=1)
    return float(np.mean([(chosen[truth == n] == n).mean() for n in np.unique(truth)]))


def _kappa(truth: np.ndarray, said: np.ndarray) -> float:
    chosen = said.argmax(axis=1)
    if len({*truth.tolist(), *chosen.tolist()}) < 2:
        return math.nan
    return float(_library().cohen_kappa_score(truth, chosen))


def _mae(truth: np.ndarray, said: np.ndarray) -> float:
    return float(np.abs(truth - said).mean())


def _r2(truth: np.ndarray, said: np.ndarray) -> float:
    return float(_library().r2_score(truth, said)) if len(np.unique(truth)) > 1 else math.nan


def _dice(truth: np.ndarray, said: np.ndarray) -> float:
    """Return the mean over the images; of two empty masks it is undefined, and left out."""
    axes = tuple(range(1, truth.ndim))
    total = truth.sum(axis=axes) + said.sum(axis=axes)
    both = np.logical_and(truth, said).sum(axis=axes)
    found = 2 * both[total > 0] / total[total > 0]
    return float(found.mean()) if found.size else math.nan


AUC = Score("AUC", "area under the ROC curve", "higher", (0, 1), _over_classes(_auc))
AUPRC = Score(
    "AUPRC", "area under the precision-recall curve", "higher", (0, 1), _over_classes(_auprc)
)
F1 = Score("F1", "harmonic mean of precision and recall", "higher", (0, 1), _f1)
BALANCED = Score("balanced accuracy", "mean recall of the classes", "higher", (0, 1), _balanced)
KAPPA = Score("kappa", "Cohen's kappa: agreement beyond chance", "higher", (-1, 1), _kappa)
MAE = Score("MAE", "mean absolute error", "lower", (0, math.inf), _mae)
R2 = Score("R2", "share of the variance that is explained", "higher", (-math.inf, 1), _r2)
DICE = Score("Dice", "overlap of masks", "higher", (0, 1), _dice)

OF_CLASSES: Sequence[Score] = (AUC, AUPRC, F1, BALANCED)
