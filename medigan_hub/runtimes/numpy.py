"""Models that need no framework, such as simulators: functions of arrays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from medigan_hub.errors import PluginError
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

        if self.network.build is None:
            raise PluginError("the plugin says nothing of how its network is built for numpy")
        read = self.network.read or load_file
        held = {role: read(path) for role, path in files.items()}
        session: Session = self.network.build(next(iter(held.values())) if len(held) == 1 else held)
        return session
