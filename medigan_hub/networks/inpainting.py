"""A generator that paints tumours into the slices of several MRI sequences at once.

One encoder sees all sequences and a map of concentric circles, another one that
map alone; each sequence has a decoder of its own. Source: Kim et al.,
"Synthesis of brain tumor multicontrast MR images for improved data
augmentation", Medical Physics 48(5), 2021 (https://doi.org/10.1002/mp.14701).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from medigan_hub.networks.base import Facts, Generator
from medigan_hub.networks.loading import Layout

if TYPE_CHECKING:
    from typing_extensions import Self

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


class Inpainter(Generator):
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

    name = "inpaint-multimodal"
    architecture = "inpainting GAN"
    family = "an inpainting generator of four sequences"
    tasks = ("inpainting",)

    def __init__(
        self,
        image_widths: Sequence[int] = (32, 128),
        mask_widths: Sequence[int] = (4, 16),
        widths: Sequence[int] = (256, 128, 64),
        n_blocks: int = 3,
    ) -> None:
        super().__init__()
        self.hyperparameters = {}
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
    def arguments(cls, layout: Layout) -> dict[str, Any]:
        def widths(part: str, *places: int) -> list[int]:
            return [layout.shape(f"model_{part}.{n}.conv.0.weight")[0] for n in places]

        return {
            "image_widths": widths("initial", 0, 1),
            "mask_widths": widths("Mask", 0, 1),
            "widths": widths(SEQUENCES[0], 0, 3, 6),
            "n_blocks": len(layout.numbers("model_initial.", ".conv_block.")),
        }

    @classmethod
    def small(cls) -> Self:
        return cls((4, 8), (2, 4), (8, 8, 4), n_blocks=1)

    def example(self, count: int) -> tuple[torch.Tensor, ...]:
        return torch.rand(count, len(SEQUENCES), 32, 32), torch.rand(count, 1, 32, 32)

    def facts(self) -> Facts:
        channels, size = self.made()
        names = ("flair", "t1", "t1c", "t2")
        slices = {f"brain_{name}": "TODO: the slice of this sequence." for name in names}
        return Facts(
            architecture=self.architecture,
            tasks=self.tasks,
            size=size,
            channels=channels,
            outputs=names,
            inputs={**slices, "mask": "What is to be filled, in concentric grades."},
            module="inpaint",
        )


def _decoder(n_in: int, widths: Sequence[int]) -> nn.Sequential:
    """Build the way from features, a quarter as large, to one slice."""
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Upsample(scale_factor=2, mode="nearest")] if layers else []
        layers += [Conv(n_in, width), ResidualBlock(width)]
        n_in = width
    return nn.Sequential(*layers, Conv(n_in, 1, 7))
