"""Metrics of pairs of images: one idea a file, all found through ``register_metrics``."""

from medigan_hub.evaluation.pairs.base import Pair, PairMetric, Undefined
from medigan_hub.evaluation.pairs.differences import Mae, Mse, Nmse, Psnr
from medigan_hub.evaluation.pairs.overlap import Dice
from medigan_hub.evaluation.pairs.structure import MsSsim, Ssim
from medigan_hub.evaluation.pairs.surface import Hd95

__all__ = ["OWN", "Pair", "PairMetric", "Undefined"]

OWN: tuple[PairMetric, ...] = (Ssim(), MsSsim(), Psnr(), Mse(), Mae(), Nmse(), Dice(), Hd95())
"""The hub's own."""
