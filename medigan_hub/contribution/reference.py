"""Reference samples: proof that an installed model still makes what its author saw.

They are the data set ``reference`` in the plugin's package, made by ``medigan
generate MODEL -n 2 --seed 0 -o reference``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from medigan_hub.dataset import HEADER, MANIFEST
from medigan_hub.errors import PluginError
from medigan_hub.hub import Hub
from medigan_hub.metadata import ModelMetadata

FOLDER = "reference"
TOLERANCE = 1 / 255
"""Difference that counts as rounding, as a fraction of an output's range."""
SHARE = 1e-3
"""Share of the pixels that may differ by more: where a value is cut, rounding shows."""


def deviations(hub: Hub, model: str) -> dict[str, float]:
    """Make a model's reference samples again, and return what differs from those it ships.

    Returns
    -------
    For each output of each sample, as ``image/0``, the share of pixels that
    differ by more than ``TOLERANCE`` of the range, 0 to 1. A model is right
    where none is above ``SHARE``.

    Raises
    ------
    PluginError
        The plugin ships no reference samples, they can't be read, or they are
        those of another version or of other weights.
    HubError
        As for ``Hub.generate``.
    """
    plugin = hub.model(model).plugin
    if plugin is None:
        raise PluginError(f"{model} is not installed: medigan install {model}")
    folder = plugin.folder / FOLDER
    try:
        header = json.loads((folder / HEADER).read_text("utf-8"))
        rows = [json.loads(line) for line in (folder / MANIFEST).read_text("utf-8").splitlines()]
        expected = {
            (row["index"], name): value for row in rows for name, value in _arrays(folder, row)
        }
        seed, count = header["seed"], header["count"]
        if len(rows) != count or not count:
            raise ValueError("its manifest and header differ")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PluginError(
            f"{model} has no readable reference samples in {folder}; "
            f"make them: medigan generate {model} -n 2 --seed 0 -o {folder}"
        ) from error
    made_by = (header.get("version"), header.get("weights_sha256"))
    if made_by != (plugin.metadata.version, plugin.metadata.weights.sha256):
        raise PluginError(
            f"the reference samples of {model} are of another version or other weights; "
            f"make them again: medigan generate {model} -n 2 --seed 0 -o {folder} --overwrite"
        )
    found = {f"{name}/{index}": 1.0 for index, name in expected}  # until it is made again
    for batch in hub.generate(model, count, seed=seed):
        for index, arrays in batch:
            for name, array in arrays.items():
                other = expected.get((index, name))
                found[f"{name}/{index}"] = share(array, other, span(plugin.metadata, name, array))
    return found


def _arrays(folder: Path, row: dict[str, Any]) -> list[tuple[str, np.ndarray]]:
    """Return the images and labels of one row of the manifest."""
    arrays = []
    for name, file in row["files"].items():
        with Image.open(folder / file["path"]) as image:
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
