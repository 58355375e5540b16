"""Interrupts: the first ends a job after the batch, or step, in hand, the second at once."""

from __future__ import annotations

import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from medigan_hub.errors import HubWarning, Interrupted


class BetweenSteps(Interrupted):
    """An interrupt that took effect between two steps of a batch, which is dropped."""


def stopping(
    asked: threading.Event, told: Callable[[int, int], None] | None
) -> Callable[[int, int], None]:
    """Return what is told of each step, and ends the batch in hand once the event is set.

    ``told`` is told of it as well.
    """

    def step(done: int, total: int) -> None:
        if told is not None:
            told(done, total)
        if asked.is_set() and done < total:
            raise BetweenSteps(f"interrupted after step {done} of {total}")

    return step


@contextmanager
def patience() -> Iterator[threading.Event]:
    """Let the first interrupt within the block set the event that this yields, a second one raise.

    Where a signal is handled otherwise, or by another thread, that stays as it is.
    """
    asked = threading.Event()
    ours: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
        ours = {n: usual[n] for n in usual if signal.getsignal(n) is usual[n]}

    def restore() -> None:
        for number, handler in ours.items():
            signal.signal(number, handler)

    def handle(number: int, frame: FrameType | None) -> None:
        restore()
        asked.set()
        with warnings.catch_warnings(), suppress(OSError):
            warnings.simplefilter("always", HubWarning)  # an error here would be the plugin's
            warnings.warn(
                "stopping after the batch in hand; interrupt again to stop at once",
                HubWarning,
                stacklevel=2,
            )

    for number in ours:
        signal.signal(number, handle)
    try:
        yield asked
    finally:
        restore()
