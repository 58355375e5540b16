"""Networks in the ONNX format, run by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medigan_hub.errors import PluginError, RequestError, WeightsError
from medigan_hub.processes.forks import threads
from medigan_hub.runtimes.base import (
    NetworkRuntime,
    Session,
    choose_device,
    out_of_memory,
)
from medigan_hub.weights.graphs import graph_fault

if TYPE_CHECKING:
    import onnxruntime

CUDA = "CUDAExecutionProvider"


class OnnxRuntime(NetworkRuntime):
    """Runs the one graph of an ``.onnx`` file, with its inputs in the order of the file."""

    name = "onnx"
    title = "ONNX Runtime"
    extra = "onnx"
    module = "onnxruntime"
    distributions = ("onnxruntime", "onnxruntime-gpu")

    @classmethod
    def devices(cls) -> list[str]:
        import onnxruntime

        return ["cuda:0", "cpu"] if CUDA in onnxruntime.get_available_providers() else ["cpu"]

    def inputs(self, files: Mapping[str, Path], device: str) -> list[tuple[str, tuple[Any, ...]]]:
        """Return what the graph takes: of each array its type and its shape.

        What the shape leaves open is a name or None, in place of a number. Raises what ``open``
        does.
        """
        graph = self._opened(files, device)
        return [(entry.type, tuple(entry.shape)) for entry in graph.get_inputs()]

    def open(self, files: Mapping[str, Path], device: str, precision: str) -> Session:
        graph = self._opened(files, device)
        names = [entry.name for entry in graph.get_inputs()]

        def session(*arrays: np.ndarray, **more: Any) -> np.ndarray:
            inputs = [self._turned(array, inwards=True) for array in arrays]
            try:
                result = graph.run(None, dict(zip(names, inputs, strict=True)))[0]
            except Exception as error:  # of classes that ONNX Runtime does not name in public
                if "allocate memory" in str(error) or "bad_alloc" in str(error):
                    raise out_of_memory(len(arrays[0])) from error
                raise
            return self._turned(np.asarray(result, dtype=np.float32), inwards=False)

        return session

    def _opened(self, files: Mapping[str, Path], device: str) -> onnxruntime.InferenceSession:
        place = choose_device(device, self.devices())
        if len(files) != 1:
            raise PluginError(f"ONNX Runtime takes one file of weights, not {', '.join(files)}")
        (weights,) = files.values()
        return self._loaded.once((weights, place), lambda: _graph(weights, place))

    def _turned(self, array: np.ndarray, *, inwards: bool) -> np.ndarray:
        """Move the channels of images to where the graph, or the hub, has them."""
        if not self.network.channels_first or array.ndim < 4:
            return array
        ends = (-1, 1) if inwards else (1, -1)
        return np.ascontiguousarray(np.moveaxis(array, *ends))


def _graph(weights: Path, place: str) -> onnxruntime.InferenceSession:
    import onnxruntime

    fault = graph_fault(weights)
    if fault is not None:
        raise WeightsError(f"{weights} is not loaded: {fault}")
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 3  # errors; they are raised as well
    settings.use_deterministic_compute = True
    settings.intra_op_num_threads = threads()
    providers: list[Any] = ["CPUExecutionProvider"]
    if place != "cpu":
        # Full float32 and the same algorithm every time: neither is the default.
        exact = {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}
        providers.insert(0, (CUDA, exact))
    try:
        session = onnxruntime.InferenceSession(str(weights), settings, providers=providers)
    except Exception as error:
        reason = str(error).strip().split("\n")[0]
        raise WeightsError(f"{weights} is not a readable ONNX file: {reason}") from error
    if place != "cpu" and session.get_providers()[0] != CUDA:
        # It would go on without a word, many times slower.
        raise RequestError(
            f"ONNX Runtime can't use {place}, as its CUDA libraries don't load here; use cpu"
        )
    return session
