"""Files with trained parameters: found, verified, and read without running code."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from medigan_hub.errors import WeightsError, require
from medigan_hub.files import sha256_of
from medigan_hub.metadata import ModelMetadata

if TYPE_CHECKING:
    from torch import Tensor


def bundled(model: ModelMetadata, folder: Path) -> Path:
    """Return the weights in a plugin's package, once their SHA-256 is found to be right.

    Raises
    ------
    WeightsError
        The file is missing, or is not the one that the metadata describes.
    """
    if model.weights.source != "bundled" or model.weights.file is None:
        raise WeightsError(f"{model.name} has no bundled weights")
    path = folder / model.weights.file
    remedy = f"reinstall them: pip install --force-reinstall {model.plugin}"
    if not path.is_file():
        raise WeightsError(f"the weights of {model.name} are missing from {path}; {remedy}")
    about = path.stat()
    found = _sha256(path, about.st_size, about.st_mtime_ns)
    if found != model.weights.sha256:
        raise WeightsError(
            f"the weights of {model.name} in {path} have the SHA-256 {found}, "
            f"expected {model.weights.sha256}; {remedy}"
        )
    return path


@lru_cache(maxsize=64)
def _sha256(path: Path, size: int, modified: int) -> str:
    """Return a file's SHA-256, once for each state that it is found in.

    A data loader opens its network for each batch.
    """
    return sha256_of(path)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file, which can hold nothing but tensors.

    Raises
    ------
    WeightsError
        The file has another format, or is damaged.
    """
    safetensors = require("safetensors.torch", extra="torch", purpose=f"reading {path.name}")
    try:
        tensors: dict[str, Tensor] = safetensors.load_file(path)
    except Exception as error:  # safetensors raises a class of its own for every fault
        raise WeightsError(f"{path} is not a readable safetensors file: {error}") from error
    return tensors
