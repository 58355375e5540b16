"""Networks of PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medigan_hub.errors import require
from medigan_hub.processes.forks import Loaded
from medigan_hub.runtimes.base import (
    ImageToImage,
    NoiseToImage,
    Runtime,
    choose_device,
    out_of_memory,
)
from medigan_hub.weights import read_checkpoint

require("torch", extra="torch", purpose="running a PyTorch model")
import torch  # noqa: E402 (after its absence has been reported in words)

if TYPE_CHECKING:
    from medigan_hub.runtimes.base import Network

__all__ = ["ImageToImage", "NoiseToImage", "TorchRuntime"]


class TorchRuntime(Runtime):
    """Runs a ``torch.nn.Module``.

    Parameters
    ----------
    build
        Makes the network from what ``read`` returns. It is called with tensors
        whose images are channels first, as PyTorch has them.
    read
        Reads the weights file; by default a safetensors file or a checkpoint
        of PyTorch, neither of which can run code.
    most
        How many networks stay in memory, where a model has many; by default all.
    """

    def __init__(
        self,
        build: Callable[[Any], torch.nn.Module],
        read: Callable[[Path], Any] = read_checkpoint,
        most: int | None = None,
    ) -> None:
        self._build = build
        self._read = read
        self._loaded = Loaded(most)

    def open(self, weights: Path, device: str, precision: str) -> Network:
        place = resolve_device(device)
        module = self._loaded.once(
            (weights, place), lambda: self._build(self._read(weights)).eval().to(place)
        )

        def network(*arrays: np.ndarray) -> np.ndarray:
            with _reproducible(), torch.inference_mode(), _out_of_memory_in_words(len(arrays[0])):
                tensors = [_to_tensor(array).to(place) for array in arrays]
                with torch.autocast(
                    place.type, dtype=torch.bfloat16, enabled=precision == "bfloat16"
                ):
                    result = module(*tensors)
                return _to_array(result)

        return network


def resolve_device(name: str) -> torch.device:
    """Return the device of a name; ``auto`` is the fastest that this machine has.

    Raises
    ------
    RequestError
        This machine, or this build of PyTorch, lacks the device.
    """
    cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    present = [f"cuda:{n}" for n in range(cuda)]
    present += ["mps"] if torch.backends.mps.is_available() else []
    return torch.device(choose_device(name, [*present, "cpu"]))


@contextmanager
def _reproducible() -> Iterator[None]:
    """Full float32 and the same algorithm every time: on CUDA neither is the default."""
    with torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    ):
        yield


@contextmanager
def _out_of_memory_in_words(batch_size: int) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        # On the CPU, PyTorch has no class of its own for this.
        if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
            raise out_of_memory(batch_size) from error
        raise


def _to_tensor(array: np.ndarray) -> torch.Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    return tensor.movedim(-1, 1).contiguous() if tensor.ndim >= 4 else tensor


def _to_array(tensor: torch.Tensor) -> np.ndarray:
    tensor = tensor.movedim(1, -1) if tensor.ndim >= 4 else tensor
    array: np.ndarray = tensor.float().cpu().numpy()
    return array
