"""The ResNet generator that CycleGAN and pix2pixHD translate images with.

Sources: Johnson et al., "Perceptual losses for real-time style transfer and
super-resolution", ECCV 2016 (https://doi.org/10.1007/978-3-319-46475-6_43) for
the network; Zhu et al., "Unpaired image-to-image translation using
cycle-consistent adversarial networks", ICCV 2017
(https://doi.org/10.1109/ICCV.2017.244) for its use between two domains.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from medigan_hub.networks.base import Translator
from medigan_hub.networks.loading import Layout

if TYPE_CHECKING:
    from typing_extensions import Self


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions whose result is added to the block's input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(width, width, 3),
            nn.InstanceNorm2d(width),
            nn.ReLU(inplace=True),
            nn.ReflectionPad2d(1),
            nn.Conv2d(width, width, 3),
            nn.InstanceNorm2d(width),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return cast(torch.Tensor, x + self.conv_block(x))


class ResnetTranslator(Translator):
    """Image-to-image generator: halvings, residual blocks, doublings.

    Parameters
    ----------
    input_nc, output_nc
        Channels of the image that goes in and of the one that comes out.
    ngf
        Channels after the first convolution; each halving doubles them.
    n_blocks
        Number of residual blocks at the coarsest resolution.
    n_downsampling
        Number of halvings. Height and width must be multiples of
        ``2 ** n_downsampling`` for the output to have the input's size.
    """

    name = "resnet-translator"
    architecture = "CycleGAN"
    family = "a ResNet translator"

    def __init__(
        self,
        input_nc: int = 1,
        output_nc: int = 1,
        ngf: int = 64,
        n_blocks: int = 9,
        n_downsampling: int = 2,
    ) -> None:
        super().__init__()
        self.hyperparameters = {
            "input_nc": input_nc,
            "output_nc": output_nc,
            "ngf": ngf,
            "n_blocks": n_blocks,
            "n_downsampling": n_downsampling,
        }
        self.input_nc, self.halvings = input_nc, n_downsampling
        layers: list[nn.Module] = [
            nn.ReflectionPad2d(3),
            nn.Conv2d(input_nc, ngf, 7),
            nn.InstanceNorm2d(ngf),
            nn.ReLU(inplace=True),
        ]
        for level in range(n_downsampling):
            width = ngf * 2**level
            layers += [
                nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
                nn.InstanceNorm2d(2 * width),
                nn.ReLU(inplace=True),
            ]
        layers += [ResidualBlock(ngf * 2**n_downsampling) for _ in range(n_blocks)]
        for level in reversed(range(n_downsampling)):
            width = ngf * 2**level
            layers += [
                nn.ConvTranspose2d(2 * width, width, 3, stride=2, padding=1, output_padding=1),
                nn.InstanceNorm2d(width),
                nn.ReLU(inplace=True),
            ]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(ngf, output_nc, 7), nn.Tanh()]
        self.model = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Translate (N, input_nc, height, width) to (N, output_nc, height, width), in [-1, 1]."""
        return cast(torch.Tensor, self.model(x))

    @property
    def minimum(self) -> int:
        # Three pixels are mirrored at the edges, and one where the image is smallest.
        return max(4, int(2 ** (self.halvings + 1)))

    @classmethod
    def loaded(cls, layout: Layout, **settings: Any) -> Self:
        """Leave out running statistics of the instance norms, which took no part in the result.

        Checkpoints written before PyTorch 0.4 hold them.
        """
        statistics = ("running_mean", "running_var", "num_batches_tracked")
        tensors = layout.tensors.items()
        kept = {key: tensor for key, tensor in tensors if not key.endswith(statistics)}
        return super().loaded(Layout(kept, cls.family), **settings)

    @classmethod
    def arguments(cls, layout: Layout) -> dict[str, Any]:
        ngf, input_nc = layout.shape("model.1.weight")[:2]
        # A halving takes three places, a residual block one, a doubling three.
        blocks = layout.numbers("model.", ".conv_block.")
        if not blocks:
            layout.expected("keys such as model.10.conv_block.1.weight")
        halvings = [layout.shape(f"model.{n}.weight") for n in range(4, blocks[0], 3)]
        n_downsampling = len(halvings)
        last = blocks[0] + len(blocks) + 3 * n_downsampling + 1
        return {
            "input_nc": input_nc,
            "output_nc": layout.shape(f"model.{last}.weight")[0],
            "ngf": ngf,
            "n_blocks": len(blocks),
            "n_downsampling": n_downsampling,
        }

    @classmethod
    def small(cls) -> Self:
        return cls(ngf=4, n_blocks=2)


class Pix2PixHdGlobal(ResnetTranslator):
    """A ``ResnetTranslator``, as pix2pixHD's global generator."""

    name = "pix2pixhd-global"
    architecture = "pix2pixHD"
