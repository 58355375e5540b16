"""Input images: found, read from every usual form, and checked before use.

Every image becomes uint8 or uint16, (height, width, channels), and uses the
whole range of its type: black is 0, white is 255 or 65535.
"""

from medigan_hub.inputs.decoders import SUFFIXES, check_size, read
from medigan_hub.inputs.decoders.base import Decoder
from medigan_hub.inputs.levels import luma, normalised, resized, with_channels
from medigan_hub.inputs.sources import PUBLISHED, Images, Source, find

__all__ = [
    "PUBLISHED",
    "SUFFIXES",
    "Decoder",
    "Images",
    "Source",
    "check_size",
    "find",
    "luma",
    "normalised",
    "read",
    "resized",
    "with_channels",
]
