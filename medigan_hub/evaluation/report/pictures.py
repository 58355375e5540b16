"""Images for a report: small, and marked with what they are."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from medigan_hub.evaluation.report.content import Picture
from medigan_hub.provenance import NOTICE
from medigan_hub.writers import png

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 160
"""Pixels of the longer side, at most; small images are not enlarged beyond it."""
STRIP = 14
"""Height of the strip with the mark, in pixels."""
SYNTHETIC, REAL, WITHHELD = "Synthetic", "Real, confidential", "Real, not shown"
MARKS = {SYNTHETIC: "SYNTHETIC", REAL: "REAL: CONFIDENTIAL", WITHHELD: "REAL: NOT SHOWN"}
COLOURS = {SYNTHETIC: (0, 84, 135), REAL: (150, 30, 30), WITHHELD: (90, 90, 90)}
CONFIDENTIAL = "Image of a patient. Confidential: it is not to be passed on."


def synthetic(image: np.ndarray, words: str, facts: Mapping[str, object]) -> Picture:
    """Return a synthetic image, with who made it in its file.

    Parameters
    ----------
    image
        (height, width, channels) uint8 or uint16 that use their whole range, or fractions.
    facts
        Of its set: ``model``, ``version`` and ``seed``, where they are known.
    """
    known = {
        "Model": " ".join(str(facts[key]) for key in ("model", "version") if facts.get(key)),
        "Seed": "" if facts.get("seed") is None else str(facts["seed"]),
    }
    text = {"Synthetic": "yes", "Description": NOTICE}
    text |= {key: value for key, value in known.items() if value}
    return _picture(on_screen(image), SYNTHETIC, words, text)


def real(image: np.ndarray, words: str) -> Picture:
    """Return a real image, marked as confidential."""
    return _picture(on_screen(image), REAL, words, {"Synthetic": "no", "Description": CONFIDENTIAL})


def withheld(words: str) -> Picture:
    """Return a grey picture in the place of a real image that is not to be shown."""
    blank = np.full((SIDE // 2, SIDE // 2, 3), 128, np.uint8)
    return _picture(blank, WITHHELD, words, {})


def on_screen(image: np.ndarray, side: int = SIDE) -> NDArray[np.uint8]:
    """Return an image in colours of 8 bits, (height, width, 3), no side longer than ``side``."""
    from PIL import Image

    white = np.iinfo(image.dtype).max if image.dtype.kind == "u" else 1
    values = np.rint(image.astype(np.float32) * (255 / white)).astype(np.uint8)
    values = values[..., :3] if values.shape[-1] >= 3 else values[..., :1].repeat(3, axis=-1)
    picture = Image.fromarray(values)
    if max(picture.size) > side:
        picture.thumbnail((side, side), Image.Resampling.BOX)
    return np.asarray(picture)


def _picture(
    pixels: NDArray[np.uint8], origin: str, words: str, text: Mapping[str, str]
) -> Picture:
    from PIL import Image, ImageDraw, ImageFont

    # The mark is part of the picture, so that it goes wherever that is copied to.
    font = ImageFont.load_default(10)
    height, width = pixels.shape[:2]
    width = max(width, int(font.getlength(MARKS[origin])) + 6)
    whole = Image.new("RGB", (width, height + STRIP), COLOURS[origin])
    whole.paste(Image.fromarray(pixels), ((width - pixels.shape[1]) // 2, 0))
    ImageDraw.Draw(whole).text((3, height + 1), MARKS[origin], "white", font)
    encoded = base64.b64encode(png.encode(np.asarray(whole), text)).decode()
    return Picture(f"data:image/png;base64,{encoded}", *whole.size, origin, words)
