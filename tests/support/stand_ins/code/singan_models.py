"""The modules that a SinGAN is pickled from."""

import torch
from torch import nn


class ConvBlock(nn.Sequential):
    """Convolution, batch norm, LeakyReLU."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.add_module("conv", nn.Conv2d(n_in, n_out, 3))
        self.add_module("norm", nn.BatchNorm2d(n_out))
        self.add_module("LeakyRelu", nn.LeakyReLU(0.2, inplace=True))


class GeneratorConcatSkip2CleanAdd(nn.Module):
    """The generator of one scale."""

    def __init__(self, channels, width):
        super().__init__()
        self.head = ConvBlock(channels, width)
        self.body = nn.Sequential()
        for number in (1, 2, 3):
            self.body.add_module(f"block{number}", ConvBlock(width, width))
        self.tail = nn.Sequential(nn.Conv2d(width, channels, 3), nn.Tanh())

    def forward(self, x, y):
        """Add details to the image y, of which x is the noisy version."""
        return torch.add(self.tail(self.body(self.head(x))), y[:, :, 5:-5, 5:-5])
