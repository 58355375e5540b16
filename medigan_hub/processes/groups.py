"""Processes that end together with all that they started, and know little of the hub."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from medigan_hub.errors import PluginError

GRACE_SECONDS = 2.0
"""Seconds between asking a process to end and ending it."""
LAST_SECONDS = 10.0
"""Seconds that ending all that it started may take."""
KEEPER = Path(__file__).with_name("keeper.py")


def start(
    arguments: Sequence[str],
    *,
    alone: bool = False,
    writable: Sequence[Path] | None = None,
    guarded: bool = True,
    **options: Any,
) -> subprocess.Popen[bytes]:
    """Start a process in a group of its own, which the terminal's Ctrl-C doesn't reach.

    On Linux a keeper stands between: whatever the process leaves behind ends with it, or
    with the hub.

    Parameters
    ----------
    alone
        Give it no network, and let it see no process but its own, where ``can_be_alone``.
    writable
        The folders that it may write to, where the kernel has Landlock; by default it may
        write wherever the user may.
    guarded
        Keep it, by Landlock, from reading the hub's memory and variables.
    options
        As for ``subprocess.Popen``.

    Raises
    ------
    PluginError
        There is no such program, or it can't be run.
    """
    if sys.platform == "linux":
        path = options.get("env", os.environ).get("PATH")
        if shutil.which(arguments[0], path=path) is None:
            raise PluginError(f"{arguments[0]} can't be run: there is no such program")
        settings = {
            "hub": os.getpid(),
            "alone": alone and can_be_alone(),
            "guarded": guarded,
            "writable": None if writable is None else [str(each) for each in writable],
        }
        arguments = [*_keeper(settings), *arguments]
    try:
        return subprocess.Popen(arguments, start_new_session=True, **options)  # noqa: S603 (no shell; the hub makes the arguments)
    except OSError as error:
        raise PluginError(f"{arguments[0]} can't be run: {error.strerror or error}") from error


def end(process: subprocess.Popen[bytes], grace: float = GRACE_SECONDS) -> None:
    """End a process of ``start``, and all that it started: SIGTERM, and after a while SIGKILL."""
    if grace:
        _signal(process, "SIGTERM")
        with suppress(subprocess.TimeoutExpired):
            process.wait(grace)
    if sys.platform == "linux":
        # The keeper ends what is left, also what went into a group of its own.
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(LAST_SECONDS)
    _signal(process, "SIGKILL")  # also when it has ended, for what it left behind
    process.wait()


@cache
def can_be_alone() -> bool:
    """Tell whether this system lets the user make namespaces, in which Python still runs."""
    if sys.platform != "linux":
        return False
    settings = {"hub": os.getpid(), "alone": True, "guarded": False, "writable": None}
    command = [*_keeper(settings), sys.executable, "-I", "-S", "-c", ""]
    try:
        result = subprocess.run(command, capture_output=True, timeout=10, check=False)  # noqa: S603 (as above)
    except (OSError, subprocess.SubprocessError):
        return False
    return result.returncode == 0


def _keeper(settings: dict[str, Any]) -> list[str]:
    return [sys.executable, "-I", "-S", str(KEEPER), json.dumps(settings)]


def _signal(process: subprocess.Popen[bytes], name: str) -> None:
    if not hasattr(os, "killpg"):  # Windows
        process.kill()
        return
    with suppress(ProcessLookupError, PermissionError):  # macOS has the latter for a dead group
        os.killpg(process.pid, getattr(signal, name))
