"""How far pixels are from those of the other image: MSE, MAE, NMSE, PSNR.

Images are fractions of their range, so that 8 and 16 bits give the same values. All channels of
all pixels count alike.
"""

from __future__ import annotations

import math

import numpy as np

from medigan_hub.evaluation.pairs.base import Pair, PairMetric, Undefined


class Mse(PairMetric):
    """The mean of the squared differences."""

    name = "MSE"
    title = "mean squared error, of fractions of the range"
    source = "Wang & Bovik 2009, doi:10.1109/MSP.2008.930649"
    bounds = (0.0, 1.0)

    def __call__(self, pair: Pair) -> float:
        """Return the value of a pair."""
        real, synthetic = _counting(pair)
        return float(np.square(real - synthetic).mean())


class Mae(PairMetric):
    """The mean of the absolute differences."""

    name = "MAE"
    title = "mean absolute error, of fractions of the range"
    source = "Willmott & Matsuura 2005, doi:10.3354/cr030079"
    bounds = (0.0, 1.0)

    def __call__(self, pair: Pair) -> float:
        """Return the value of a pair."""
        real, synthetic = _counting(pair)
        return float(np.abs(real - synthetic).mean())


class Nmse(PairMetric):
    """The squared differences by the squares of the real image."""

    name = "NMSE"
    title = "squared error, by the squares of the real image"
    source = "Zbontar et al. 2018, arXiv:1811.08839"

    def __call__(self, pair: Pair) -> float:
        """Return the value of a pair."""
        real, synthetic = _counting(pair)
        whole = np.square(real).sum()
        if not whole:
            raise Undefined("the real image is black")
        return float(np.square(real - synthetic).sum() / whole)


class Psnr(PairMetric):
    """The peak signal-to-noise ratio, in dB, of the whole range."""

    name = "PSNR"
    title = "peak signal-to-noise ratio, in dB"
    source = "Huynh-Thu & Ghanbari 2008, doi:10.1049/el:20080522"
    better = "higher"
    ideal = None  # it has no end

    def __call__(self, pair: Pair) -> float:
        """Return the value of a pair."""
        error = Mse()(pair)
        if not error:
            raise Undefined("the images are identical, and it is infinite")
        return -10 * math.log10(error)


def _counting(pair: Pair) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels that count."""
    if pair.region is None:
        return pair.real, pair.synthetic
    return pair.real[pair.region], pair.synthetic[pair.region]
