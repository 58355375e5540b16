"""Fixtures: plugins as real installed packages, and documents to vary."""

from __future__ import annotations

import copy
import importlib
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support import ROOT, toys

# A session in the background of a script ignores Ctrl-C, and so would all that it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# What lets a test go on for as long as somebody wants it to.
UNBOUNDED = ("MEDIGAN_FUZZ_SECONDS", "MEDIGAN_CRASH_POINTS", "MEDIGAN_FLIPS")

# Toys describe themselves once they are installed, beside their metadata, and not here.
collect_ignore = ["support/toys"]

DOCUMENT: dict[str, Any] = {
    "schema_version": 1,
    "name": "toy-noise",
    "version": "1.0.0",
    "plugin": "medigan-model-toy-noise",
    "title": "Noise, for tests",
    "description": "Makes noise.",
    "authors": [],
    "licence": "MIT",
    "task": "noise-to-image",
    "architecture": "none",
    "framework": "NumPy",
    "organ": ["breast"],
    "modality": ["mammography"],
    "training_data": [{"name": "nothing", "access": "simulated"}],
    "outputs": [
        {
            "name": "image",
            "kind": "image",
            "shape": [8, 6, 1],
            "dtype": "uint8",
            "range": [0, 255],
            "channels": ["intensity"],
        }
    ],
    "latent": {"size": 48, "distribution": "uniform"},
    "weights": [
        {
            "runtime": "numpy",
            "format": "safetensors",
            "files": [
                {
                    "role": "network",
                    "file": "weights.bin",
                    "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                }
            ],
        }
    ],
    "limitations": ["It is noise."],
    "intended_use": "Tests.",
    "privacy": "Nothing was used for training.",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put slow files first, so that none is left for one process alone at the end.

    Whoever asks for more cases than a usual run has gets the time for them.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
    if any(map(os.environ.get, UNBOUNDED)):
        for item in items:
            item.add_marker(pytest.mark.timeout(0), append=False)


@pytest.fixture
def drawing() -> str:
    """The code of a plugin for a model with any outputs."""
    return toys.code("drawing")


@pytest.fixture
def document() -> dict[str, Any]:
    return copy.deepcopy(DOCUMENT)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the user's cache, or knows the user's own models."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("MEDIGAN_CACHE", str(folder))
    for name in ("MEDIGAN_CATALOGUE", "MEDIGAN_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Return a function that installs a plugin as pip would leave it, and returns its package."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    before = set(sys.modules)

    def install_plugin(
        name: str = "toy-noise",
        *,
        code: str = toys.code("reshape"),
        document: Any = None,
        distribution: str | None = None,
        group: str = "medigan_hub.models",
        target: str = "plugin",
    ) -> Path:
        distribution = distribution or f"medigan-model-{name}"
        package = site / distribution.replace("-", "_")
        package.mkdir()
        (package / "__init__.py").write_text(textwrap.dedent(code))
        (package / "weights.bin").touch()
        if document is None:
            document = copy.deepcopy(DOCUMENT) | {"name": name, "plugin": distribution}
        text = document if isinstance(document, str) else json.dumps(document)
        (package / "metadata.json").write_text(text)
        info = site / f"{package.name}-1.0.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0.0\n"
        )
        (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {package.name}:{target}\n")
        importlib.invalidate_caches()
        return package

    yield install_plugin
    for module in set(sys.modules) - before:
        if str(getattr(sys.modules[module], "__file__", "")).startswith(str(site)):
            del sys.modules[module]


@pytest.fixture
def contents() -> Callable[[Path], dict[str, bytes]]:
    """Return a function that reads all files of a folder, by their path in it."""

    def read(folder: Path) -> dict[str, bytes]:
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    return read


@pytest.fixture
def ramp() -> np.ndarray:
    """A grey image of 20 x 30 pixels, every level once or more."""
    return np.linspace(0, 255, 600).astype(np.uint8).reshape(20, 30, 1)


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return the wheels of the hub and of every plugin in this project, in that order."""
    from hatchling.builders.wheel import WheelBuilder

    folder = str(tmp_path_factory.mktemp("wheels"))
    projects = (ROOT, *(ROOT / "plugins").glob("medigan-model-*"))
    return sorted(
        Path(next(WheelBuilder(str(project)).build(directory=folder, versions=["standard"])))
        for project in projects
    )


@pytest.fixture(scope="session")
def site_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[list[Path]], Path]:
    """Return a function that makes a folder with what pip makes of some wheels."""

    def install_wheels(wheels: list[Path]) -> Path:
        folder = tmp_path_factory.mktemp("site")
        command = ["-m", "pip", "install", "--no-deps", "--no-index", "--target", str(folder)]
        subprocess.run(
            [sys.executable, *command, *map(str, wheels)], check=True, capture_output=True
        )
        return folder

    return install_wheels
