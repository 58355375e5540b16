"""Files with trained parameters: found, downloaded, verified, and read without running code."""

from __future__ import annotations

from pathlib import Path

from medigan_hub.metadata import ModelMetadata
from medigan_hub.weights.archives import extract, names, unpack
from medigan_hub.weights.bundled import bundled
from medigan_hub.weights.checkpoints import Shell, read_checkpoint, read_tensors, tensors_of
from medigan_hub.weights.download import Download, fetch

__all__ = [
    "Download",
    "Shell",
    "bundled",
    "extract",
    "fetch",
    "locate",
    "names",
    "read_checkpoint",
    "read_tensors",
    "tensors_of",
    "unpack",
]


def locate(model: ModelMetadata, folder: Path, name: str | None = None) -> Path:
    """Return the file with a model's parameters, verified.

    Parameters
    ----------
    folder
        The plugin's package, where bundled weights lie.
    name
        Another file of the published archive than the one that the metadata names.

    Raises
    ------
    NetworkError, WeightsError, OutputError
        As for ``bundled``, ``fetch`` and ``extract``.
    """
    if model.weights.source == "bundled":
        return bundled(model, folder)
    member = name or model.weights.member
    return fetch(model).path if member is None else extract(model, member)
