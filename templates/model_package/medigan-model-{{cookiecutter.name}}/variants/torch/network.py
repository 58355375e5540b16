{% set kind = cookiecutter.__kind %}
{% set facts = cookiecutter._facts %}
"""The network. TODO: put yours here."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

{% if kind == "image" %}
WIDTH = 8
"""Channels between the layers."""


class Generator(nn.Module):
    """Three convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, WIDTH, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(WIDTH, WIDTH, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(WIDTH, 1, 3, padding=1),
            nn.Tanh(),
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Turn (N, 1, height, width) into the same, both in [-1, 1]."""
        return self.layers(image)
{% else %}
LATENT = {{ facts.latent }}
"""Length of the latent vector."""
{% if kind == "class" %}
CLASSES = {{ facts.classes | length }}
{% endif %}
WIDTHS = (8, 8, 4)
"""Channels at 4, 8 and 16 pixels."""


class Generator(nn.Module):
    """Features of 4 x 4 pixels, doubled three times."""

    def __init__(self) -> None:
        super().__init__()
        first, second, third = WIDTHS
        self.first = nn.Linear({{ "LATENT + CLASSES" if kind == "class" else "LATENT" }}, 16 * first)
        self.layers = nn.Sequential(
            nn.LeakyReLU(0.2),
            nn.ConvTranspose2d(first, second, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.ConvTranspose2d(second, third, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.ConvTranspose2d(third, 1, 4, 2, 1),
            nn.Tanh(),
        )

{% if kind == "class" %}
    def forward(self, latent: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        """Turn (N, LATENT) and one-hot (N, CLASSES) into (N, 1, 32, 32) in [-1, 1]."""
        features = self.first(torch.cat([latent, label], dim=1))
{% else %}
    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        """Turn (N, LATENT) into (N, 1, 32, 32) in [-1, 1]."""
        features = self.first(latent)
{% endif %}
        return self.layers(features.reshape(len(features), -1, 4, 4))
{% endif %}


def build(tensors: Mapping[str, torch.Tensor]) -> nn.Module:
    """Return the network that these tensors belong to."""
    network = Generator()
    network.load_state_dict(dict(tensors))
    return network
