"""ResNet50 without its classifier, which turns images into 2048 features each.

Source: He et al., "Deep residual learning for image recognition", CVPR 2016
(https://doi.org/10.1109/CVPR.2016.90).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import nn

from medigan_hub.networks.loading import Layout, load

STAGES = (("layer1", 64, 3), ("layer2", 128, 4), ("layer3", 256, 6), ("layer4", 512, 3))
"""Name, width and blocks of each; a block's result has four times its width."""
IN_A_ROW = {"0": "conv1", "1": "bn1"} | {f"{n}": name for n, (name, _, _) in enumerate(STAGES, 4)}
"""Names of the parts by their places among all, of which some have no tensors."""
FAMILY = "a ResNet50"


class Block(nn.Module):
    """Three convolutions, whose result is added to the block's input, or to what 1 x 1 makes of it.

    ``of_keras`` is what Keras does in another way: its convolutions have biases, and of a block
    that halves the image the first one does.
    """

    def __init__(self, channels: int, width: int, stride: int, of_keras: bool) -> None:
        super().__init__()
        epsilon = 1.001e-5 if of_keras else 1e-5
        first, second = (stride, 1) if of_keras else (1, stride)
        self.conv1 = nn.Conv2d(channels, width, 1, first, bias=of_keras)
        self.bn1 = nn.BatchNorm2d(width, epsilon)
        self.conv2 = nn.Conv2d(width, width, 3, second, padding=1, bias=of_keras)
        self.bn2 = nn.BatchNorm2d(width, epsilon)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=of_keras)
        self.bn3 = nn.BatchNorm2d(4 * width, epsilon)
        self.downsample: nn.Module | None = None
        if stride != 1 or channels != 4 * width:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, 4 * width, 1, stride, bias=of_keras),
                nn.BatchNorm2d(4 * width, epsilon),
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet50(nn.Module):
    """Means of the last maps: (N, 3, height, width) to (N, 2048)."""

    def __init__(self, of_keras: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, padding=3, bias=of_keras)
        self.bn1 = nn.BatchNorm2d(64, 1.001e-5 if of_keras else 1e-5)
        channels = 64
        for name, width, blocks in STAGES:
            stage = []
            for number in range(blocks):
                stride = 2 if number == 0 and name != "layer1" else 1
                stage.append(Block(channels, width, stride, of_keras))
                channels = 4 * width
            self.add_module(name, nn.Sequential(*stage))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        x = nn.functional.max_pool2d(x, 3, 2, padding=1)
        for name, _, _ in STAGES:
            x = cast(torch.Tensor, self.get_submodule(name)(x))
        return x.mean((2, 3))

    @classmethod
    def from_state_dict(cls, tensors: Mapping[str, torch.Tensor]) -> ResNet50:
        """Return the network with these tensors, in eval mode.

        Taken are torchvision's names, whatever prefix all of them have, and those of its parts
        in a row (``backbone.0.weight``, as RadImageNet publishes them); with biases they are
        of a network that was ported from Keras. The classifier is left out.

        Raises
        ------
        WeightsError
            The tensors are not those of a ResNet50.
        """
        own = _named(Layout(tensors, FAMILY).tensors)
        return load(lambda: cls("conv1.bias" in own), Layout(own, FAMILY))


def _named(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the tensors by torchvision's names, without the classifier's."""
    ends = ("conv1.weight", "0.weight")
    first = min((key for key in tensors if key.endswith(ends)), key=len, default="")
    prefix = first.removesuffix(ends[0]).removesuffix(ends[1])
    found = {}
    for key, tensor in tensors.items():
        part, _, rest = key.removeprefix(prefix).partition(".")
        if part != "fc":
            found[f"{IN_A_ROW.get(part, part)}.{rest}"] = tensor
    for key in [key for key in found if key.endswith(".running_mean")]:  # which others leave out
        found.setdefault(key.replace("running_mean", "num_batches_tracked"), torch.tensor(0))
    return found
