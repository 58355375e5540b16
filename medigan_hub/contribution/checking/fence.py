"""Keeps a model under check from the network, and from files that are none of its business.

It sees what Python code asks for, by way of Python's audit events. It is a witness of
mistakes; code that means harm gets past it, as may a library in C, and is kept in
bounds by the system (``runner``), which tells nobody what was tried.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from medigan_hub.contribution.checking.report import Fault

WRITES, ASKS = "writes nothing elsewhere", "asks no network"
MAX_FAULTS = 10
"""Faults of a kind that are kept."""
PATHS = {
    **{"os.mkdir": 1, "os.remove": 1, "os.rmdir": 1, "os.truncate": 1, "os.chmod": 1},
    **{"os.chown": 1, "os.utime": 1, "os.rename": 2, "os.link": 2, "os.symlink": 2},
}
"""Events that change files, with how many of their first arguments are paths."""
NETWORK = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


@dataclass
class Fence:
    """What was kept out."""

    writable: tuple[str, ...]
    writes: list[Fault] = field(default_factory=list)
    asks: list[Fault] = field(default_factory=list)

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & WRITING:
                self._check(path)
        elif event in PATHS:
            for path in arguments[: PATHS[event]]:
                self._check(path)
        elif event in NETWORK:
            self._refuse_network(arguments[0])
        elif event in ("socket.connect", "socket.sendto"):
            address = arguments[1]
            if isinstance(address, tuple):  # not the path of a local socket
                self._refuse_network(address[0])

    def _check(self, path: Any) -> None:
        if path is None or isinstance(path, int):
            return
        place = os.path.realpath(os.fsdecode(path))
        if any(place == root or place.startswith(root + os.sep) for root in self.writable):
            return
        if len(self.writes) < MAX_FAULTS:
            self.writes.append(
                Fault(
                    f"the plugin writes to {place}",
                    "write nothing, or what is passing into tempfile's folder",
                )
            )
        raise PermissionError(f"a model writes nothing, and this one wants to write to {place}")

    def _refuse_network(self, host: Any) -> None:
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
        if len(self.asks) < MAX_FAULTS:
            self.asks.append(
                Fault(
                    f"the plugin asks the network for {name}",
                    "ship what it needs in the package, or declare remote weights in metadata.json",
                )
            )
        raise PermissionError(f"a model asks no network, and this one asks for {name}")


def build(writable: Sequence[str]) -> Fence:
    """Put up a fence around this process, for as long as it runs."""
    fence = Fence((*map(os.path.realpath, writable), "/dev", "/proc/self"))
    sys.addaudithook(fence)
    return fence
