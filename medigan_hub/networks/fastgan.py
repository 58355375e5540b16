"""The generator of FastGAN, which learns from few images.

Source: Liu et al., "Towards faster and stabilized GAN training for
high-fidelity few-shot image synthesis", ICLR 2021
(https://arxiv.org/abs/2101.04775). Each size doubles the one before; gates
computed from the features of 4, 8, 16 and 32 pixels weigh the channels at
sixteen times that size.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import cast

import torch
from torch import nn
from torch.nn.utils.spectral_norm import remove_spectral_norm, spectral_norm

from medigan_hub.errors import WeightsError

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

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.weight * torch.randn_like(x[:, :1]) if self.active else x


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


class FastGan(nn.Module):
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
        Whether normal noise, from PyTorch's random state, is added to the
        features at some sizes, as the published models do. Without it an image
        depends on its latent vector alone.
    preview
        Whether there is a second, smaller image at 128 pixels, which helps
        training and is not part of the result.
    """

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
        self.nz = nz
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

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Turn (N, nz) latent vectors into (N, nc, size, size) images, about in [-1, 1]."""
        return cast(torch.Tensor, self.to_big(self.features(z, self.sizes[-1])))

    def features(self, z: torch.Tensor, last: int) -> torch.Tensor:
        """Return the features of (N, nz) latent vectors at ``last`` pixels."""
        found = {4: self.init(z)}
        for before, size in pairwise(self.sizes[: self.sizes.index(last) + 1]):
            found[size] = self.get_submodule(f"feat_{size}")(found[before])
            if size >= 4 * GATE:
                found[size] = self.get_submodule(f"se_{size}")(found[size // GATE], found[size])
        return cast(torch.Tensor, found[last])

    @classmethod
    def from_state_dict(
        cls, state_dict: Mapping[str, torch.Tensor], *, noise: bool = False
    ) -> FastGan:
        """Build the network that a checkpoint's tensors describe, and load them.

        Raises
        ------
        WeightsError
            The tensors are not those of such a network.
        """
        shapes = {key: tuple(tensor.shape) for key, tensor in state_dict.items()}
        first, last = "init.init.0.weight_orig", "to_big.weight_orig"
        if any(len(shapes.get(key, ())) != 4 for key in (first, last)):
            raise WeightsError(
                "the weights are not those of a FastGAN generator: "
                f"expected keys such as {first}, found {', '.join(sorted(shapes)[:3])} ..."
            )
        widths = {4: shapes[first][1] // 2}
        while len(shape := shapes.get(f"feat_{2 * max(widths)}.1.weight_orig", ())) == 4:
            widths[2 * max(widths)] = shape[0] // 2
        network = cls(
            nz=shapes[first][0],
            nc=shapes[last][0],
            widths=widths,
            noise=noise,
            preview="to_128.weight_orig" in shapes,
        )
        expected = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
        wrong = [k for k in {**expected, **shapes} if expected.get(k) != shapes.get(k)]
        if wrong:
            raise WeightsError(
                "the weights are not those of a FastGAN generator: missing, unexpected or of "
                f"another shape than the rest are {', '.join(wrong[:3])}"
                f"{' ...' if len(wrong) > 3 else ''}"
            )
        network.load_state_dict(dict(state_dict))
        return network.eval()


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
