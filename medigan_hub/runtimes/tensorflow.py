"""Networks of Keras 3 on TensorFlow."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medigan_hub.errors import MissingDependencyError, WeightsError, require
from medigan_hub.processes.forks import check_tensorflow, threads
from medigan_hub.runtimes.base import (
    NetworkRuntime,
    Session,
    choose_device,
    out_of_memory,
)
from medigan_hub.runtimes.quiet import no_folder, no_notes
from medigan_hub.weights.hdf5 import check_hdf5

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


class TensorflowRuntime(NetworkRuntime):
    """Runs a ``keras.Model`` as a compiled graph; images are channels last."""

    name = "tensorflow"
    title = "TensorFlow"
    extra = "tensorflow"
    module = "tensorflow"
    distributions = ("tensorflow", "tensorflow-cpu")
    precisions = ("float32", "bfloat16")

    @classmethod
    def prepare(cls) -> None:
        import_tensorflow()

    @classmethod
    def devices(cls) -> list[str]:
        tf = import_tensorflow()
        gpus = tf.config.list_physical_devices("GPU")
        for gpu in gpus:
            # By default TensorFlow takes the whole memory of every GPU when it first uses one.
            with suppress(RuntimeError):  # it was in use before the hub came: then that stays
                tf.config.experimental.set_memory_growth(gpu, True)
        return [*(f"cuda:{n}" for n in range(len(gpus))), "cpu"]

    def open(self, files: Mapping[str, Path], device: str, precision: str) -> Session:
        import_tensorflow()
        import keras
        import tensorflow as tf

        if keras.backend.backend() != "tensorflow":
            raise MissingDependencyError(
                f"Keras runs on {keras.backend.backend()} here; "
                "set the environment variable KERAS_BACKEND to tensorflow"
            )
        check_tensorflow()
        place = choose_device(device, self.devices())
        name = place.replace("cuda", "GPU")

        def load() -> tf.types.experimental.GenericFunction:
            for path in files.values():
                check_hdf5(path)
            _limit_threads()
            with tf.device(name), _computing_in(precision), _weights_in_words(files):
                return _compile(self._built(files, lambda path: path))

        graph = self._loaded.once((tuple(files.values()), place, precision), load)

        def session(*arrays: np.ndarray, **more: Any) -> np.ndarray:
            try:
                with tf.device(name), _full_float32():
                    result = graph(*(tf.constant(array) for array in arrays))
            except tf.errors.ResourceExhaustedError as error:
                raise out_of_memory(len(arrays[0])) from error
            return np.asarray(tf.cast(result, tf.float32))

        return session


@cache
def import_tensorflow() -> Any:
    """Return the module ``tensorflow``, imported without what it and Keras tell and leave behind.

    Raises
    ------
    MissingDependencyError
        It is not installed.
    """
    # Both are read when TensorFlow and Keras are first imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    with no_notes(), no_folder("KERAS_HOME", "~/.keras"):
        found = require("tensorflow", extra="tensorflow", purpose="running a TensorFlow model")
        import keras  # noqa: F401 (so that it is here that it finds no folder)
    return found


def _limit_threads() -> None:
    tf = import_tensorflow()
    if threads():
        with suppress(RuntimeError):  # it has started already: then it stays as it is
            tf.config.threading.set_intra_op_parallelism_threads(threads())
            tf.config.threading.set_inter_op_parallelism_threads(threads())


def _compile(model: keras.Model) -> tf.types.experimental.GenericFunction:
    """Return the model as one graph for every batch size."""
    import tensorflow as tf

    shapes = [tf.TensorSpec((None, *entry.shape[1:]), tf.float32) for entry in model.inputs]

    @tf.function(input_signature=shapes, autograph=False)  # type: ignore[untyped-decorator]
    def graph(*tensors: tf.Tensor) -> tf.Tensor:
        return model(list(tensors), training=False)

    return graph


@contextmanager
def _computing_in(precision: str) -> Iterator[None]:
    """Let layers that are built here compute in ``precision``, with weights in float32."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if precision == "bfloat16" else "float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@contextmanager
def _full_float32() -> Iterator[None]:
    """Keep NVIDIA GPUs from rounding float32 to fewer bits, which is TensorFlow's default."""
    tf = import_tensorflow()
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)


@contextmanager
def _weights_in_words(files: Mapping[str, Path]) -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            # Said of each layer that the file lacks, before the error that follows.
            warnings.filterwarnings("ignore", "Skipping nested container")
            yield
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().split("\n")[0]
        raise WeightsError(
            f"{', '.join(map(str, files.values()))} does not fit the network: {reason}"
        ) from error
