"""What a network may use of the process that it runs in: forked, or a data loader's worker."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from medigan_hub.errors import RequestError

Value = TypeVar("Value")

_inherited: list[Any] = []
"""Networks of a parent process. Freeing one would wait for threads that a fork leaves behind."""
_tensorflow_is_dead = False


class Loaded(dict[Any, Any]):
    """Networks by what they were opened with, at most the ``most`` that came last.

    A forked process starts with none: the threads of those that it inherits are
    not there, and neither is whoever held the lock.
    """

    def __init__(self, most: int | None = None) -> None:
        super().__init__()
        self._most = most
        self._start()

    def once(self, key: Hashable, load: Callable[[], Value]) -> Value:
        """Return what ``load`` returns; a second call with the same key, what it returned before.

        Threads that want the same network at the same time load it once.
        """
        if self._process != os.getpid():
            _inherited.append(dict(self))
            self.clear()
            self._start()
        with self._lock:
            if key not in self:
                while self._most is not None and len(self) >= self._most:
                    del self[next(iter(self))]
                self[key] = load()
            value: Value = self[key]
            return value

    def _start(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()


def threads() -> int:
    """Return how many threads a network may take; 0 leaves that to its framework.

    In a worker of PyTorch's data loaders they are as many as PyTorch takes
    there: one, unless the worker was told otherwise.
    """
    data = sys.modules.get("torch.utils.data")
    if data is None or data.get_worker_info() is None:
        return 0
    return int(sys.modules["torch"].get_num_threads())


def check_tensorflow() -> None:
    """Make sure that TensorFlow was not started before this process was forked.

    Its threads are gone then, and whatever it is asked for would wait for them.

    Raises
    ------
    RequestError
        It was; the message says how to start processes otherwise.
    """
    if _tensorflow_is_dead:
        raise RequestError(
            "TensorFlow was in use before this process was forked, and would hang in it; "
            'start worker processes with multiprocessing_context="spawn"'
        )


def _after_fork() -> None:
    global _tensorflow_is_dead
    # TensorFlow has no public way to ask this without starting it.
    eager = sys.modules.get("tensorflow.python.eager.context")
    current = getattr(eager, "context_safe", lambda: None)()
    _tensorflow_is_dead |= getattr(current, "_context_handle", None) is not None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
