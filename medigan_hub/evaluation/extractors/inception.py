"""Features of the network that FID is defined by.

Source: Heusel et al., "GANs trained by a two time-scale update rule converge to a local Nash
equilibrium", NeurIPS 2017 (https://arxiv.org/abs/1706.08500).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from medigan_hub.errors import WeightsError
from medigan_hub.evaluation.extractors.networks import NetworkExtractor, channels_last, hash_of
from medigan_hub.metadata import WeightsFile
from medigan_hub.runtimes.base import Network
from medigan_hub.weights import OwnerOfOne, fetch

if TYPE_CHECKING:
    from torch.nn import Module

    from medigan_hub.runtimes import Session

SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"


class Inception(NetworkExtractor):
    """2048 features of Inception v3 as it was trained in 2015 on ImageNet.

    Its weights (91 MiB) are downloaded once, unless a file is given. With these weights FD of its
    features is FID; with others it is not, and is not called so.
    """

    name = "inception"
    title = "ImageNet features of FID's Inception v3"
    takes_weights = True
    size = (299, 299)
    channels = 3
    published: ClassVar[OwnerOfOne] = OwnerOfOne(
        "inception",
        WeightsFile(
            role="network",
            url="https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
            "weights-inception-2015-12-05-6726825d.pth",
            file="weights-inception-2015-12-05-6726825d.pth",
            sha256=SHA256,
        ),
    )

    @property
    def shape(self) -> tuple[int, ...]:
        return (2048,)

    @property
    def weights(self) -> str | None:
        return self.published.main_file.sha256 if self.file is None else hash_of(self.file)

    @property
    def calls(self) -> Mapping[str, str]:
        return {"FD": "FID"} if self.weights == SHA256 else {}

    def session(self) -> Session:
        from medigan_hub.runtimes.torch import TorchRuntime

        path = fetch(self.published).path if self.file is None else self.file
        network = Network(lambda tensors: _built(tensors, path))
        return TorchRuntime(network).open({"network": path}, "auto", "float32")

    def inputs(self, batch: np.ndarray) -> np.ndarray:
        return batch * np.float32(255)


def _built(tensors: Any, path: Path) -> Module:
    from medigan_hub.networks.inception import InceptionFid

    try:
        network = InceptionFid.from_state_dict(tensors)
    except WeightsError as error:
        raise WeightsError(f"{path} can't be taken: {error}") from error
    return channels_last(network)
