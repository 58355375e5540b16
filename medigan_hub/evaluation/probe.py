"""A probe: a linear model that predicts a target from features, by scikit-learn.

It shows what features tell, and learns in milliseconds, so that it can be fitted many times.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from medigan_hub.errors import require
from medigan_hub.evaluation.targets import Target

CLIP = 5.0
"""Standard deviations at which standardised features are cut off."""
LENGTH = 10.0
"""That the features of an image have on average, which the penalty is for."""


class Probe:
    """Logistic regression of a class, or ridge regression of a number, on standardised features.

    Features are divided by the root of their number, so that the penalty means the same for any
    extractor, and cut off at five standard deviations.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self._model: Any = None
        self._middle = self._width = np.zeros(0)

    def fit(self, features: np.ndarray, values: np.ndarray) -> Probe:
        """Learn from features, (N, d), and what is true of each image, (N,).

        Raises
        ------
        MissingDependencyError
            scikit-learn is not installed.
        """
        linear = require("sklearn.linear_model", extra="evaluation", purpose="training a probe")
        rows = np.asarray(features, np.float64)
        self._middle, width = rows.mean(axis=0), rows.std(axis=0)
        self._width = np.where(width > 0, width, 1)
        if self.target.is_number:
            self._model = linear.Ridge(alpha=1.0)
        else:
            self._model = linear.LogisticRegression(C=1.0, max_iter=1000)
        self._model.fit(self._standard(rows), values)
        return self

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return the probability of each class, (N, classes), or the number, (N,).

        A class that was not among those learned from has probability 0.
        """
        rows = self._standard(np.asarray(features, np.float64))
        if self.target.is_number:
            return np.asarray(self._model.predict(rows))
        found = np.zeros((len(rows), len(self.target.classes)))
        found[:, self._model.classes_] = self._model.predict_proba(rows)
        return found

    def _standard(self, rows: np.ndarray) -> np.ndarray:
        values = np.clip((rows - self._middle) / self._width, -CLIP, CLIP)
        return np.asarray(values * (LENGTH / np.sqrt(rows.shape[1])))
