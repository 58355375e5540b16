"""Input images: found, read from every usual form, paired, and checked before use.

Every image becomes uint8 or uint16, (height, width, channels), and uses the
whole range of its type: black is 0, white is 255 or 65535.
"""

from medigan_hub.inputs.decoders import SUFFIXES
from medigan_hub.inputs.decoders.base import Decoder, Frames, NoImage, NoPixels, Picture
from medigan_hub.inputs.images import PUBLISHED, Images, check_wishes
from medigan_hub.inputs.levels import luma, resized, with_channels
from medigan_hub.inputs.pairing import paired
from medigan_hub.inputs.sources import Source, check_size, find, published, read

__all__ = [
    "PUBLISHED",
    "SUFFIXES",
    "Decoder",
    "Frames",
    "Images",
    "NoImage",
    "NoPixels",
    "Picture",
    "Source",
    "check_size",
    "check_wishes",
    "find",
    "luma",
    "paired",
    "published",
    "read",
    "resized",
    "with_channels",
]
