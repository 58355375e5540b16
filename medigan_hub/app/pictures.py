"""From the arrays of samples to what a browser shows of them."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np

from medigan_hub import provenance
from medigan_hub.preview.sheets import label_text, to_screen
from medigan_hub.writers import png

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medigan_hub.metadata import ModelMetadata
    from medigan_hub.samples import GenerationRequest

COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#0072b2", "#d55e00", "#f0e442")
"""Of masks, in turns: told apart by colour-blind eyes too (Okabe and Ito, 2008)."""


@dataclass(frozen=True)
class Window:
    """Which values of an image are shown as black and white, as fractions of its range."""

    level: float = 0.5
    width: float = 1.0
    stretch: bool = False
    """Instead, the lowest and the highest value of each image."""

    def ends(self, image: np.ndarray, low: float, high: float) -> tuple[float, float]:
        """Return the values shown as black and white, of an image whose range is low to high."""
        if self.stretch:
            return float(image.min()), float(image.max())
        width = max(self.width, 1e-3)
        return (
            low + (self.level - width / 2) * (high - low),
            low + (self.level + width / 2) * (high - low),
        )


@dataclass(frozen=True)
class Layer:
    """A mask over a picture."""

    name: str
    colour: str
    uri: str


@dataclass(frozen=True)
class Tile:
    """One picture on the page, with its words."""

    pixels: NDArray[np.uint8]
    """What is shown, without masks: (height, width, 3)."""
    alt: str
    origin: str
    """``Synthetic``, or what is known of a picture that is not."""
    words: Sequence[str] = ()
    layers: Sequence[Layer] = ()
    text: Mapping[str, str] = field(default_factory=dict)
    """What the file of the picture says."""

    @property
    def height(self) -> int:
        """In pixels."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """In pixels."""
        return int(self.pixels.shape[1])

    @cached_property
    def uri(self) -> str:
        """A ``data:`` URI of the picture as a PNG."""
        return uri(self.pixels, self.text)


def uri(pixels: NDArray[np.uint8], words: Mapping[str, str]) -> str:
    """Return a picture as a data URI of a PNG with ``words`` in it.

    ``pixels`` are (height, width), or (height, width, channels) with 1, 3 or 4.
    """
    image = pixels[:, :, np.newaxis] if pixels.ndim == 2 else pixels
    return "data:image/png;base64," + base64.b64encode(png.encode(image, words)).decode()


def tiles(
    request: GenerationRequest, index: int, arrays: Mapping[str, np.ndarray], window: Window
) -> list[Tile]:
    """Return the pictures of one sample: what it was made from, then its images with masks."""
    model = request.metadata
    layers = _layers(model, arrays)
    labels = [
        label_text(output, arrays[output.name], request)
        for output in model.outputs
        if output.kind == "label"
    ]
    found = []
    for entry in model.inputs:
        if entry.name in arrays:
            given = entry.name in request.inputs
            name = request.inputs[entry.name].name(index) if given else "simulated"
            found.append(
                _tile(
                    request,
                    *(index, entry.name, arrays[entry.name], window),
                    bounds=_type_range(arrays[entry.name]),
                    origin="Input, as given" if given else "Synthetic input",
                    words=[name],
                )
            )
    images = [output for output in model.outputs if output.kind == "image"]
    for output in images:
        several = [output.name] if len(images) > 1 else []
        found.append(
            _tile(
                request,
                *(index, output.name, arrays[output.name], window),
                bounds=output.range,
                origin="Synthetic",
                words=[model.name, *several, *_which(request, index), *labels],
                layers=layers,
            )
        )
    return found


def _which(request: GenerationRequest, index: int) -> list[str]:
    """Return the words that say which sample this is."""
    if request.given_latents is None:
        return [f"seed {request.seed}", f"sample {index}"]
    return ["latent vector chosen", f"else seed {request.seed}, sample {index}"]


def legend(model: ModelMetadata) -> list[tuple[str, str]]:
    """Return the name and the colour of each class of the masks of a model."""
    return [(name, colour) for classes in _classes(model).values() for _, name, colour in classes]


def plain(
    image: np.ndarray, origin: str, words: Sequence[str], text: Mapping[str, str] | None = None
) -> Tile:
    """Return the tile of an 8- or 16-bit image, with ``text`` in its file."""
    alt = f"{origin}: {', '.join(words)}"
    return Tile(to_screen(image, *_type_range(image)), alt, origin, words, text=text or {})


def _tile(
    request: GenerationRequest,
    index: int,
    name: str,
    array: np.ndarray,
    window: Window,
    *,
    bounds: tuple[float, float],
    origin: str,
    words: Sequence[str],
    layers: Sequence[Layer] = (),
) -> Tile:
    words = [word for word in words if word]
    return Tile(
        pixels=to_screen(array, *window.ends(array, *bounds)),
        text=provenance.sample_text(request, index, name),
        alt=f"{origin}: {request.metadata.title}, {', '.join(words)}",
        origin=origin,
        words=words,
        layers=layers,
    )


def _classes(model: ModelMetadata) -> dict[str, list[tuple[float, str, str]]]:
    """Return, for each mask, the least value, the name and the colour of each of its classes."""
    colours = cycle(COLOURS)
    found = {}
    for output in model.outputs:
        if output.kind == "mask":
            low, high = output.range
            named = output.classes[1:] if high - low == len(output.classes) - 1 else ()
            values = {low + k: name for k, name in enumerate(named, 1)}
            values = values or {(low + high) / 2: output.name}  # its middle
            found[output.name] = [(value, name, next(colours)) for value, name in values.items()]
    return found


def _layers(model: ModelMetadata, arrays: Mapping[str, np.ndarray]) -> list[Layer]:
    layers = []
    for mask, classes in _classes(model).items():
        array = arrays[mask]
        values = (array if array.ndim == 3 else array[len(array) // 2]).max(axis=-1)
        ends = [value for value, _, _ in classes[1:]] + [np.inf]
        for (value, name, colour), end in zip(classes, ends, strict=True):
            inside = (values >= value) & (values < end) & (values > 0)
            pixels = np.zeros((*values.shape, 4), np.uint8)
            pixels[inside] = (*bytes.fromhex(colour[1:]), 255)
            layers.append(Layer(name, colour, uri(pixels, {"Description": provenance.NOTICE})))
    return layers


def _type_range(image: np.ndarray) -> tuple[float, float]:
    return 0, np.iinfo(image.dtype).max
