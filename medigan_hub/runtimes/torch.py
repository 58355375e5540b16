"""Networks of PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medigan_hub.runtimes.base import (
    NetworkRuntime,
    Session,
    choose_device,
    out_of_memory,
)
from medigan_hub.weights import read_checkpoint

if TYPE_CHECKING:
    import torch


class TorchRuntime(NetworkRuntime):
    """Runs a ``torch.nn.Module``, which sees images channels first, as PyTorch has them."""

    name = "torch"
    title = "PyTorch"
    extra = "torch"
    module = "torch"
    distributions = ("torch",)
    precisions = ("float32", "bfloat16")

    @classmethod
    def devices(cls) -> list[str]:
        import torch

        cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
        mps = ["mps"] if torch.backends.mps.is_available() else []
        return [*(f"cuda:{n}" for n in range(cuda)), *mps, "cpu"]

    def open(self, files: Mapping[str, Path], device: str, precision: str) -> Session:
        import torch

        place = torch.device(choose_device(device, self.devices()))
        paths = tuple(files.values())
        module = self._loaded.once((paths, place), lambda: self._module(files).eval().to(place))

        def session(*arrays: np.ndarray, **more: Any) -> np.ndarray:
            with _reproducible(), torch.inference_mode(), _out_of_memory_in_words(len(arrays[0])):
                tensors = [_to_tensor(array).to(place) for array in arrays]
                with torch.autocast(
                    place.type, dtype=torch.bfloat16, enabled=precision == "bfloat16"
                ):
                    result = module(*tensors, **more)
                return _to_array(result)

        return session

    def _module(self, files: Mapping[str, Path]) -> torch.nn.Module:
        module: torch.nn.Module = self._built(files, self.network.read or read_checkpoint)
        return module


@contextmanager
def _reproducible() -> Iterator[None]:
    """Full float32 and the same algorithm every time: on CUDA neither is the default."""
    import torch

    with torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    ):
        yield


@contextmanager
def _out_of_memory_in_words(batch_size: int) -> Iterator[None]:
    import torch

    try:
        yield
    except RuntimeError as error:
        # On the CPU, PyTorch has no class of its own for this.
        if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
            raise out_of_memory(batch_size) from error
        raise


def _to_tensor(array: np.ndarray) -> torch.Tensor:
    import torch

    tensor = torch.from_numpy(np.ascontiguousarray(array))
    return tensor.movedim(-1, 1).contiguous() if tensor.ndim >= 4 else tensor


def _to_array(tensor: torch.Tensor) -> np.ndarray:
    tensor = tensor.movedim(1, -1) if tensor.ndim >= 4 else tensor
    array: np.ndarray = tensor.float().cpu().numpy()
    return array
