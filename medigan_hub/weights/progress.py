"""How far a download is, on a terminal; in a pipe, nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Progress:
    """What a download reports; this one keeps it to itself."""

    say: Callable[[str], None] | None = None
    """Told what is going on, in one line, where somebody looks on."""

    def at(self, done: int, total: int | None) -> None:
        """Say how many bytes are there, of how many."""

    def waiting(self) -> None:
        """Say that somebody else is at it."""
        if self.say is not None:
            self.say("waiting for another process that fetches it")


class _Bar(Progress):
    def __init__(self, bar: Any, name: str) -> None:
        self._bar = bar
        self._task = bar.add_task(name, total=None)
        self.say = self._print

    def at(self, done: int, total: int | None) -> None:
        self._bar.update(self._task, completed=done, total=total)

    def _print(self, words: str) -> None:
        from medigan_hub.terminal import text

        self._bar.console.print(text(words))


@contextmanager
def progress(name: str) -> Iterator[Progress]:
    """Show a bar on the terminal of standard error, if there is one."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield Progress()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        yield _Bar(bars, name)
