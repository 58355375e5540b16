"""Processes that end together with all that they started."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from medigan_hub.errors import PluginError

GRACE = 2.0
"""Seconds between asking a process to end and ending it."""


def start(arguments: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start a process in a group of its own, which the terminal's Ctrl-C doesn't reach.

    Raises
    ------
    PluginError
        There is no such program, or it can't be run.
    """
    try:
        return subprocess.Popen(arguments, start_new_session=True, **options)  # noqa: S603 (no shell; the hub makes the arguments)
    except OSError as error:
        raise PluginError(f"{arguments[0]} can't be run: {error.strerror or error}") from error


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process of ``start`` and its group: SIGTERM, and after a while SIGKILL."""
    _signal(process, "SIGTERM")
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE)
    _signal(process, "SIGKILL")  # also when it has ended, for what it left behind
    process.wait()


def _signal(process: subprocess.Popen[bytes], name: str) -> None:
    if not hasattr(os, "killpg"):  # Windows
        process.kill()
        return
    with suppress(ProcessLookupError, PermissionError):  # macOS has the latter for a dead group
        os.killpg(process.pid, getattr(signal, name))
