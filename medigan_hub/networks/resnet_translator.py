"""The ResNet generator that CycleGAN and pix2pixHD translate images with.

Sources: Johnson et al., "Perceptual losses for real-time style transfer and
super-resolution", ECCV 2016 (https://doi.org/10.1007/978-3-319-46475-6_43) for
the network; Zhu et al., "Unpaired image-to-image translation using
cycle-consistent adversarial networks", ICCV 2017
(https://doi.org/10.1109/ICCV.2017.244) for its use between two domains.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import nn

from medigan_hub.networks.loading import Layout, load

FAMILY = "a ResNet translator"


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


class ResnetTranslator(nn.Module):
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

    @classmethod
    def from_state_dict(cls, state_dict: Mapping[str, torch.Tensor]) -> ResnetTranslator:
        """Build the network that a checkpoint's tensors describe, and load them.

        Checkpoints written before PyTorch 0.4 also hold running statistics of
        the instance norms, which never took part in the result; they are
        left out.

        Raises
        ------
        WeightsError
            The tensors are not those of such a network.
        """
        Layout(state_dict, FAMILY)
        tensors = {
            key: value
            for key, value in state_dict.items()
            if not key.endswith(("running_mean", "running_var", "num_batches_tracked"))
        }
        layout = Layout(tensors, FAMILY)
        ngf, input_nc = layout.shape("model.1.weight")[:2]
        # A halving takes three places, a residual block one, a doubling three.
        blocks = layout.numbers("model.", ".conv_block.")
        if not blocks:
            layout.expected("keys such as model.10.conv_block.1.weight")
        halvings = [layout.shape(f"model.{n}.weight") for n in range(4, blocks[0], 3)]
        n_downsampling = len(halvings)
        last = blocks[0] + len(blocks) + 3 * n_downsampling + 1
        output_nc = layout.shape(f"model.{last}.weight")[0]
        return load(
            lambda: cls(input_nc, output_nc, ngf, len(blocks), n_downsampling), tensors, FAMILY
        )
