"""One sample as a mapping whose names are the same for every model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from medigan_hub import generation
from medigan_hub.errors import RequestError
from medigan_hub.metadata import ModelMetadata, Output

if TYPE_CHECKING:
    from medigan_hub.generation import Wishes
    from medigan_hub.plugins import Plugin
    from medigan_hub.samples import GenerationRequest


def check(model: ModelMetadata) -> None:
    """Make sure that the samples of a model fit into items.

    Raises
    ------
    RequestError
        It makes no image, or masks of different sizes.
    """
    if not _of_kind(model, "image"):
        raise RequestError(f"{model.name} makes no image; generate with it and use its batches")
    if len({output.shape[:-1] for output in _of_kind(model, "mask")}) > 1:
        raise RequestError(
            f"the masks of {model.name} have different sizes and can't be channels of one array; "
            "generate with it and use its batches"
        )


def asked(plugin: Plugin, num_samples: int | None, wishes: Wishes) -> GenerationRequest:
    """Check what is asked of a data set, as far as that can be done before weights are fetched.

    Raises
    ------
    HubError
        As for ``Hub.dataset``.
    """
    check(plugin.metadata)
    return generation.chosen(generation.request(plugin.metadata, num_samples, **wishes))


def item(model: ModelMetadata, arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return a sample, or a batch of them, under the names that are the same for every model.

    ``sample``
        The first image, in float32: its declared range becomes 0 to 1.
    ``mask``
        All masks as channels, in the order of the metadata and in their dtype
        (uint16 becomes int32, which PyTorch computes with).
    ``label``
        int64 for whole numbers, otherwise float32; of several labels, a mapping.
    ``other_imaging_output``
        Further images, and the input that the sample was made from, as
        ``sample``; of several, a mapping.

    All but the first are there only where the model has them. Arrays stay
    channels last.
    """
    first, *others = _of_kind(model, "image")
    made: dict[str, Any] = {"sample": _scaled(arrays[first.name], first.range)}
    masks = [arrays[output.name] for output in _of_kind(model, "mask")]
    if masks:
        mask = np.concatenate(masks, axis=-1)
        made["mask"] = mask.astype(np.int32) if mask.dtype == np.uint16 else mask
    labels = {output.name: _label(arrays[output.name]) for output in _of_kind(model, "label")}
    if labels:
        made["label"] = _one_or_all(labels, len(labels))
    images = {output.name: _scaled(arrays[output.name], output.range) for output in others}
    for entry in model.inputs:
        if entry.name in arrays:  # a plugin need not hand it on
            array = arrays[entry.name]
            images[entry.name] = _scaled(array, (0, np.iinfo(array.dtype).max))
    if images:
        made["other_imaging_output"] = _one_or_all(images, len(others) + len(model.inputs))
    return made


def empty(model: ModelMetadata) -> dict[str, Any]:
    """Return an item without data, whose arrays have the size 0 where a size is free."""
    arrays = {
        output.name: np.empty([size or 0 for size in output.shape], output.dtype)
        for output in model.outputs
    }
    arrays |= {entry.name: np.empty((0, 0, len(entry.channels)), "u1") for entry in model.inputs}
    return item(model, arrays)


def _of_kind(model: ModelMetadata, kind: str) -> Sequence[Output]:
    return [output for output in model.outputs if output.kind == kind]


def _scaled(array: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    low, high = limits
    scaled: np.ndarray = (array.astype(np.float32) - np.float32(low)) / np.float32(high - low)
    return scaled


def _label(array: np.ndarray) -> np.ndarray:
    return np.asarray(array, np.int64 if np.asarray(array).dtype.kind in "ui" else np.float32)


def _one_or_all(arrays: dict[str, np.ndarray], declared: int) -> Any:
    return next(iter(arrays.values())) if declared == 1 else arrays
