"""A small project of a model that passes every check, to break in one place at a time."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from support import toys

NAME = "toy-levels"
PACKAGE = "medigan_model_toy_levels"

PYPROJECT = """
[build-system]
requires = ["hatchling>=1.25"]
build-backend = "hatchling.build"

[project]
name = "medigan-model-toy-levels"
version = "1.0.0"
description = "medigan-hub model: noise about a level, for tests"
readme = "README.md"
requires-python = ">=3.10"
license = "MIT"
license-files = ["LICENSE"]
dependencies = ["medigan-hub>=0.1", "numpy>=1.26"]

[project.entry-points."medigan_hub.models"]
toy-levels = "medigan_model_toy_levels:plugin"
"""

CODE = toys.code("levels")

DOCUMENT: dict[str, Any] = {
    "schema_version": 1,
    "name": NAME,
    "version": "1.0.0",
    "plugin": "medigan-model-toy-levels",
    "title": "Noise about a level, for tests",
    "description": "Makes noise.",
    "authors": [
        {
            "name": "Ada Example",
            "affiliation": "Example University",
            "orcid": "0000-0002-1825-0097",
        }
    ],
    "licence": "MIT",
    "task": "class-to-image",
    "architecture": "none",
    "framework": "NumPy",
    "organ": ["breast"],
    "modality": ["mammography"],
    "training_data": [{"name": "nothing", "access": "simulated"}],
    "outputs": [
        {
            **{"name": "image", "kind": "image", "shape": [8, 6, 1]},
            **{"dtype": "uint8", "range": [0, 255], "channels": ["intensity"]},
        },
        {
            **{"name": "level", "kind": "label", "shape": []},
            **{"dtype": "int64", "range": [0, 2]},
        },
    ],
    "conditions": [
        {
            **{"name": "level", "type": "integer", "description": "Brightness.", "default": None},
            "choices": [0, 1, 2],
        }
    ],
    "latent": {"size": 48, "distribution": "uniform"},
    "weights": [
        {
            "runtime": "numpy",
            "format": "safetensors",
            "files": [{"role": "network", "file": "weights/generator.safetensors", "sha256": ""}],
        }
    ],
    "limitations": ["It is noise."],
    "intended_use": "Tests.",
    "privacy": "Nothing was used for training.",
}


def make(folder: Path, *, reference: bool = True) -> Path:
    """Write the project into a folder, and return that."""
    package = folder / PACKAGE
    (package / "weights").mkdir(parents=True)
    weights = safetensors.numpy.save({"scale": np.full(1, 0.4, np.float32)})
    (package / "weights" / "generator.safetensors").write_bytes(weights)
    document = copy.deepcopy(DOCUMENT)
    document["weights"][0]["files"][0]["sha256"] = hashlib.sha256(weights).hexdigest()
    (package / "metadata.json").write_text(json.dumps(document, indent=2))
    (package / "__init__.py").write_text(CODE)
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "README.md").write_text("# Toy\n\nMakes noise.\n")
    (folder / "LICENSE").write_text("MIT License\n\nPermission is hereby granted.\n")
    if reference:
        info = folder / "medigan_model_toy_levels-1.0.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: medigan-model-toy-levels\nVersion: 1.0.0\n"
        )
        (info / "entry_points.txt").write_text(f"[medigan_hub.models]\n{NAME} = {PACKAGE}:plugin\n")
        subprocess.run(
            [
                *(sys.executable, "-m", "medigan_hub", "generate", NAME, "-n", "2", "--seed", "0"),
                *("-o", str(package / "reference")),
            ],
            check=True,
            capture_output=True,
            env={**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        )
        for file in info.iterdir():
            file.unlink()
        info.rmdir()
    return folder


def edit(project: Path, **changes: Any) -> None:
    """Change top-level values of a project's metadata; None takes one out."""
    path = project / PACKAGE / "metadata.json"
    document = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in document.items() if v is not None}))


def change(project: Path, name: str, *pairs: tuple[str, str]) -> None:
    """Replace texts, each of which must be there, in a file of a project."""
    path = project / name
    text = path.read_text()
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    path.write_text(text)


def raise_version(project: Path, version: str = "1.1.0") -> None:
    """Give a project another version."""
    old = json.loads((project / PACKAGE / "metadata.json").read_text())["version"]
    edit(project, version=version)
    change(project, "pyproject.toml", (f'version = "{old}"', f'version = "{version}"'))
