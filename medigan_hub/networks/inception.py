"""The network of the Fréchet inception distance (FID), which judges images and makes none.

Sources: Szegedy et al., "Rethinking the Inception architecture for computer vision", CVPR 2016
(https://arxiv.org/abs/1512.00567), for Inception v3; Heusel et al., "GANs trained by a two
time-scale update rule converge to a local Nash equilibrium", NeurIPS 2017
(https://arxiv.org/abs/1706.08500), for the weights of 2015-12-05 that FID is defined by. In them
the network differs from later ones: means at borders are of the pixels that there are, the last
block takes maxima in place of means, and there are 1008 classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from medigan_hub.networks.loading import Layout, load

if TYPE_CHECKING:
    from typing_extensions import Self

SIDE = 299
"""Height and width that images are brought to."""
LENGTHS = (64, 192, 768, 2048)
"""Numbers of features that can be taken, the first from nearest to the image."""
ROW, COLUMN = (1, 7), (7, 1)
"""Long kernels."""


class InceptionFid(nn.Module):
    """Features of images: (N, 3, height, width) in 0..255 become (N, 2048).

    The names are those of the checkpoint. ``fc`` gives the logits of its classes, which FID does
    not use.
    """

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = _Layer(3, 32, 3, stride=2, is_padded=False)
        self.Conv2d_2a_3x3 = _Layer(32, 32, 3, is_padded=False)
        self.Conv2d_2b_3x3 = _Layer(32, 64, 3)
        self.Conv2d_3b_1x1 = _Layer(64, 80, 1)
        self.Conv2d_4a_3x3 = _Layer(80, 192, 3, is_padded=False)
        self.Mixed_5b = _Mixed35(192, 32)
        self.Mixed_5c = _Mixed35(256, 64)
        self.Mixed_5d = _Mixed35(288, 64)
        self.Mixed_6a = _Halving35(288)
        self.Mixed_6b = _Mixed17(768, 128)
        self.Mixed_6c = _Mixed17(768, 160)
        self.Mixed_6d = _Mixed17(768, 160)
        self.Mixed_6e = _Mixed17(768, 192)
        self.Mixed_7a = _Halving17(768)
        self.Mixed_7b = _Mixed8(1280)
        self.Mixed_7c = _Mixed8(2048, takes_maxima=True)
        self.fc = nn.Linear(2048, 1008)

    @classmethod
    def from_state_dict(cls, state_dict: Mapping[str, torch.Tensor]) -> Self:
        """Return the network with a checkpoint's tensors, in eval mode.

        Raises
        ------
        WeightsError
            They are not those of this network.
        """
        return load(cls, Layout(state_dict, "FID's Inception network"))

    def forward(self, images: torch.Tensor, length: int = 2048) -> torch.Tensor:
        """Return the features of images.

        Parameters
        ----------
        images
            (N, 3, height, width), 0 to 255; of 299 by 299 they are taken as they are, others are
            brought to it as TensorFlow 1 did.
        length
            How many features: 64, 192, 768 or 2048. Fewer are of earlier layers.

        Returns
        -------
        torch.Tensor
            (N, length): means over all places of the picture.

        Raises
        ------
        ValueError
            There is no layer of so many features.
        """
        if length not in LENGTHS:
            raise ValueError(f"there are {', '.join(map(str, LENGTHS))} features, and not {length}")
        x = (resized(images) - 128) / 128
        for layers in self._stages()[: LENGTHS.index(length) + 1]:
            for layer in layers:
                x = layer(x)
        return x.mean(dim=(2, 3))

    def _stages(self) -> tuple[tuple[nn.Module, ...], ...]:
        halved = nn.MaxPool2d(3, stride=2)
        return (
            (self.Conv2d_1a_3x3, self.Conv2d_2a_3x3, self.Conv2d_2b_3x3, halved),
            (self.Conv2d_3b_1x1, self.Conv2d_4a_3x3, halved),
            (
                *(self.Mixed_5b, self.Mixed_5c, self.Mixed_5d, self.Mixed_6a),
                *(self.Mixed_6b, self.Mixed_6c, self.Mixed_6d, self.Mixed_6e),
            ),
            (self.Mixed_7a, self.Mixed_7b, self.Mixed_7c),
        )


def resized(images: torch.Tensor, side: int = SIDE) -> torch.Tensor:
    """Bring images, (N, channels, height, width), to a size as TensorFlow 1 did.

    Bilinear, without antialiasing; the first pixel's centre is at 0, so that pixel n of the result
    lies at n * height / side, and what would lie beyond the last one is the last one.
    """
    for axis in (2, 3):
        length = images.shape[axis]
        if length == side:
            continue
        place = torch.arange(side, device=images.device, dtype=torch.float32) * (length / side)
        low = place.long()
        high = (low + 1).clamp(max=length - 1)
        share = (place - low).reshape((-1, 1) if axis == 2 else (-1,)).to(images.dtype)
        first, second = images.index_select(axis, low), images.index_select(axis, high)
        images = first + (second - first) * share
    return images


class _Layer(nn.Module):
    """A convolution, normalised, and what is positive of it."""

    def __init__(
        self,
        before: int,
        after: int,
        kernel: int | tuple[int, int],
        stride: int = 1,
        *,
        is_padded: bool = True,
    ) -> None:
        super().__init__()
        sides = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (sides[0] // 2, sides[1] // 2) if is_padded else (0, 0)
        self.conv = nn.Conv2d(before, after, sides, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(after, eps=0.001)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.bn(self.conv(x)), inplace=True)


def _means(x: torch.Tensor) -> torch.Tensor:
    return functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


def _maxima(x: torch.Tensor) -> torch.Tensor:
    return functional.max_pool2d(x, 3, stride=1, padding=1)


class _Mixed35(nn.Module):
    """Branches at 35 by 35 places."""

    def __init__(self, before: int, pool: int) -> None:
        super().__init__()
        self.branch1x1 = _Layer(before, 64, 1)
        self.branch5x5_1 = _Layer(before, 48, 1)
        self.branch5x5_2 = _Layer(48, 64, 5)
        self.branch3x3dbl_1 = _Layer(before, 64, 1)
        self.branch3x3dbl_2 = _Layer(64, 96, 3)
        self.branch3x3dbl_3 = _Layer(96, 96, 3)
        self.branch_pool = _Layer(before, pool, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        five = self.branch5x5_2(self.branch5x5_1(x))
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch1x1(x), five, three, self.branch_pool(_means(x))], dim=1)


class _Halving35(nn.Module):
    """From 35 by 35 places to 17 by 17."""

    def __init__(self, before: int) -> None:
        super().__init__()
        self.branch3x3 = _Layer(before, 384, 3, stride=2, is_padded=False)
        self.branch3x3dbl_1 = _Layer(before, 64, 1)
        self.branch3x3dbl_2 = _Layer(64, 96, 3)
        self.branch3x3dbl_3 = _Layer(96, 96, 3, stride=2, is_padded=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), three, functional.max_pool2d(x, 3, 2)], dim=1)


class _Mixed17(nn.Module):
    """Branches at 17 by 17 places, with long kernels."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.branch1x1 = _Layer(before, 192, 1)
        self.branch7x7_1 = _Layer(before, width, 1)
        self.branch7x7_2 = _Layer(width, width, ROW)
        self.branch7x7_3 = _Layer(width, 192, COLUMN)
        self.branch7x7dbl_1 = _Layer(before, width, 1)
        self.branch7x7dbl_2 = _Layer(width, width, COLUMN)
        self.branch7x7dbl_3 = _Layer(width, width, ROW)
        self.branch7x7dbl_4 = _Layer(width, width, COLUMN)
        self.branch7x7dbl_5 = _Layer(width, 192, ROW)
        self.branch_pool = _Layer(before, 192, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        twice = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        twice = self.branch7x7dbl_5(self.branch7x7dbl_4(twice))
        return torch.cat([self.branch1x1(x), seven, twice, self.branch_pool(_means(x))], dim=1)


class _Halving17(nn.Module):
    """From 17 by 17 places to 8 by 8."""

    def __init__(self, before: int) -> None:
        super().__init__()
        self.branch3x3_1 = _Layer(before, 192, 1)
        self.branch3x3_2 = _Layer(192, 320, 3, stride=2, is_padded=False)
        self.branch7x7x3_1 = _Layer(before, 192, 1)
        self.branch7x7x3_2 = _Layer(192, 192, ROW)
        self.branch7x7x3_3 = _Layer(192, 192, COLUMN)
        self.branch7x7x3_4 = _Layer(192, 192, 3, stride=2, is_padded=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        three = self.branch3x3_2(self.branch3x3_1(x))
        seven = self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x)))
        seven = self.branch7x7x3_4(seven)
        return torch.cat([three, seven, functional.max_pool2d(x, 3, 2)], dim=1)


class _Mixed8(nn.Module):
    """Branches at 8 by 8 places, two of which part once more."""

    def __init__(self, before: int, *, takes_maxima: bool = False) -> None:
        super().__init__()
        self.pool = _maxima if takes_maxima else _means
        self.branch1x1 = _Layer(before, 320, 1)
        self.branch3x3_1 = _Layer(before, 384, 1)
        self.branch3x3_2a = _Layer(384, 384, (1, 3))
        self.branch3x3_2b = _Layer(384, 384, (3, 1))
        self.branch3x3dbl_1 = _Layer(before, 448, 1)
        self.branch3x3dbl_2 = _Layer(448, 384, 3)
        self.branch3x3dbl_3a = _Layer(384, 384, (1, 3))
        self.branch3x3dbl_3b = _Layer(384, 384, (3, 1))
        self.branch_pool = _Layer(before, 192, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        three = self.branch3x3_1(x)
        twice = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        parts = [
            self.branch1x1(x),
            *(self.branch3x3_2a(three), self.branch3x3_2b(three)),
            *(self.branch3x3dbl_3a(twice), self.branch3x3dbl_3b(twice)),
            self.branch_pool(self.pool(x)),
        ]
        return torch.cat(parts, dim=1)
