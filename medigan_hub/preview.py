"""One picture of several samples, to look at."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from medigan_hub import provenance
from medigan_hub.samples import GenerationRequest, SampleBatch

if TYPE_CHECKING:
    from numpy.typing import NDArray

GAP = 6
CAPTION = 24


def grid(batches: Iterable[SampleBatch], job: GenerationRequest) -> Image.Image:
    """Draw the samples of a job as a grid with a caption that says what they are.

    A sample is a row of its arrays: the input that it was made from, then its
    outputs. 16-bit images and masks are stretched to what a screen shows. The
    picture's ``info`` holds the text that is to be written into its file.
    """
    order = [entry.name for entry in job.metadata.inputs]
    order += [entry.name for entry in job.metadata.outputs if entry.kind != "label"]
    tiles = [
        [_to_screen(arrays[name]) for name in order if name in arrays]
        for batch in batches
        for _, arrays in batch
    ]
    height = max(image.shape[0] for tile in tiles for image in tile)
    width = max(sum(image.shape[1] + GAP for image in tile) - GAP for tile in tiles)
    columns = _columns(len(tiles), width, height)
    rows = math.ceil(len(tiles) / columns)
    words = _caption(job, order)
    font = ImageFont.load_default(14)
    picture = Image.new(
        "RGB",
        (
            max(columns * (width + 2 * GAP), math.ceil(font.getlength(words)) + 2 * GAP),
            rows * (height + 2 * GAP) + CAPTION,
        ),
        (32, 32, 32),
    )
    for number, tile in enumerate(tiles):
        x = (number % columns) * (width + 2 * GAP) + GAP
        y = (number // columns) * (height + 2 * GAP) + GAP
        for image in tile:
            picture.paste(Image.fromarray(image), (x, y))
            x += image.shape[1] + GAP
    draw = ImageDraw.Draw(picture)
    draw.text((GAP, picture.height - CAPTION + 4), words, "white", font)
    picture.info.update(provenance.text(job))
    return picture


def _caption(job: GenerationRequest, arrays: list[str]) -> str:
    model = job.metadata
    words = f"Synthetic - {model.name} {model.version} - seed {job.seed}"
    if job.inputs is not None:
        return f"{words} - {model.inputs[0].name} (as given, not synthetic), then what was made"
    return f"{words} - {', '.join(arrays)}" if len(arrays) > 1 else words


def _columns(count: int, width: int, height: int) -> int:
    """Return how many columns bring the grid closest to a 4:3 picture."""
    return min(
        range(1, count + 1),
        key=lambda n: abs(math.log(n * width / (math.ceil(count / n) * height) / (4 / 3))),
    )


def _to_screen(array: np.ndarray) -> NDArray[np.uint8]:
    """Return an image as RGB; a range other than 8 bits is stretched to black and white."""
    values = array.astype(np.float32)
    if array.dtype != np.uint8 or array.max() <= 1:
        low, high = values.min(), values.max()
        values = (values - low) * (255 / max(high - low, 1e-9))
    channels = values[..., :3] if values.shape[-1] >= 3 else values[..., :1].repeat(3, axis=-1)
    return channels.astype(np.uint8)
