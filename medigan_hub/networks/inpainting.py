"""A generator that paints tumours into the slices of several MRI sequences at once.

One encoder sees all sequences and a map of concentric circles, another one that
map alone; each sequence has a decoder of its own. Source: Kim et al.,
"Synthesis of brain tumor multicontrast MR images for improved data
augmentation", Medical Physics 48(5), 2021 (https://doi.org/10.1002/mp.14701).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import nn

from medigan_hub.networks.loading import Layout, load

FAMILY = "an inpainting generator of four sequences"
SEQUENCES = ("F", "T1", "T1c", "T2")
"""What checkpoints call the decoders, in the order of the channels: FLAIR, T1, T1c, T2."""


class Conv(nn.Module):
    """Convolution, instance norm and, unless told otherwise, ReLU."""

    def __init__(
        self, n_in: int, n_out: int, kernel: int = 3, stride: int = 1, relu: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2),
            nn.InstanceNorm2d(n_out),
            nn.ReLU() if relu else nn.Identity(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return cast(torch.Tensor, self.conv(x))


class ResidualBlock(nn.Module):
    """Two convolutions whose result is added to the block's input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(Conv(width, width), Conv(width, width, relu=False))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return cast(torch.Tensor, x + self.conv_block(x))


class Inpainter(nn.Module):
    """Fills what was cut out of the slices of four sequences.

    Parameters
    ----------
    image_widths
        Channels of the encoder of slices and map: after each of two halvings.
    mask_widths
        The same of the encoder of the map alone.
    widths
        Channels of a decoder at each size, from the coarsest on: three.
    n_blocks
        Number of residual blocks in the encoder of slices and map.
    """

    def __init__(
        self,
        image_widths: Sequence[int] = (32, 128),
        mask_widths: Sequence[int] = (4, 16),
        widths: Sequence[int] = (256, 128, 64),
        n_blocks: int = 3,
    ) -> None:
        super().__init__()
        self.hyperparameters: dict[str, object] = {}
        first, second = image_widths
        mask_first, mask_second = mask_widths
        blocks = [ResidualBlock(second) for _ in range(n_blocks)]
        channels = len(SEQUENCES) + 1
        self.model_initial = nn.Sequential(
            Conv(channels, first, stride=2), Conv(first, second, stride=2), *blocks
        )
        self.model_Mask = nn.Sequential(
            Conv(1, mask_first, stride=2), Conv(mask_first, mask_second, stride=2)
        )
        for name in SEQUENCES:
            self.add_module(f"model_{name}", _decoder(second + mask_second, widths))

    def forward(self, brain_blank: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Fill the slices.

        Parameters
        ----------
        brain_blank
            FLAIR, T1, T1c and T2 with zeros where the tumour is to be: (N, 4,
            height, width), both multiples of 4.
        mask
            The map of circles: (N, 1, height, width).

        Returns
        -------
        torch.Tensor
            The four slices, (N, 4, height, width), at least 0.
        """
        features = self.model_initial(torch.cat([brain_blank, mask], dim=1))
        features = torch.cat([features, self.model_Mask(mask)], dim=1)
        decoders = [self.get_submodule(f"model_{name}") for name in SEQUENCES]
        return torch.cat([decoder(features) for decoder in decoders], dim=1)

    @classmethod
    def from_state_dict(cls, state_dict: Mapping[str, torch.Tensor]) -> Inpainter:
        """Build the network that a checkpoint's tensors describe, and load them.

        Raises
        ------
        WeightsError
            The tensors are not those of such a network.
        """
        layout = Layout(state_dict, FAMILY)

        def widths(part: str, *places: int) -> list[int]:
            return [layout.shape(f"model_{part}.{n}.conv.0.weight")[0] for n in places]

        image, mask = widths("initial", 0, 1), widths("Mask", 0, 1)
        decoder = widths(SEQUENCES[0], 0, 3, 6)
        blocks = layout.numbers("model_initial.", ".conv_block.")
        return load(lambda: cls(image, mask, decoder, len(blocks)), state_dict, FAMILY)


def _decoder(n_in: int, widths: Sequence[int]) -> nn.Sequential:
    """Build the way from features, a quarter as large, to one slice."""
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Upsample(scale_factor=2, mode="nearest")] if layers else []
        layers += [Conv(n_in, width), ResidualBlock(width)]
        n_in = width
    return nn.Sequential(*layers, Conv(n_in, 1, 7))
