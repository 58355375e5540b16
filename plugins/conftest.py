"""Fixtures of the plugins' tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def run(request: pytest.FixtureRequest) -> Callable[..., str]:
    """Return a function that runs a command of the plugin's training folder.

    It takes the script, or ``-c``, options, and the ``folder`` to run in, and
    returns what the command printed.
    """
    training = request.path.parent.parent / "training"

    def run_command(script: str, *options: str, folder: Path) -> str:
        result = subprocess.run(
            [sys.executable, str(training / script) if script != "-c" else script, *options],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONWARNINGS": "ignore", "PYTHONPATH": str(training)},
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    return run_command
