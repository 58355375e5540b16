"""Rewrites mammograms so that the breast looks denser, or less dense."""

from medigan_hub.plugin import Translator, build


class CycleganMmgDensityCsawCc(Translator):
    """Has a network for each direction."""

    reverse = ("low_to_high", "latest_net_G_B.pth")


plugin = CycleganMmgDensityCsawCc(
    __file__, torch=lambda tensors: build("resnet-translator", tensors)
)
