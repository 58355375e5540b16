"""Weights that lie in a plugin's package."""

from __future__ import annotations

from pathlib import Path

from medigan_hub.errors import WeightsError
from medigan_hub.hashes import sha256_once
from medigan_hub.metadata import ModelMetadata


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
    found = sha256_once(path)
    if found != model.weights.sha256:
        raise WeightsError(
            f"the weights of {model.name} in {path} have the SHA-256 {found}, "
            f"expected {model.weights.sha256}; {remedy}"
        )
    return path
