"""Ctrl-C at any moment: no traceback, and the code of an interrupt."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

QUIET = ("", "error: interrupted; what was finished is kept\n")
# Interrupts the process from within, so many milliseconds after Python is ready to run a program.
CUSTOMIZE = """
import os, signal, threading, time
def interrupt():
    time.sleep(float(os.environ["INTERRUPT_AFTER"]) / 1000)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt, daemon=True).start()
"""
ENTRY = "from medigan_hub.__main__ import main; main()"
COMMANDS = [["-m", "medigan_hub"], ["-c", ENTRY]]


@pytest.mark.parametrize("command", COMMANDS, ids=["module", "script"])
@pytest.mark.parametrize("milliseconds", [20, 40, 70, 100, 150, 200, 300, 450])
def test_an_interrupt_while_the_command_is_loaded_shows_no_traceback(
    tmp_path, command, milliseconds
):
    (tmp_path / "sitecustomize.py").write_text(CUSTOMIZE)
    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, *command, "list"],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(paths),
            "INTERRUPT_AFTER": str(milliseconds),
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    if done.returncode == 0:  # it was faster
        return
    assert done.stderr in QUIET
    assert done.returncode == 130


def test_the_command_is_interrupted_from_outside():
    code = "from medigan_hub.__main__ import main; print('ready', flush=True); main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "list"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"ready\n"
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.decode() in QUIET) == (130, True)


def test_an_interrupt_that_is_ignored_stays_ignored():
    ignore = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
    code = f"{ignore}; print('ready', flush=True); {ENTRY}"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, b"")
    assert b"dcgan-mmg-mass-roi-bcdr" in out
