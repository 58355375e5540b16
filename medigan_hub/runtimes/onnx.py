"""Networks in the ONNX format, run by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medigan_hub.errors import RequestError, WeightsError, require
from medigan_hub.processes.forks import Loaded, threads
from medigan_hub.runtimes.base import (
    ImageToImage,
    NoiseToImage,
    Runtime,
    choose_device,
    out_of_memory,
)
from medigan_hub.weights.graphs import graph_fault

require("onnxruntime", extra="onnx", purpose="running an ONNX model")
import onnxruntime  # noqa: E402 (after its absence has been reported in words)

if TYPE_CHECKING:
    from medigan_hub.runtimes.base import Network

__all__ = ["ImageToImage", "NoiseToImage", "OnnxRuntime"]

CUDA = "CUDAExecutionProvider"


class OnnxRuntime(Runtime):
    """Runs the one graph of an ``.onnx`` file, with its inputs in the order of the file.

    Parameters
    ----------
    channels_first
        Whether images in the graph are (N, channels, height, width), as
        exporters of PyTorch write them, or channels last.
    """

    def __init__(self, *, channels_first: bool = True) -> None:
        self._channels_first = channels_first
        self._loaded = Loaded()

    def open(self, weights: Path, device: str, precision: str) -> Network:
        if precision != "float32":
            raise RequestError(f"ONNX Runtime runs this model in float32, not in {precision}")
        place = choose_device(device, _devices())
        session = self._loaded.once((weights, place), lambda: _session(weights, place))
        names = [entry.name for entry in session.get_inputs()]

        def network(*arrays: np.ndarray) -> np.ndarray:
            inputs = [self._turned(array, inwards=True) for array in arrays]
            try:
                result = session.run(None, dict(zip(names, inputs, strict=True)))[0]
            except Exception as error:  # of classes that ONNX Runtime does not name in public
                if "allocate memory" in str(error) or "bad_alloc" in str(error):
                    raise out_of_memory(len(arrays[0])) from error
                raise
            return self._turned(np.asarray(result, dtype=np.float32), inwards=False)

        return network

    def _turned(self, array: np.ndarray, *, inwards: bool) -> np.ndarray:
        """Move the channels of images to where the graph, or the hub, has them."""
        if not self._channels_first or array.ndim < 4:
            return array
        ends = (-1, 1) if inwards else (1, -1)
        return np.ascontiguousarray(np.moveaxis(array, *ends))


def _devices() -> Sequence[str]:
    return ["cuda:0", "cpu"] if CUDA in onnxruntime.get_available_providers() else ["cpu"]


def _session(weights: Path, place: str) -> onnxruntime.InferenceSession:
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
