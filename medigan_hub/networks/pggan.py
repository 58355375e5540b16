"""A generator of a progressive GAN, grown from 4 pixels on.

Source: Karras et al., "Progressive growing of GANs for improved quality,
stability, and variation", ICLR 2018 (https://arxiv.org/abs/1710.10196).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
import torch.nn.functional as nnf
from torch import nn

from medigan_hub.errors import whole_number
from medigan_hub.networks.base import LatentGenerator
from medigan_hub.networks.loading import Layout
from medigan_hub.networks.settings import fraction, switch

if TYPE_CHECKING:
    from typing_extensions import Self


class PixelNorm(nn.Module):
    """Divides each pixel's features by their root mean square."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-8)


class EqualConv(nn.Module):
    """Convolution whose weights are scaled by He's constant when it runs."""

    def __init__(self, n_in: int, n_out: int, kernel: int, *, transposed: bool = False) -> None:
        super().__init__()
        shape = (n_in, n_out) if transposed else (n_out, n_in)
        self.conv = nn.ParameterDict(
            {
                "bias": torch.zeros(n_out),
                "weight_orig": torch.empty(*shape, kernel, kernel).normal_(),
            }
        )
        # Of a transposed one, as published, by the channels that come out.
        self.gain = math.sqrt(2 / (shape[1] * kernel**2))
        self.transposed = transposed
        self.padding = kernel // 2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight, bias = self.conv["weight_orig"] * self.gain, self.conv["bias"]
        if self.transposed:
            return nnf.conv_transpose2d(x, weight, bias)
        return nnf.conv2d(x, weight, bias, padding=self.padding)


class ConvBlock(nn.Module):
    """Two 3 x 3 convolutions."""

    def __init__(self, n_in: int, n_out: int, pixel_norm: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels in (n_in, n_out):
            layers += [EqualConv(channels, n_out, 3), *([PixelNorm()] if pixel_norm else [])]
            layers += [nn.LeakyReLU(0.1)]
        self.conv = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return cast(torch.Tensor, self.conv(x))


class Pggan(LatentGenerator):
    """Noise-to-image generator.

    Parameters
    ----------
    z_dim
        Length of the latent vector.
    widths
        Channels at each size, from 4 pixels on, each twice the one before.
    img_channels
        Channels of the image.
    pixel_norm
        Whether features are normalised after each convolution.
    tanh
        Whether the image is brought into [-1, 1].
    step
        How often the 4 pixels are doubled, from 1 to ``len(widths) - 1``, which
        is the default.
    alpha
        Share of the last doubling in the image, from 0 to 1; the rest is the
        enlarged image of the step before. The first step, which has none before
        it, has it all.

    Raises
    ------
    HubError
        ``step``, ``alpha`` or ``tanh`` is out of its range.
    """

    name = "pggan-polyp"
    architecture = "PGGAN"
    family = "a progressive GAN's generator"
    settings = ("tanh", "step", "alpha")

    def __init__(
        self,
        z_dim: int,
        widths: Sequence[int],
        img_channels: int = 3,
        *,
        pixel_norm: bool = False,
        tanh: bool = False,
        step: int | None = None,
        alpha: float = 1.0,
    ) -> None:
        super().__init__()
        self.hyperparameters = {
            "z_dim": z_dim,
            "channel": widths[0],
            "pixel_norm": pixel_norm,
            "img_channels": img_channels,
        }
        self.sizes = [4 * 2**level for level in range(len(widths))]
        self.latent = z_dim
        self.tanh = switch("tanh", tanh)
        last = len(widths) - 1
        self.step = last if step is None else whole_number("step", step, 1, last)
        self.alpha = fraction("alpha", alpha)
        self.input_layer = nn.Sequential(
            EqualConv(z_dim, widths[0], 4, transposed=True), PixelNorm(), nn.LeakyReLU(0.1)
        )
        for size, before, width in zip(self.sizes, (widths[0], *widths), widths, strict=False):
            self.add_module(f"progression_{size}", ConvBlock(before, width, pixel_norm))
        for size, width in zip(self.sizes[1:], widths[1:], strict=True):
            self.add_module(f"to_rgb_{size}", EqualConv(width, img_channels, 1))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Turn (N, z_dim) or (N, z_dim, 1, 1) latent vectors into (N, img_channels, size, size)."""
        x = self.input_layer(z.reshape(*z.shape[:2], 1, 1))
        x = self.get_submodule("progression_4")(x)
        sizes = self.sizes[: self.step + 1]
        for size in sizes[1:]:
            before, x = x, self.get_submodule(f"progression_{size}")(_double(x))
        image = self.get_submodule(f"to_rgb_{sizes[-1]}")(x)
        if self.alpha < 1 and self.step > 1:
            smaller = _double(self.get_submodule(f"to_rgb_{sizes[-2]}")(before))
            image = (1 - self.alpha) * smaller + self.alpha * image
        return cast(torch.Tensor, image.tanh() if self.tanh else image)

    @classmethod
    def arguments(cls, layout: Layout) -> dict[str, Any]:
        z_dim = layout.shape("input_layer.0.conv.weight_orig")[0]
        img_channels = layout.shape("to_rgb_8.conv.weight_orig")[0]
        levels = range((max(layout.numbers("progression_"), default=4) // 4).bit_length())
        keys = [f"progression_{4 * 2**level}.conv.0.conv.weight_orig" for level in levels]
        return {
            "z_dim": z_dim,
            "widths": [layout.shape(key)[0] for key in keys],
            "img_channels": img_channels,
            # Pixel norms have no tensors, but take a place.
            "pixel_norm": any(".conv.3." in key for key in layout.shapes),
        }

    @classmethod
    def small(cls) -> Self:
        return cls(8, (8, 8, 8, 4), 1, pixel_norm=True)


def _double(x: torch.Tensor) -> torch.Tensor:
    return nnf.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
