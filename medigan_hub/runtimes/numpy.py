"""Models that need no framework, such as simulators: functions of arrays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from medigan_hub.runtimes.base import NetworkRuntime

if TYPE_CHECKING:
    from medigan_hub.runtimes.base import Session


class NumpyRuntime(NetworkRuntime):
    """Calls what ``build`` makes of the arrays in a safetensors file, by their names."""

    name = "numpy"
    title = "NumPy"
    distributions = ("numpy",)

    def open(self, files: Mapping[str, Path], device: str, precision: str) -> Session:
        from safetensors.numpy import load_file

        session: Session = self._built(files, self.network.read or load_file)
        return session
