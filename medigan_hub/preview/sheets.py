"""Drawing samples side by side, with a caption that says what they are."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from medigan_hub import provenance
from medigan_hub.errors import RequestError, whole_number
from medigan_hub.metadata import ModelMetadata, Output
from medigan_hub.samples import GenerationRequest, SampleBatch

if TYPE_CHECKING:
    from typing import TypeAlias

    from numpy.typing import NDArray

    Arrays: TypeAlias = Mapping[str, np.ndarray]
    Tile: TypeAlias = tuple[Image.Image, str]
    """A picture, and the words above it."""

GAP = 6
CAPTION = 24
LABEL = 16
BACKGROUND = (32, 32, 32)
FRAME_MILLISECONDS = 100
"""Time for which a picture of an animation is shown, in milliseconds."""


def grid(
    batches: Iterable[SampleBatch],
    request: GenerationRequest,
    shape: tuple[int, int] | None = None,
) -> Image.Image:
    """Draw the samples of a job as a grid with a caption that says what they are.

    A sample is a row of its arrays: the input that it was made from, then its
    outputs, with its labels above. 16-bit images are stretched to what a screen
    shows, and masks from their lowest to their highest class. ``shape`` is how
    many rows and columns there are; by default as many as make a 4:3 picture.
    The picture's ``info`` holds the text that is to be written into its file.
    """
    masks = _masks(request.metadata)
    tiles = [
        (joined(_pictures(arrays, request.metadata, masks)), _words(arrays, request))
        for batch in batches
        for _, arrays in batch
    ]
    columns = shape[1] if shape else _columns(len(tiles), *_cell(tiles))
    rows = [tiles[start : start + columns] for start in range(0, len(tiles), columns)]
    return sheet(rows, _caption(request, f"seed {request.seed}"), provenance.text(request))


def strip(samples: Iterable[SampleBatch], request: GenerationRequest, seed: int) -> Image.Image:
    """Draw samples from one seed to another, side by side, the arrays of each below each other.

    ``request`` is that of the first one, and ``seed`` that of the last. Values that
    are stretched are so by the same amount in all of them.
    """
    (row,) = _comparable([[arrays for batch in samples for _, arrays in batch]], request)
    headings = [f"seed {request.seed}", *[""] * (len(row) - 2), f"seed {seed}"]
    words = provenance.text(request) | {"Seed": f"{request.seed} to {seed}"}
    return sheet([row], _caption(request, f"seed {request.seed} to seed {seed}"), words, headings)


def table(
    columns: Iterable[Iterable[SampleBatch]], requests: Sequence[GenerationRequest], name: str
) -> Image.Image:
    """Draw the same samples at several values of the condition ``name``, a column for each value.

    Column k holds the samples of request k, which differ in that condition alone.
    Values that are stretched are so by the same amount in all of them.
    """
    request = requests[0]
    unit = next(entry.unit for entry in request.metadata.conditions if entry.name == name)
    headings = [
        f"{name} {_value(each.conditions[name])} {unit or ''}".rstrip() for each in requests
    ]
    made = [[arrays for batch in batches for _, arrays in batch] for batches in columns]
    rows = _comparable(list(zip(*made, strict=True)), request, without=name)
    return sheet(
        rows, _caption(request, f"seed {request.seed}"), provenance.text(request), headings
    )


def sheet(
    rows: Sequence[Sequence[Tile]],
    caption: str,
    words: Mapping[str, str],
    headings: Sequence[str] = (),
) -> Image.Image:
    """Draw tiles in rows and columns of one size, with headings above the columns.

    ``words`` go into the ``info`` of the picture.
    """
    small, font = ImageFont.load_default(12), ImageFont.load_default(14)
    width, height = _cell([tile for row in rows for tile in row], headings)
    above = LABEL if any(label for row in rows for _, label in row) else 0
    top = LABEL if headings else 0
    columns = max(len(row) for row in rows)
    picture = Image.new(
        "RGB",
        (
            max(columns * (width + 2 * GAP), math.ceil(font.getlength(caption)) + 2 * GAP),
            top + len(rows) * (height + 2 * GAP) + CAPTION,
        ),
        BACKGROUND,
    )
    draw = ImageDraw.Draw(picture)
    for column, heading in enumerate(headings):
        draw.text((column * (width + 2 * GAP) + GAP, GAP), heading, "white", small)
    for row, tiles in enumerate(rows):
        y = top + row * (height + 2 * GAP) + GAP
        for column, (image, label) in enumerate(tiles):
            x = column * (width + 2 * GAP) + GAP
            draw.text((x, y), label, "white", small)
            picture.paste(image, (x, y + above))
    draw.text((GAP, picture.height - CAPTION + 4), caption, "white", font)
    picture.info.update(words)
    return picture


def joined(pictures: Sequence[NDArray[np.uint8]], *, stacked: bool = False) -> Image.Image:
    """Return RGB pictures, (height, width, 3), as one: side by side, or below each other."""
    heights, widths = ([picture.shape[axis] for picture in pictures] for axis in (0, 1))
    gaps = GAP * (len(pictures) - 1)
    size = (max(widths), sum(heights) + gaps) if stacked else (sum(widths) + gaps, max(heights))
    whole = Image.new("RGB", size, BACKGROUND)
    x = y = 0
    for picture in pictures:
        whole.paste(Image.fromarray(picture), (x, y))
        x, y = (0, y + picture.shape[0] + GAP) if stacked else (x + picture.shape[1] + GAP, 0)
    return whole


def to_screen(
    array: np.ndarray, low: float | None = None, high: float | None = None
) -> NDArray[np.uint8]:
    """Return an image as a screen shows it: RGB, (height, width, 3) uint8.

    Parameters
    ----------
    array
        (height, width), (height, width, channels), or a volume, (depth, height,
        width, channels), whose middle slice is shown. Of three channels or more
        the first three are red, green and blue; of fewer the first is grey.
    low, high
        The values shown as black and white, for a window; what lies beyond is
        black or white, too. Left open, they are 0 and 255 for 8 bits, and
        otherwise, or where no value is above 1, the lowest and highest value.

    >>> to_screen(np.array([[0, 1000, 4000]], np.uint16), low=0, high=2000)[0, :, 0].tolist()
    [0, 127, 255]
    """
    if array.ndim == 4:
        array = array[len(array) // 2]
    if array.ndim == 2:
        array = array[:, :, np.newaxis]
    whole_range = array.dtype == np.uint8 and array.max() > 1
    values = array.astype(np.float32)
    if low is None:
        low = 0 if whole_range else values.min()
    if high is None:
        high = 255 if whole_range else values.max()
    values = (values - low) * np.float32(255 / max(high - low, 1e-9))
    channels = values[..., :3] if values.shape[-1] >= 3 else values[..., :1].repeat(3, axis=-1)
    shown: NDArray[np.uint8] = channels.clip(0, 255).astype(np.uint8)
    return shown


def animation(frames: Sequence[NDArray[np.uint8]], words: Mapping[str, str]) -> bytes:
    """Return an animated PNG that shows pictures there and back, over and over.

    Parameters
    ----------
    frames
        Of one size: grey (height, width) or (height, width, 1), or RGB
        (height, width, 3).
    words
        Text chunks of the file.
    """
    chunks = PngInfo()
    for key, value in words.items():
        chunks.add_itxt(key, value)
    there = [
        Image.fromarray(frame.squeeze(-1) if frame.shape[2:] == (1,) else frame) for frame in frames
    ]
    stream = io.BytesIO()
    there[0].save(
        stream,
        "PNG",
        save_all=True,
        append_images=[*there[1:], *there[-2:0:-1]],
        duration=FRAME_MILLISECONDS,
        loop=0,
        pnginfo=chunks,
    )
    return stream.getvalue()


def label_text(output: Output, array: np.ndarray, request: GenerationRequest) -> str:
    """Return a label in words: its class, or its numbers with their unit."""
    if output.classes and array.ndim == 0:
        return output.classes[int(array)]
    units = {entry.name: entry.unit for entry in request.metadata.conditions}
    numbers = " ".join(f"{value + 0.0:.4g}" for value in array.ravel().tolist())
    return f"{output.name} {numbers} {units.get(output.name) or ''}".rstrip()


def check_grid(shape: Any, num_samples: int | None) -> tuple[tuple[int, int], int]:
    """Return the rows and columns that a caller asked for, and how many samples they hold.

    Raises
    ------
    RequestError
        They are no two whole numbers, or hold another number than was asked for.
    """
    rows, columns = pair("the grid", shape, "rows and columns, such as (4, 8)")
    rows = whole_number("the number of rows", rows, 1)
    columns = whole_number("the number of columns", columns, 1)
    count = rows * columns
    if num_samples is not None and num_samples != count:
        raise RequestError(
            f"{num_samples} samples were asked for, but a grid of {rows} x {columns} holds {count};"
            " leave the number of samples out"
        )
    return (rows, columns), count


def pair(what: str, value: Any, form: str) -> tuple[Any, Any]:
    """Return a value that must be two.

    Raises
    ------
    RequestError
        It is not.
    """
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2:
        raise RequestError(f"{what} is {value!r}; give {form}")
    return value[0], value[1]


def _comparable(
    rows: Sequence[Sequence[Arrays]], request: GenerationRequest, without: str | None = None
) -> list[list[Tile]]:
    """Return tiles of samples whose values are shown alike, so that they can be compared.

    ``without`` is a label that need not be said.
    """
    windows = dict(_masks(request.metadata))
    for name in _order(request.metadata):
        arrays = [sample[name] for row in rows for sample in row if name in sample]
        if name not in windows and arrays and arrays[0].dtype != np.uint8:
            ends = [(float(array.min()), float(array.max())) for array in arrays]
            windows[name] = (min(low for low, _ in ends), max(high for _, high in ends))
    return [
        [
            (
                joined(_pictures(arrays, request.metadata, windows), stacked=True),
                _words(arrays, request, without),
            )
            for arrays in row
        ]
        for row in rows
    ]


def _masks(model: ModelMetadata) -> dict[str, tuple[float, float]]:
    """Return the lowest and highest value of each mask, which its pictures show black and white."""
    return {output.name: output.range for output in model.outputs if output.kind == "mask"}


def _order(model: ModelMetadata) -> list[str]:
    """Return the names of a sample's pictures: what it was made from, then what was made."""
    inputs = [entry.name for entry in model.inputs]
    return inputs + [output.name for output in model.outputs if output.kind != "label"]


