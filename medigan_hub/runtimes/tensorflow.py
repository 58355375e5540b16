"""Networks of Keras 3 on TensorFlow."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medigan_hub.errors import MissingDependencyError, WeightsError, require
from medigan_hub.processes.forks import Loaded, check_tensorflow, threads
from medigan_hub.runtimes.base import (
    ImageToImage,
    NoiseToImage,
    Runtime,
    choose_device,
    out_of_memory,
)
from medigan_hub.runtimes.quiet import no_folder, no_notes
from medigan_hub.weights.hdf5 import check_hdf5

# Both are read when TensorFlow and Keras are first imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
with no_notes(), no_folder("KERAS_HOME", "~/.keras"):
    require("tensorflow", extra="tensorflow", purpose="running a TensorFlow model")
    import keras
    import tensorflow as tf

if TYPE_CHECKING:
    from medigan_hub.runtimes.base import Network

__all__ = ["ImageToImage", "NoiseToImage", "TensorflowRuntime"]


class TensorflowRuntime(Runtime):
    """Runs a ``keras.Model`` as a compiled graph.

    Parameters
    ----------
    build
        Makes the network and loads the weights file into it. Images are
        channels last.
    """

    def __init__(self, build: Callable[[Path], keras.Model]) -> None:
        self._build = build
        self._loaded = Loaded()

    def open(self, weights: Path, device: str, precision: str) -> Network:
        if keras.backend.backend() != "tensorflow":
            raise MissingDependencyError(
                f"Keras runs on {keras.backend.backend()} here; "
                "set the environment variable KERAS_BACKEND to tensorflow"
            )
        check_tensorflow()
        place = choose_device(device, _devices())
        name = place.replace("cuda", "GPU")

        def load() -> tf.types.experimental.GenericFunction:
            check_hdf5(weights)
            _limit_threads()
            with tf.device(name), _computing_in(precision), _weights_in_words(weights):
                return _compile(self._build(weights))

        graph = self._loaded.once((weights, place, precision), load)

        def network(*arrays: np.ndarray) -> np.ndarray:
            try:
                with tf.device(name), _full_float32():
                    result = graph(*(tf.constant(array) for array in arrays))
            except tf.errors.ResourceExhaustedError as error:
                raise out_of_memory(len(arrays[0])) from error
            return np.asarray(tf.cast(result, tf.float32))

        return network


def _devices() -> list[str]:
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        # By default TensorFlow takes the whole memory of every GPU when it first uses one.
        with suppress(RuntimeError):  # it was in use before the hub came: then that stays
            tf.config.experimental.set_memory_growth(gpu, True)
    return [*(f"cuda:{n}" for n in range(len(gpus))), "cpu"]


def _limit_threads() -> None:
    if threads():
        with suppress(RuntimeError):  # it has started already: then it stays as it is
            tf.config.threading.set_intra_op_parallelism_threads(threads())
            tf.config.threading.set_inter_op_parallelism_threads(threads())


def _compile(model: keras.Model) -> tf.types.experimental.GenericFunction:
    """Return the model as one graph for every batch size."""
    shapes = [tf.TensorSpec((None, *entry.shape[1:]), tf.float32) for entry in model.inputs]

    @tf.function(input_signature=shapes, autograph=False)  # type: ignore[untyped-decorator]
    def graph(*tensors: tf.Tensor) -> tf.Tensor:
        return model(list(tensors), training=False)

    return graph


@contextmanager
def _computing_in(precision: str) -> Iterator[None]:
    """Let layers that are built here compute in ``precision``, with weights in float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if precision == "bfloat16" else "float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@contextmanager
def _full_float32() -> Iterator[None]:
    """Keep NVIDIA GPUs from rounding float32 to fewer bits, which is TensorFlow's default."""
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)


@contextmanager
def _weights_in_words(weights: Path) -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            # Said of each layer that the file lacks, before the error that follows.
            warnings.filterwarnings("ignore", "Skipping nested container")
            yield
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().split("\n")[0]
        raise WeightsError(f"{weights} does not fit the network: {reason}") from error
