"""The generator of FastGAN, which learns from few images.

Source: Liu et al., "Towards faster and stabilized GAN training for
high-fidelity few-shot image synthesis", ICLR 2021
(https://arxiv.org/abs/2101.04775). Each size doubles the one before; gates
computed from the features of 4, 8, 16 and 32 pixels weigh the channels at
sixteen times that size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn
from torch.nn.utils.spectral_norm import remove_spectral_norm, spectral_norm

from medigan_hub.networks.base import LatentGenerator
from medigan_hub.networks.loading import Layout
from medigan_hub.networks.settings import switch

if TYPE_CHECKING:
    from typing_extensions import Self

SHARES = {4: 16, 8: 8, 16: 4, 32: 2, 64: 2, 128: 1, 256: 0.5, 512: 0.25, 1024: 0.125}
"""Channels at each size in pixels, in units of ``ngf``."""
GATE = 16
"""How many times larger the features are than those that their gate comes from."""


class NoiseInjection(nn.Module):
    """Adds one map of normal noise to all channels, with a learned weight, if ``active``."""

    def __init__(self, active: bool) -> None:
        super().__init__()
        self.active = active
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x: torch.Tensor, noise: torch.Tensor | None = None) -> torch.Tensor:
        if not self.active:
            return x
        noise = torch.randn_like(x[:, :1]) if noise is None else noise.to(x.dtype)
        return x + self.weight * noise


class InitLayer(nn.Module):
    """Turns latent vectors, (N, nz), into features of 4 x 4 pixels."""

    def __init__(self, nz: int, width: int) -> None:
        super().__init__()
        first = spectral_norm(nn.ConvTranspose2d(nz, 2 * width, 4, bias=False))
        self.init = nn.Sequential(first, nn.BatchNorm2d(2 * width), nn.GLU(dim=1))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return cast(torch.Tensor, self.init(z[:, :, None, None]))


class Gate(nn.Module):
    """Weighs the channels of large features by what small ones hold (skip-layer excitation)."""

    def __init__(self, small: int, large: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.AdaptiveAvgPool2d(4),
            spectral_norm(nn.Conv2d(small, large, 4, bias=False)),
            nn.SiLU(),
            spectral_norm(nn.Conv2d(large, large, 1, bias=False)),
            nn.Sigmoid(),
        )

    def forward(self, small: torch.Tensor, large: torch.Tensor) -> torch.Tensor:
        return cast(torch.Tensor, large * self.main(small))


class FastGan(LatentGenerator):
    """Noise-to-image generator.

    Parameters
    ----------
    nz
        Length of the latent vector.
    nc
        Channels of the image.
    widths
        Channels at each size, from 4 pixels on, each size twice the one
        before; the last one, at least 64, is that of the image.
        ``{size: int(share * ngf) for size, share in SHARES.items()}`` up to
        that size is the published choice.
    noise
        Whether normal noise is added to the features at some sizes, as the
        published models do. Without it, the default, an image depends on its
        latent vector alone.
    preview
        Whether there is a second, smaller image at 128 pixels, which helps
        training and is not part of the result.
    """

    name = "fastgan-polyp"
    architecture = "FastGAN"
    family = "a FastGAN generator"
    settings = ("noise",)

    def __init__(
        self,
        nz: int,
        nc: int,
        widths: Mapping[int, int],
        *,
        noise: bool = False,
        preview: bool = False,
    ) -> None:
        super().__init__()
        self.hyperparameters = {
            "nz": nz,
            "nc": nc,
            "ngf": widths[4] / SHARES[4],
            "im_size": max(widths),
        }
        self.latent = nz
        self.noise = switch("noise", noise)
        self.sizes = tuple(widths)
        self.init = InitLayer(nz, widths[4])
        # Every second size has two convolutions instead of one.
        for twice, (before, size) in enumerate(pairwise(self.sizes), start=1):
            block = _up_block(widths[before], widths[size], bool(twice % 2), noise)
            self.add_module(f"feat_{size}", block)
        for size in self.sizes:
            if size >= 4 * GATE:
                self.add_module(f"se_{size}", Gate(widths[size // GATE], widths[size]))
        if preview:
            self.to_128 = spectral_norm(nn.Conv2d(widths[128], nc, 1, bias=False))
        last = nn.Conv2d(widths[self.sizes[-1]], nc, 3, padding=1, bias=False)
        self.to_big = spectral_norm(last)

    @property
    def noise_sizes(self) -> tuple[int, ...]:
        """Side in pixels of each map of noise, in the order of their use; none without noise."""
        return tuple(size for size in self.sizes[1::2] for _ in range(2)) if self.noise else ()

    def forward(self, z: torch.Tensor, *maps: torch.Tensor) -> torch.Tensor:
        """Make images.

        Parameters
        ----------
        z
            Latent vectors, standard normal: (N, nz).
        maps
            The noise, standard normal: (N, 1, size, size) for each of
            ``noise_sizes``. Without them it comes from PyTorch's random state.

        Returns
        -------
        torch.Tensor
            (N, nc, size, size), about in [-1, 1].

        Raises
        ------
        ValueError
            Maps are given, but not those that the network takes.
        """
        given = tuple(noise.shape[-1] for noise in maps)
        if maps and given != self.noise_sizes:
            raise ValueError(
                f"noise of {', '.join(map(str, given))} pixels is given; this FastGAN takes "
                f"{', '.join(map(str, self.noise_sizes)) or 'none'}"
            )
        return cast(torch.Tensor, self.to_big(self.features(z, self.sizes[-1], maps)))

    def features(
        self, z: torch.Tensor, last: int, maps: Sequence[torch.Tensor] = ()
    ) -> torch.Tensor:
        """Return the features of (N, nz) latent vectors at ``last`` pixels."""
        rest = iter(maps)
        found = {4: self.init(z)}
        for before, size in pairwise(self.sizes[: self.sizes.index(last) + 1]):
            x = found[before]
            for layer in cast(nn.Sequential, self.get_submodule(f"feat_{size}")):
                is_noise = isinstance(layer, NoiseInjection)
                x = layer(x, next(rest, None)) if is_noise else layer(x)
            found[size] = x
            if size >= 4 * GATE:
                found[size] = self.get_submodule(f"se_{size}")(found[size // GATE], found[size])
        return cast(torch.Tensor, found[last])

    @classmethod
    def arguments(cls, layout: Layout) -> dict[str, Any]:
        nz, first = layout.shape("init.init.0.weight_orig")[:2]
        nc = layout.shape("to_big.weight_orig")[0]
        # Half the channels gate the other half.
        widths = {4: max(1, first // 2)}
        while (size := 2 * max(widths)) <= max(layout.numbers("feat_"), default=4):
            widths[size] = max(1, layout.shape(f"feat_{size}.1.weight_orig")[0] // 2)
        preview = 128 in widths and "to_128.weight_orig" in layout
        return {"nz": nz, "nc": nc, "widths": widths, "preview": preview}

    @classmethod
    def small(cls) -> Self:
        return cls(8, 1, {4: 16, 8: 8, 16: 8, 32: 8, 64: 4})


def fold_spectral_norm(network: nn.Module) -> nn.Module:
    """Divide weights by their spectral norms once and for all, and return ``network``.

    It computes the same as before in eval mode. Its tensors have one plain
    ``weight`` a convolution, as exporters want them.
    """
    for layer in network.modules():
        if hasattr(layer, "weight_orig"):
            remove_spectral_norm(layer)
    return network


def _up_block(before: int, width: int, twice: bool, noise: bool) -> nn.Sequential:
    """Build a doubling of the size followed by one convolution, or two with noise."""
    layers: list[nn.Module] = [nn.Upsample(scale_factor=2, mode="nearest")]
    for channels in (before, width) if twice else (before,):
        layers.append(spectral_norm(nn.Conv2d(channels, 2 * width, 3, padding=1, bias=False)))
        layers += [NoiseInjection(noise)] if twice else []
        layers += [nn.BatchNorm2d(2 * width), nn.GLU(dim=1)]
    return nn.Sequential(*layers)