def _pictures(
    arrays: Arrays, model: ModelMetadata, windows: Mapping[str, tuple[float, float]]
) -> list[NDArray[np.uint8]]:
    return [
        to_screen(arrays[name], *windows.get(name, (None, None)))
        for name in _order(model)
        if name in arrays
    ]


def _words(arrays: Arrays, request: GenerationRequest, without: str | None = None) -> str:
    """Return the labels of a sample in words."""
    labels = [
        output
        for output in request.metadata.outputs
        if output.kind == "label" and output.name != without
    ]
    return ", ".join(label_text(output, arrays[output.name], request) for output in labels)


def _value(value: Any) -> str:
    """Return the value of a condition in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _caption(request: GenerationRequest, seed: str) -> str:
    model = request.metadata
    names = _order(model)
    words = f"Synthetic - {model.name} {model.version} - {seed}"
    if request.inputs:
        return (
            f"{words} - {', '.join(request.inputs)} (as given, not synthetic), then what was made"
        )
    return f"{words} - {', '.join(names)}" if len(names) > 1 else words


def _cell(tiles: Sequence[Tile], headings: Sequence[str] = ()) -> tuple[int, int]:
    """Return the width and height that every tile fits into, with its words."""
    small = ImageFont.load_default(12)
    texts = [*headings, *(label for _, label in tiles)]
    width = max(image.width for image, _ in tiles)
    above = LABEL if any(label for _, label in tiles) else 0
    return (
        max(width, *(math.ceil(small.getlength(text)) for text in texts)),
        above + max(image.height for image, _ in tiles),
    )


def _columns(count: int, width: int, height: int) -> int:
    """Return how many columns bring the grid closest to a 4:3 picture."""
    return min(
        range(1, count + 1),
        key=lambda n: abs(math.log(n * width / (math.ceil(count / n) * height) / (4 / 3))),
    )
