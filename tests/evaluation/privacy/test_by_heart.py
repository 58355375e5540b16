"""A network that knows its few training images by heart gives away which these are."""

from __future__ import annotations

import numpy as np
import pytest

from medigan_hub import Hub
from support.extractors import Means
from support.fields import fields, images

pytest.importorskip("scipy")
torch = pytest.importorskip("torch")


def learned(pictures, steps):
    """Return 200 images by a network that learned to make each picture of a code of its own."""
    wanted = torch.from_numpy(pictures.reshape(len(pictures), -1) / np.float32(255))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        codes = torch.nn.Parameter(torch.randn(len(pictures), 16))
        network = torch.nn.Sequential(
            torch.nn.Linear(16, 128), torch.nn.ReLU(), torch.nn.Linear(128, wanted.shape[1])
        )
        optimiser = torch.optim.Adam([codes, *network.parameters()], 3e-3)
        for _ in range(steps):
            loss = torch.nn.functional.mse_loss(network(codes), wanted)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        with torch.no_grad():
            drawn = codes[torch.randint(len(codes), (200,))]
            made = network(drawn + 0.2 * torch.randn(drawn.shape)).numpy()
    return np.rint(np.clip(made, 0, 1) * 255).astype(np.uint8).reshape(-1, *pictures.shape[1:])


def test_what_was_learned_by_heart_is_told_and_found():
    training, heldout = fields(50, 1, 16), fields(120, 2, 16)
    found = Hub().privacy(
        images(training, "train"),
        images(heldout, "heldout"),
        images(learned(training, 400), "synthetic"),
        extractors=[Means()],
    )
    pixels = found.spaces[0]
    assert (found.found, pixels.is_found) == ("copies", True)
    assert pixels.membership.low > 0.6
    assert pixels.data_copying.value < pixels.data_copying.low
    assert found.leading_membership.low > 0.6
