"""Reference samples: proof that an installed model still makes what its author saw.

They are the data set ``reference`` in the plugin's package, made by ``medigan
generate MODEL -n 2 --seed 0 -o reference``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from medigan_hub import generation
from medigan_hub.dataset import HEADER, MANIFEST
from medigan_hub.errors import PluginError
from medigan_hub.files import inside
from medigan_hub.metadata import ModelMetadata
from medigan_hub.plugins import Plugin
from medigan_hub.samples import SampleBatch

if TYPE_CHECKING:
    pass

FOLDER = "reference"
TOLERANCE = 1 / 255
"""Difference that counts as rounding, as a fraction of an output's range."""
MAX_SHARE = 1e-3
"""Share of the pixels that may differ by more: where a value is cut, rounding shows."""
MAX_SAMPLES = 100
MAX_MANIFEST_BYTES = 2**22
"""Of the header, and of the manifest."""
MAX_PIXELS = 2**26
"""Of one image."""


@dataclass(frozen=True)
class Reference:
    """Samples that a package ships."""

    model: ModelMetadata
    seed: int
    count: int
    arrays: Mapping[tuple[int, str], np.ndarray]
    """By the index of the sample and the name of the output or input."""

    def deviations(self, batches: Iterable[SampleBatch]) -> dict[str, float]:
        """Return what of the reference differs in samples that were made again.

        See ``deviations``; what was not made at all differs wholly.
        """
        found = {f"{name}/{index}": 1.0 for index, name in self.arrays}
        for batch in batches:
            for index, arrays in batch:
                for name, array in arrays.items():
                    other = self.arrays.get((index, name))
                    extent = span(self.model, name, array)
                    found[f"{name}/{index}"] = share(array, other, extent)
        return found


def deviations(plugin: Plugin) -> dict[str, float]:
    """Make the reference samples of an installed model again, and return what differs.

    Returns
    -------
    For each output of each sample, as ``image/0``, the share of pixels that
    differ by more than ``TOLERANCE`` of the range, 0 to 1. A model is right
    where none is above ``MAX_SHARE``.

    Raises
    ------
    PluginError
        The plugin ships no reference samples, they can't be read, or they are
        those of another version or of other weights.
    HubError
        As for ``Hub.generate``.
    """
    found = read(plugin.metadata, plugin.folder)
    request = generation.request(plugin.metadata, found.count, seed=found.seed)
    request = generation.ready(plugin, generation.chosen(request))
    return found.deviations(generation.stream(plugin, request))


def read(model: ModelMetadata, package: Path) -> Reference:
    """Return the reference samples in a package.

    Raises
    ------
    PluginError
        As ``deviations``.
    """
    folder = package / FOLDER
    try:
        header = json.loads(_content(folder, HEADER))
        rows = [json.loads(line) for line in _content(folder, MANIFEST).splitlines()]
        seed, count = header["seed"], header["count"]
        if type(seed) is not int or len(rows) != count or not 0 < count <= MAX_SAMPLES:
            raise ValueError("its manifest and header differ")
        arrays = {
            (row["index"], name): value for row in rows for name, value in _arrays(folder, row)
        }
        sums = [entry.sha256 for entry in model.weights]
        made_by = (header.get("version"), header.get("weights_sha256"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise PluginError(
            f"{model.name} has no readable reference samples in {folder}; "
            f"make them: medigan generate {model.name} -n 2 --seed 0 -o {folder}"
        ) from error
    if made_by[0] != model.version or made_by[1] not in sums:
        raise PluginError(
            f"the reference samples of {model.name} are of another version or other weights; "
            f"make them again: medigan generate {model.name} -n 2 --seed 0 -o {folder} --overwrite"
        )
    return Reference(model, seed, count, arrays)


def _content(folder: Path, name: str) -> str:
    with _file(folder, name).open("rb") as stream:
        content = stream.read(MAX_MANIFEST_BYTES + 1)
    if len(content) > MAX_MANIFEST_BYTES:
        raise ValueError(f"{name} is too large")
    return content.decode()


def _file(folder: Path, name: str) -> Path:
    path = inside(folder, name)
    if path is None or not path.is_file():  # a pipe would be waited for
        raise ValueError(f"{name} is no file in the folder")
    return path


def _arrays(folder: Path, row: dict[str, Any]) -> list[tuple[str, np.ndarray]]:
    """Return the images and labels of one row of the manifest."""
    arrays = []
    for name, file in row["files"].items():
        # No other format: Pillow starts programs for some.
        with Image.open(_file(folder, file["path"]), formats=["PNG"]) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"{file['path']} is too large")
            array = np.asarray(image)
        arrays.append((name, array if array.ndim == 3 else array[:, :, np.newaxis]))
    return arrays + [(name, np.asarray(value)) for name, value in row.get("labels", {}).items()]


def span(model: ModelMetadata, name: str, array: np.ndarray) -> float:
    """Return how far apart the lowest and highest value of an output or input are."""
    for output in model.outputs:
        if output.name == name:
            return output.range[1] - output.range[0]
    return float(np.iinfo(array.dtype).max)  # an input uses the whole range of its type


def share(array: np.ndarray, other: np.ndarray | None, extent: float) -> float:
    """Return the share of values that differ by more than ``TOLERANCE`` of ``extent``, 0 to 1."""
    if other is None or other.shape != array.shape:
        return 1.0
    difference = np.abs(array.astype(np.float64) - other) / extent
    return float((difference > TOLERANCE * (1 + 1e-6)).mean())
