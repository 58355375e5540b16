"""Weights that lie in a plugin's package."""

from __future__ import annotations

from pathlib import Path

from medigan_hub.errors import WeightsError
from medigan_hub.hashes import sha256_once
from medigan_hub.metadata import WeightsFile
from medigan_hub.weights.owners import Owner


def bundled(model: Owner, folder: Path, file: WeightsFile | None = None) -> Path:
    """Return a file of weights in a plugin's package, once its SHA-256 is found to be right.

    By default it is the model's main file. ``folder`` is that of the package.

    Raises
    ------
    WeightsError
        The file is missing, or is not the one that the metadata describes.
    """
    file = file or model.main_file
    if file.is_remote or file.file is None:
        raise WeightsError(f"{model.name} has no bundled weights")
    path = folder / file.file
    remedy = f"reinstall them: pip install --force-reinstall {model.plugin}"
    if not path.is_file():
        raise WeightsError(f"the weights of {model.name} are missing from {path}; {remedy}")
    found = sha256_once(path)
    if found != file.sha256:
        raise WeightsError(
            f"the weights of {model.name} in {path} have the SHA-256 {found}, "
            f"expected {file.sha256}; {remedy}"
        )
    return path
