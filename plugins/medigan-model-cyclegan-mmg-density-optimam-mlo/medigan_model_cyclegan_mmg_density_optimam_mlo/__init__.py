"""Rewrites mammograms so that the breast looks denser, or less dense."""

from medigan_hub.networks import build
from medigan_hub.runtimes.published import Translator
from medigan_hub.runtimes.torch import TorchRuntime


class CycleganMmgDensityOptimamMlo(Translator):
    """Has a network for each direction."""

    reverse = ("low_to_high", "latest_net_G_B.pth")


plugin = CycleganMmgDensityOptimamMlo(
    __file__, TorchRuntime(lambda tensors: build("resnet-translator", tensors))
)
