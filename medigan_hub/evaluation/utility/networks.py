"""The small networks that are trained: they learn in seconds on a processor."""

from __future__ import annotations

import torch
import torch.nn.functional as nnf
from torch import nn

OF_CNN, OF_UNET = 12, 8
"""Channels of the first layer."""


def cnn(channels: int, outputs: int) -> nn.Module:
    """Return a classifier: (N, channels, 64, 64) to (N, outputs) logits; some 35 000 weights."""
    return nn.Sequential(
        _convolution(channels, OF_CNN, 5, 2),
        _convolution(OF_CNN, 2 * OF_CNN),
        nn.MaxPool2d(2),
        _convolution(2 * OF_CNN, 4 * OF_CNN),
        nn.MaxPool2d(2),
        _convolution(4 * OF_CNN, 4 * OF_CNN),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4 * OF_CNN, outputs),
    )


class UNet(nn.Module):
    """Segments images: (N, channels, 64, 64) to (N, outputs, 64, 64) logits; some 25 000 weights.

    At half of the size, and back to all of it at the end, which takes a quarter of the time.
    Source: Ronneberger et al. (2015), "U-Net: convolutional networks for biomedical image
    segmentation", doi:10.1007/978-3-319-24574-4_28.
    """

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__()
        one, two, three = OF_UNET, 2 * OF_UNET, 4 * OF_UNET
        self.first = _convolution(channels, one, 5, 2)
        self.second = _convolution(one, two)
        self.third = nn.Sequential(_convolution(two, three), _convolution(three, three))
        self.back = _convolution(three + two, two)
        self.end = _convolution(two + one, two)
        self.last = nn.Conv2d(two, 4 * outputs, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits of each pixel."""
        first = self.first(images)
        second = self.second(nnf.max_pool2d(first, 2))
        third = self.third(nnf.max_pool2d(second, 2))
        back = self.back(torch.cat([nnf.interpolate(third, scale_factor=2), second], dim=1))
        end = self.end(torch.cat([nnf.interpolate(back, scale_factor=2), first], dim=1))
        return nnf.pixel_shuffle(self.last(end), 2)


def _convolution(before: int, after: int, size: int = 3, stride: int = 1) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(before, after, size, stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )
