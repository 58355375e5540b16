"""Samples as training loops want them: data sets of PyTorch and TensorFlow.

``Hub`` makes them; ``mix`` puts real and synthetic ones together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.utils.data import Dataset

__all__ = ["mix"]


def mix(real: Any, synthetic: Any, *, synthetic_share: float = 0.5) -> Dataset[Any]:
    """Return a PyTorch data set of all ``real`` samples and some ``synthetic`` ones.

    (TensorFlow has ``tf.data.Dataset.sample_from_datasets`` for this.)

    Parameters
    ----------
    real, synthetic
        Map-style data sets that know their length. What they return is
        returned as it is, so give them transforms that make it alike.
    synthetic_share
        How much of the whole is to be synthetic, above 0 and below 1. Of the
        synthetic samples as many are used as come closest to it, from the
        first on; they lie evenly among the real ones, which are all used.

    Raises
    ------
    RequestError
        The share is not possible, there are too few synthetic samples for it,
        or one of the two is no such data set.
    MissingDependencyError
        PyTorch is not installed.
    """
    from medigan_hub.loaders.mixing import MixedDataset

    return MixedDataset(real, synthetic, synthetic_share)
