"""A generator of a progressive GAN, of the line of code that made chest x-rays.

Sources: Karras et al., "Progressive growing of GANs for improved quality,
stability, and variation", ICLR 2018 (https://arxiv.org/abs/1710.10196); Segal
et al., "Evaluating the clinical realism of synthetic chest X-rays generated
using progressively growing GANs", SN Computer Science 2(4), 2021
(https://doi.org/10.1007/s42979-021-00720-7).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import torch
import torch.nn.functional as nnf
from torch import nn

from medigan_hub.errors import HubError
from medigan_hub.networks.base import LatentGenerator
from medigan_hub.networks.loading import Layout
from medigan_hub.networks.pggan import PixelNorm
from medigan_hub.networks.settings import fraction, switch

if TYPE_CHECKING:
    from typing_extensions import Self

MODES = ("nearest", "bilinear")


class Equalized(nn.Module):
    """A layer whose results are scaled by He's constant when it runs."""

    def __init__(self, module: nn.Conv2d | nn.Linear) -> None:
        super().__init__()
        self.module = module
        self.gain = math.sqrt(2 / math.prod(module.weight.shape[1:]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return cast(torch.Tensor, self.module(x) * self.gain)


class ScaleBlock(nn.Module):
    """Twice as large features by two convolutions."""

    def __init__(
        self, n_in: int, n_out: int, leakiness: float, norm_layers: bool, mode: str
    ) -> None:
        super().__init__()
        self.mode = mode
        self.convolv = nn.Sequential(
            *_conv_block(n_in, n_out, leakiness, norm_layers),
            *_conv_block(n_out, n_out, leakiness, norm_layers),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return cast(torch.Tensor, self.convolv(_double(x, self.mode)))


class PgganChest(LatentGenerator):
    """Noise-to-image generator.

    Parameters
    ----------
    z_dim
        Length of the latent vector.
    channel_depth
        Channels at each size, from 4 pixels on, each twice the one before.
    out_channels
        Channels of the image.
    leakiness
        What negative features are multiplied by.
    mode
        How features are enlarged: ``nearest`` or ``bilinear``.
    alpha
        Share of the enlarged image of the size before, from 0 to 1. The one
        that a checkpoint holds is where training stopped, and plays no part.
    norm_layers
        Whether latent vectors and features are normalised.

    Raises
    ------
    HubError
        A setting can't be used.
    """

    name = "pggan-chest"
    architecture = "PGGAN"
    family = "a progressive GAN's generator of chest x-rays"
    settings = ("leakiness", "mode", "alpha", "norm_layers")

    def __init__(
        self,
        z_dim: int,
        channel_depth: Sequence[int],
        out_channels: int = 3,
        *,
        leakiness: float = 0.2,
        mode: str = "nearest",
        alpha: float = 0.0,
        norm_layers: bool = True,
    ) -> None:
        super().__init__()
        if mode not in MODES:
            raise HubError(f"mode is {mode!r}; it must be {' or '.join(MODES)}")
        self.hyperparameters = {
            "z_dim": z_dim,
            "channel_depth": list(channel_depth),
            "out_channels": out_channels,
            "equalize": True,
        }
        self.latent = z_dim
        self.mode = mode
        self.blend = fraction("alpha", alpha)
        self.norm = PixelNorm() if switch("norm_layers", norm_layers) else nn.Identity()
        leakiness = fraction("leakiness", leakiness)
        first = channel_depth[0]
        # How far training had grown the network, which doesn't change what it makes.
        for name in ("current_size", "current_depth", "alpha"):
            self.register_buffer(name, torch.tensor(0.0))
        self.latent_linear = nn.Sequential(
            Equalized(nn.Linear(z_dim, 16 * first)), nn.LeakyReLU(leakiness)
        )
        self.init_conv = nn.Sequential(*_conv_block(first, first, leakiness, norm_layers))
        self.ScaleBlocks = nn.ModuleList(
            ScaleBlock(before, depth, leakiness, norm_layers, mode)
            for before, depth in pairwise(channel_depth)
        )
        self.toRGB = nn.ModuleList(
            Equalized(nn.Conv2d(depth, out_channels, 1)) for depth in channel_depth
        )

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Turn (N, z_dim) or (N, z_dim, 1, 1) latent vectors into (N, out_channels, size, size)."""
        x = self.latent_linear(self.norm(z.reshape(z.shape[:2])))
        x = before = self.init_conv(x.reshape(len(x), -1, 4, 4))
        for block in self.ScaleBlocks:
            before, x = x, block(x)
        image = self.toRGB[-1](x)
        if self.blend > 0 and len(self.ScaleBlocks):
            smaller = _double(self.toRGB[-2](before), self.mode)
            image = self.blend * smaller + (1 - self.blend) * image
        return cast(torch.Tensor, image)

    @classmethod
    def arguments(cls, layout: Layout) -> dict[str, Any]:
        z_dim = layout.shape("latent_linear.0.module.weight", 2)[1]
        first = layout.shape("init_conv.0.module.weight")[0]
        out_channels = layout.shape("toRGB.0.module.weight")[0]
        last = max(layout.numbers("ScaleBlocks."), default=-1)
        blocks = (f"ScaleBlocks.{n}.convolv.0.module.weight" for n in range(last + 1))
        depths = [first, *(layout.shape(block)[0] for block in blocks)]
        return {"z_dim": z_dim, "channel_depth": depths, "out_channels": out_channels}

    @classmethod
    def small(cls) -> Self:
        return cls(8, (8, 8, 8, 4), 1)


def _conv_block(n_in: int, n_out: int, leakiness: float, norm_layers: bool) -> list[nn.Module]:
    layers = [Equalized(nn.Conv2d(n_in, n_out, 3, padding=1)), nn.LeakyReLU(leakiness)]
    return [*layers, PixelNorm()] if norm_layers else layers


def _double(x: torch.Tensor, mode: str) -> torch.Tensor:
    return nnf.interpolate(x, scale_factor=2, mode=mode)
