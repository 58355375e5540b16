"""Files with trained parameters: found or downloaded, verified, and read without running code."""

from medigan_hub.weights.archives import extract, located, names, unpack
from medigan_hub.weights.bundled import bundled
from medigan_hub.weights.checkpoints import read_checkpoint, read_tensors, tensors_of
from medigan_hub.weights.download import Download, fetch
from medigan_hub.weights.owners import Owner, OwnerOfOne
from medigan_hub.weights.rebuilding import Shell

__all__ = [
    "Download",
    "Owner",
    "OwnerOfOne",
    "Shell",
    "bundled",
    "extract",
    "fetch",
    "located",
    "names",
    "read_checkpoint",
    "read_tensors",
    "tensors_of",
    "unpack",
]
