"""A ``tf.data.Dataset`` of samples, made while it is read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from medigan_hub import generation
from medigan_hub.errors import PluginError, require
from medigan_hub.loaders import items
from medigan_hub.plugins import Plugin
from medigan_hub.processes.forks import check_tensorflow
from medigan_hub.runtimes.quiet import no_notes

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # read when TensorFlow is first imported
with no_notes():
    require("tensorflow", extra="tensorflow", purpose="loading samples into TensorFlow")
    import tensorflow as tf


if TYPE_CHECKING:
    from medigan_hub.generation import Wishes


def dataset(plugin: Plugin, num_samples: int | None, wishes: Wishes) -> tf.data.Dataset:
    """Return the data set that ``Hub.tf_dataset`` describes, as ``items.item`` has its samples."""
    check_tensorflow()
    request = generation.ready(plugin, items.asked(plugin, num_samples, wishes), load=False)
    model = request.metadata

    def batches() -> Iterator[dict[str, Any]]:
        for batch in generation.stream(plugin, request):
            for entry in model.inputs:
                if entry.name not in batch.arrays:
                    raise PluginError(f"plugin {model.name} does not hand on its {entry.name}")
            yield items.item(model, batch.arrays)

    made = tf.data.Dataset.from_generator(batches, output_signature=_signature(items.empty(model)))
    return made.unbatch().apply(tf.data.experimental.assert_cardinality(len(request.indices)))


def _signature(value: Any) -> Any:
    """Describe batches of items; a size of 0 in the template is one that is free."""
    if isinstance(value, dict):
        return {name: _signature(each) for name, each in value.items()}
    array = np.asarray(value)
    return tf.TensorSpec([None, *(size or None for size in array.shape)], array.dtype)
