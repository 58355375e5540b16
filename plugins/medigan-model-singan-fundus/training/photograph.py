"""The photograph that the model learns from, and the regions of it that are held out.

It is Mikael Häggström's photograph of the fundus of a normal left eye, which he
gave to the public domain (CC0 1.0): "Medical gallery of Mikael Häggström 2014",
WikiJournal of Medicine 1 (2), https://doi.org/10.15347/wjm/2014.008. The wheels
of scikit-image 0.25.2 and 0.26.0 carry it as ``skimage/data/retina.jpg``, so
nothing is downloaded beside that package.
"""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

import numpy as np
from PIL import Image

from medigan_hub.plugin import HubError

SHA256 = "38a07f36f27f095e818aea7b96d34202c05176d30253c66733f2e00379e9e0e6"
REDUCTION = 4
"""Blocks of 4 x 4 pixels are averaged: 1411 pixels become 352, a large vessel 4 pixels wide."""

REGIONS = {
    "training": (38, 82, 112, 192),
    "held_out_left": (203, 82, 112, 96),
    "held_out_right": (203, 178, 112, 96),
}
"""Top, left, height and width in the reduced photograph.

The first lies above the fovea and holds the upper temporal vessels, the others
below it with the lower ones. None holds the optic disc or the fovea, and none
overlaps another.
"""


def photograph() -> np.ndarray:
    """Return the reduced photograph: (352, 352, 3) float32 in [0, 1].

    Raises
    ------
    HubError
        scikit-image is not installed, or carries another file.
    """
    package = importlib.util.find_spec("skimage")
    if package is None or package.origin is None:
        raise HubError("the photograph comes with scikit-image; run pip install scikit-image")
    path = Path(package.origin).parent / "data" / "retina.jpg"
    if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        raise HubError(f"{path} is not the photograph; run pip install scikit-image==0.25.2")
    with Image.open(path) as image:
        reduced = image.convert("RGB").reduce(REDUCTION)
    return np.asarray(reduced, dtype=np.float32)[:352, :352] / 255  # whole blocks alone


def region(name: str) -> np.ndarray:
    """Return a region of ``REGIONS``: (height, width, 3) float32 in [0, 1]."""
    top, left, height, width = REGIONS[name]
    return photograph()[top : top + height, left : left + width]
