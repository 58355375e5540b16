"""Running a request that is ready, and judging every batch by the model's metadata."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from medigan_hub.errors import PluginError
from medigan_hub.generation import fitting
from medigan_hub.generation.engines import local
from medigan_hub.plugins import Plugin
from medigan_hub.samples import GenerationRequest, SampleBatch


def stream(plugin: Plugin, request: GenerationRequest) -> Iterator[SampleBatch]:
    """Load the plugin now, and return the batches that it will make.

    Each batch is held against the plugin's metadata before it is handed on.

    Raises
    ------
    PluginError
        The plugin can't be loaded; while iterating: it raised, or made what
        its metadata does not declare.
    """
    made = local.batches(plugin, fitting.fitted(request))
    return judged(fitting.restored(made, request), request)


def judged(batches: Iterator[SampleBatch], request: GenerationRequest) -> Iterator[SampleBatch]:
    """Yield the batches of a request, each held against the metadata of the model.

    Raises
    ------
    PluginError
        One is not as declared, or they are too few.
    """
    name = request.metadata.name
    done = 0
    for batch in batches:
        problem = fault(batch, request, done)
        if problem:
            raise PluginError(f"plugin {name} made a batch that {problem}")
        done += len(batch)
        yield batch
    if done != len(request.indices):
        wanted = len(request.indices)
        raise PluginError(f"plugin {name} made {done} of {wanted} samples and stopped")


def fault(batch: Any, request: GenerationRequest, done: int) -> str | None:
    """Say what is wrong with a batch that follows ``done`` samples of a job, or None."""
    if not isinstance(batch, SampleBatch):
        return f"is a {type(batch).__name__}, not a SampleBatch"
    if len(batch) == 0:
        return "is empty"
    expected = request.indices[done : done + len(batch)]
    if not np.array_equal(batch.indices, np.asarray(expected, dtype=np.int64)):
        return f"does not follow in order: expected the samples {expected}"
    if any(np.shape(array)[:1] != (len(batch),) for array in batch.arrays.values()):
        return f"does not hold {len(batch)} of each array, as it has indices"
    declared = {output.name for output in request.metadata.outputs}
    missing = declared - set(batch.arrays)
    unknown = set(batch.arrays) - declared - {entry.name for entry in request.metadata.inputs}
    if missing or unknown:
        word, names = ("lacks", missing) if missing else ("has an undeclared", unknown)
        return f"{word} output {', '.join(sorted(names))}"
    for entry in request.metadata.inputs:
        if entry.name in batch.arrays:
            array = batch.arrays[entry.name]
            shape = array.shape[1:]
            if str(array.dtype) not in ("uint8", "uint16") or len(shape) != 3 or 0 in shape:
                return f"has the input {entry.name} as {array.dtype} of shape {array.shape}"
            if shape[-1] != len(entry.channels):
                return f"has the input {entry.name} with {shape[-1]} channels"
    for output in request.metadata.outputs:
        array = batch.arrays[output.name]
        if str(array.dtype) != output.dtype:
            return f"has {output.name} as {array.dtype}, declared {output.dtype}"
        shape = (len(batch), *output.shape)
        if len(array.shape) != len(shape) or any(
            actual == 0 or size not in (None, actual)
            for size, actual in zip(shape, array.shape, strict=True)
        ):
            return f"has {output.name} of shape {array.shape}, declared {shape}"
        if np.isnan(array).any():
            return f"has {output.name} with values that are not numbers"
        if array.min() < output.range[0] or array.max() > output.range[1]:
            low, high = output.range
            return f"has {output.name} beyond its declared range of {low:g} to {high:g}"
    return None
