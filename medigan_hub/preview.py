"""One picture of several samples, to look at."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from medigan_hub import provenance
from medigan_hub.metadata import Output
from medigan_hub.samples import GenerationRequest, SampleBatch

if TYPE_CHECKING:
    from numpy.typing import NDArray

GAP = 6
CAPTION = 24
LABEL = 16


def grid(batches: Iterable[SampleBatch], job: GenerationRequest) -> Image.Image:
    """Draw the samples of a job as a grid with a caption that says what they are.

    A sample is a row of its arrays: the input that it was made from, then its
    outputs, with its labels above. 16-bit images and masks are stretched to
    what a screen shows. The picture's ``info`` holds the text that is to be
    written into its file.
    """
    order = [entry.name for entry in job.metadata.inputs]
    order += [entry.name for entry in job.metadata.outputs if entry.kind != "label"]
    labelled = [entry for entry in job.metadata.outputs if entry.kind == "label"]
    tiles, labels = [], []
    for batch in batches:
        for _, arrays in batch:
            tiles.append([_to_screen(arrays[name]) for name in order if name in arrays])
            labels.append(", ".join(_label(entry, arrays[entry.name], job) for entry in labelled))
    above = LABEL if labelled else 0
    height = above + max(image.shape[0] for tile in tiles for image in tile)
    small = ImageFont.load_default(12)
    width = max(sum(image.shape[1] + GAP for image in tile) - GAP for tile in tiles)
    width = max(width, *(math.ceil(small.getlength(label)) for label in labels))
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
    draw = ImageDraw.Draw(picture)
    for number, (tile, label) in enumerate(zip(tiles, labels, strict=True)):
        x = (number % columns) * (width + 2 * GAP) + GAP
        y = (number // columns) * (height + 2 * GAP) + GAP
        draw.text((x, y), label, "white", small)
        for image in tile:
            picture.paste(Image.fromarray(image), (x, y + above))
            x += image.shape[1] + GAP
    draw.text((GAP, picture.height - CAPTION + 4), words, "white", font)
    picture.info.update(provenance.text(job))
    return picture


def _caption(job: GenerationRequest, arrays: list[str]) -> str:
    model = job.metadata
    words = f"Synthetic - {model.name} {model.version} - seed {job.seed}"
    if job.inputs:
        return f"{words} - {', '.join(job.inputs)} (as given, not synthetic), then what was made"
    return f"{words} - {', '.join(arrays)}" if len(arrays) > 1 else words


def _label(output: Output, array: np.ndarray, job: GenerationRequest) -> str:
    """Return a label in words: its class, or its numbers with their unit."""
    if output.classes and array.ndim == 0:
        return output.classes[int(array)]
    units = {entry.name: entry.unit for entry in job.metadata.conditions}
    numbers = " ".join(f"{value + 0.0:.4g}" for value in array.ravel().tolist())
    return f"{output.name} {numbers} {units.get(output.name) or ''}".rstrip()


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
