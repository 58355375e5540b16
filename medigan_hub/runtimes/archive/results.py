"""From what published code returned to the outputs that a model's metadata declares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np

from medigan_hub.errors import PluginError
from medigan_hub.metadata import ModelMetadata, Output

Item: TypeAlias = "np.ndarray | bool | int | float | str"
"""A part of a sample: an image, a mask, or a label."""


def outputs_of(model: ModelMetadata, items: Sequence[Item]) -> dict[str, np.ndarray]:
    """Return the declared outputs of one sample, given the items that the function returned.

    Arrays with two axes or more are the images and masks, in the order of
    their declaration; what else there is are the labels. Labels may be
    missing, and are then missing here.

    An array may lack the axis of its channel, begin with an axis of 1, or have
    its channels first, where it fits the declared shape in no other way. One
    channel stands for three, and three equal ones for one. A Boolean mask
    becomes the lowest and highest value of its range; floats are rounded where
    whole numbers are declared.

    Raises
    ------
    PluginError
        An image or mask is missing, there is more than was declared, or a
        value has another shape, another type or lies beyond its range.
    """
    try:
        return dict(_outputs(model, items))
    except _MisfitError as error:
        raise PluginError(fault(model, f"returned {error}")) from error


def fault(model: ModelMetadata, what: str) -> str:
    """Return the line that says what a model's published function did."""
    function = model.archive.function if model.archive else "function"
    return f"{model.name}: the published function {function} {what}"


class _MisfitError(Exception):
    """What was returned, and for what, in words."""


def _outputs(model: ModelMetadata, items: Sequence[Item]) -> Iterator[tuple[str, np.ndarray]]:
    pictures = [item for item in items if np.ndim(item) > 1]
    labels = [item for item in items if np.ndim(item) <= 1]
    wanted = [output.name for output in model.outputs if output.kind != "label"]
    optional = [output.name for output in model.outputs if output.kind == "label"]
    if len(pictures) != len(wanted) or len(labels) > len(optional):
        found = ", ".join(map(_words, items)) or "nothing"
        perhaps = f", and perhaps {', '.join(optional)}" if optional else ""
        raise _MisfitError(f"{found} for a sample; expected {', '.join(wanted)}{perhaps}")
    for output in model.outputs:
        if output.kind != "label":
            yield output.name, _picture(pictures.pop(0), output)
        elif labels:
            yield output.name, _label(labels.pop(0), output)


def _picture(item: Item, output: Output) -> np.ndarray:
    """Return an image or mask: (height, width, channels), or with a depth before them."""
    for array in _readings(np.asarray(item), output):
        adapted = _adapted(array, output)
        if adapted is not None:
            return _values(adapted, output)
    shape = ["any" if size is None else size for size in output.shape]
    raise _MisfitError(f"{_words(item)} for {output.name}; expected the shape {shape}")


def _readings(array: np.ndarray, output: Output) -> Iterator[np.ndarray]:
    """Yield the array with its channels last, the likeliest way of reading it first."""
    axes = len(output.shape)
    if array.ndim == axes:
        yield array
    if array.ndim == axes - 1:
        yield array[..., np.newaxis]
    if array.ndim == axes and array.shape[0] in (1, 3) and array.shape[0] == output.shape[-1]:
        yield np.moveaxis(array, 0, -1)
    if array.shape[0] == 1 and array.ndim in (axes, axes + 1):
        yield from _readings(array[0], output)


def _adapted(array: np.ndarray, output: Output) -> np.ndarray | None:
    """Return the array in the declared shape, its channels repeated or dropped, or None."""
    channels = output.shape[-1]
    if channels == 3 and array.shape[-1] == 1:
        array = np.repeat(array, 3, axis=-1)
    elif channels == 1 and array.shape[-1] == 3 and (array == array[..., :1]).all():
        array = array[..., :1]
    fits = all(size in (None, real) for size, real in zip(output.shape, array.shape, strict=True))
    return array if fits and array.size else None


def _label(item: Item, output: Output) -> np.ndarray:
    if isinstance(item, str):
        if item not in output.classes:
            raise _MisfitError(f"{_words(item)} for {output.name}; {_classes(output)}")
        item = output.classes.index(item)
    array = np.asarray(item)
    if array.size == 1 and output.shape == ():
        array = array.reshape(())
    if array.ndim != len(output.shape) or output.shape not in (array.shape, (None,)):
        raise _MisfitError(
            f"{_words(item)} for {output.name}; expected the shape {list(output.shape)}"
        )
    if array.dtype == np.bool_:
        array = array.astype(np.uint8)
    if array.dtype.kind == "f" and output.dtype != "float32" and (array % 1).any():
        raise _MisfitError(f"{_words(item)} for {output.name}; expected whole numbers")
    return _values(array, output)


def _classes(output: Output) -> str:
    return f"expected one of {', '.join(output.classes)}" if output.classes else "expected a number"


def _values(array: np.ndarray, output: Output) -> np.ndarray:
    """Return the array in the declared type, once its values are found to be in range."""
    low, high = output.range
    dtype = np.dtype(output.dtype)
    if array.dtype == np.bool_ and output.kind == "mask":
        return np.asarray(np.where(array, dtype.type(high), dtype.type(low)))
    if array.dtype.kind not in "uif":
        raise _MisfitError(f"{_words(array)} for {output.name}; expected numbers")
    if array.dtype.kind == "f" and dtype.kind != "f":
        array = np.rint(array)
    # Written so that a NaN, which is neither above nor below, is a fault.
    if not (array.min() >= low and array.max() <= high):
        least, most = array.min().item(), array.max().item()
        raise _MisfitError(
            f"values from {least:g} to {most:g} for {output.name}; expected {low:g} to {high:g}"
        )
    return np.asarray(array, dtype)


def _words(item: Item) -> str:
    """Say what an item is."""
    if isinstance(item, np.ndarray):
        return f"an array of {item.dtype} with the shape {list(item.shape)}"
    return repr(item) if len(repr(item)) <= 60 else f"{repr(item)[:57]}..."
