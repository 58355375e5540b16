"""Keeping libraries from leaving notes of their own: among what a command prints, in the home."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def no_notes() -> Iterator[None]:
    """Drop what is written to standard error, that of libraries in C++ included.

    For the import of a library that tells of its build whatever its log level
    is. Errors are raised, and so not lost.
    """
    if sys.stderr is not None:
        sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # a program without standard error
        yield
        return
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


@contextmanager
def no_folder(variable: str, usual: str) -> Iterator[None]:
    """Let a library that makes itself a folder when it is imported make one that vanishes.

    ``variable`` tells it where, and ``usual`` is where it would be; one that is
    there already holds the user's settings, and is left to it.
    """
    there = variable in os.environ
    with suppress(RuntimeError):  # a user without a home
        there = there or Path(usual).expanduser().exists()
    if there:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="medigan-") as folder:
        os.environ[variable] = folder
        try:
            yield
        finally:
            os.environ.pop(variable, None)
