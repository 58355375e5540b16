"""The U-Net generator that pix2pix translates images with.

Sources: Ronneberger et al., "U-Net: convolutional networks for biomedical image
segmentation", MICCAI 2015 (https://doi.org/10.1007/978-3-319-24574-4_28);
Isola et al., "Image-to-image translation with conditional adversarial
networks", CVPR 2017 (https://doi.org/10.1109/CVPR.2017.632).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from medigan_hub.networks.base import Translator
from medigan_hub.networks.loading import Layout
from medigan_hub.networks.settings import switch

if TYPE_CHECKING:
    from typing_extensions import Self

BELOW = ".model.3"
"""What checkpoints call a level's next lower one."""


class Level(nn.Module):
    """A halving, all levels below it, and a doubling; its input goes along with the result."""

    def __init__(self, outer: int, widths: Sequence[int], dropout: bool) -> None:
        super().__init__()
        width, *deeper = widths
        down = [nn.LeakyReLU(0.2), nn.Conv2d(outer, width, 4, 2, 1, bias=False)]
        up: list[nn.Module] = [
            nn.ReLU(),
            nn.ConvTranspose2d(2 * width if deeper else width, outer, 4, 2, 1, bias=False),
            nn.BatchNorm2d(outer),
        ]
        if not deeper:
            self.model = nn.Sequential(*down, *up)
            return
        # As published: between equally wide levels, but for the deepest, in training.
        up += [nn.Dropout(0.5)] if dropout and outer == width else []
        below = Level(width, deeper, dropout)
        self.model = nn.Sequential(*down, nn.BatchNorm2d(width), below, *up)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, self.model(x)], dim=1)


class UnetTranslator(Translator):
    """Image-to-image generator: halvings and doublings, with a shortcut at each size.

    Parameters
    ----------
    input_nc, output_nc
        Channels of the image that goes in and of the one that comes out.
    widths
        Channels after each halving, two halvings at least. Height and width
        must be multiples of ``2 ** len(widths)``.
    dropout
        Whether features are dropped at random in training.
    """

    name = "unet256"
    architecture = "pix2pix"
    family = "a U-Net generator"
    settings = ("dropout",)

    def __init__(
        self,
        input_nc: int = 3,
        output_nc: int = 3,
        widths: Sequence[int] = (64, 128, 256, 512, 512, 512, 512, 512),
        *,
        dropout: bool = True,
    ) -> None:
        super().__init__()
        first, *deeper = widths
        self.input_nc, self.halvings = input_nc, len(widths)
        self.hyperparameters = {
            "input_nc": input_nc,
            "output_nc": output_nc,
            "num_downs": len(widths),
            "ngf": first,
            "norm": "batch",
        }
        layers = nn.Sequential(
            nn.Conv2d(input_nc, first, 4, 2, 1, bias=False),
            Level(first, deeper, switch("dropout", dropout)),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * first, output_nc, 4, 2, 1),
            nn.Tanh(),
        )
        self.model = nn.ModuleDict({"model": layers})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Translate (N, input_nc, height, width) to (N, output_nc, height, width), in [-1, 1]."""
        return cast(torch.Tensor, self.model["model"](x))

    @classmethod
    def arguments(cls, layout: Layout) -> dict[str, Any]:
        first, input_nc = layout.shape("model.model.0.weight")[:2]
        levels = max(map(_depth, layout.shapes))
        keys = (f"model.model.1{n * BELOW}.model.1.weight" for n in range(levels + 1))
        widths = [first, *(layout.shape(key)[0] for key in keys)]
        output_nc = layout.shape("model.model.3.weight")[1]
        return {"input_nc": input_nc, "output_nc": output_nc, "widths": widths}

    @classmethod
    def small(cls) -> Self:
        return cls(1, 1, (4, 8, 8, 8))


def _depth(key: str) -> int:
    """Return how many levels above that of a tensor are not the outermost."""
    above = re.match(rf"model\.model\.1((?:{re.escape(BELOW)}(?=\.model))*)", key)
    return len(above[1]) // len(BELOW) if above else 0
