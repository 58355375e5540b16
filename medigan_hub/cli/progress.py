"""The bar that shows how far a long job has come."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(word: str) -> Iterator[Callable[[int, int], None] | None]:
    """Show progress, rate and time left on a terminal, and nothing in a pipe."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        word,
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(word, total=None, rate="")
        begun = False

        def show(done: int, total: int) -> None:
            nonlocal begun
            if not begun:  # what an earlier run made says nothing about the rate
                bar.reset(task, completed=done, total=total)
                begun = True
            speed = bar.tasks[0].speed
            bar.update(task, completed=done, rate=f"{speed:.1f} a second" if speed else "")

        yield show
