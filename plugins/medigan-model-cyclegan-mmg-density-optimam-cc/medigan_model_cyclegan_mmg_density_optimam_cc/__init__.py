"""Rewrites mammograms so that the breast looks denser, or less dense."""

from medigan_hub.plugin import Translator, build


class CycleganMmgDensityOptimamCc(Translator):
    """Has a network for each direction."""

    reverse = ("low_to_high", "latest_net_G_B.pth")


plugin = CycleganMmgDensityOptimamCc(
    __file__, torch=lambda tensors: build("resnet-translator", tensors)
)
