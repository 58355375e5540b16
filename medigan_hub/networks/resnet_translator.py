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

from medigan_hub.errors import WeightsError


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
        self.input_nc = input_nc
        self.output_nc = output_nc
        self.n_downsampling = n_downsampling
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
        tensors = {
            key: value
            for key, value in state_dict.items()
            if not key.endswith(("running_mean", "running_var", "num_batches_tracked"))
        }
        # Between the first layer and the last stand, in order of their number:
        # the halvings, the residual blocks, the doublings.
        numbers = sorted({int(key.split(".")[1]) for key in tensors if key.startswith("model.")})
        blocks = [n for n in numbers if f"model.{n}.conv_block.1.weight" in tensors]
        if not blocks or numbers[0] != 1:
            raise WeightsError(
                "the weights are not those of a ResNet translator: "
                f"expected keys such as model.1.weight, found {', '.join(sorted(tensors)[:3])} ..."
            )
        first = tensors[f"model.{numbers[0]}.weight"]
        last = tensors[f"model.{numbers[-1]}.weight"]
        network = cls(
            input_nc=first.shape[1],
            output_nc=last.shape[0],
            ngf=first.shape[0],
            n_blocks=len(blocks),
            n_downsampling=sum(n < blocks[0] for n in numbers) - 1,
        )
        try:
            network.load_state_dict(tensors)
        except RuntimeError as error:
            raise WeightsError(
                f"the weights are not those of a ResNet translator: {error}"
            ) from error
        return network.eval()
