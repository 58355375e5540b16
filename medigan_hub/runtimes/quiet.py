"""Keeping libraries from writing notes of their own among what a command prints."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


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
