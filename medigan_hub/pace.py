"""Answers that come too slowly are given up, wherever in them a server dawdles.

A timeout of a socket counts from one byte to the next: who sends one each half second is
waited for without end. So the bytes are counted where they come from the socket: in the
head of an answer, between its chunks, and in what decompresses to nothing.
"""

from __future__ import annotations

import http.client
import io
import time
from typing import Any

from requests.adapters import HTTPAdapter

MIN_BYTES_PER_SECOND = 1024
"""Bytes a second that an answer must bring in each window; a modem brings five times that."""
WINDOW_SECONDS = 60.0
"""Seconds of waiting for which the rate is taken; what is done between two reads doesn't count."""
HEAD_SECONDS = 60.0
"""Seconds that the head of an answer may take from its first byte on."""


class TooSlowError(TimeoutError):
    """An answer comes too slowly; the message says how slowly."""


class Adapter(HTTPAdapter):
    """Asks as ``requests`` does, and gives up what comes too slowly.

    ``within`` are the seconds from now in which all must be there, after any redirects.
    """

    def __init__(self, within: float | None = None) -> None:
        self._end = None if within is None else time.monotonic() + within
        self._within = within
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **more: Any) -> None:
        super().init_poolmanager(*arguments, **more)
        self._watch(self.poolmanager)

    def proxy_manager_for(self, *arguments: Any, **more: Any) -> Any:
        manager = super().proxy_manager_for(*arguments, **more)
        self._watch(manager)
        return manager

    def _watch(self, manager: Any) -> None:
        """Let all connections of a manager, also those through proxies, hand out such answers."""
        adapter = self

        class Response(_Response):
            within, end = adapter._within, adapter._end

        def watched(pool: Any) -> Any:
            # And nobody who debugs has http.client print what goes into the headers.
            changes = {"response_class": Response, "debuglevel": 0}
            connection = type(pool.ConnectionCls.__name__, (pool.ConnectionCls,), changes)
            return type(pool.__name__, (pool,), {"ConnectionCls": connection})

        manager.pool_classes_by_scheme = {
            scheme: watched(pool) for scheme, pool in manager.pool_classes_by_scheme.items()
        }


class _Response(http.client.HTTPResponse):
    within: float | None = None
    end: float | None = None

    def __init__(self, sock: Any, *arguments: Any, **more: Any) -> None:
        super().__init__(sock, *arguments, **more)
        self._counted = _Counted(self.fp.detach(), self.within, self.end)
        self.fp = io.BufferedReader(self._counted)

    def begin(self) -> None:
        super().begin()
        self._counted.head = False


class _Counted(io.RawIOBase):
    """What comes from a socket, with an eye on the clock."""

    def __init__(self, raw: Any, within: float | None, end: float | None) -> None:
        self.head = True
        """Whether the head is being read."""
        self._raw, self._within, self._end = raw, within, end
        self._begun: float | None = None
        self._waited, self._brought = 0.0, 0

    def readinto(self, buffer: Any) -> int | None:
        start = time.monotonic()
        count: int | None = self._raw.readinto(buffer)
        now = time.monotonic()
        if self._begun is None:  # until then the server has thought, which has a timeout of its own
            self._begun = now
            return count
        if self.head and now > self._begun + HEAD_SECONDS:
            raise TooSlowError(f"the head of its answer takes over {HEAD_SECONDS:g} seconds")
        if self._end is not None and self._within is not None and now > self._end:
            raise TooSlowError(f"it takes over {self._within:g} seconds")
        self._waited += now - start
        self._brought += count or 0
        if count and self._waited > WINDOW_SECONDS:
            if self._brought < MIN_BYTES_PER_SECOND * self._waited:
                raise TooSlowError(f"it brings less than {MIN_BYTES_PER_SECOND} bytes a second")
            self._waited, self._brought = 0.0, 0
        return count

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        number: int = self._raw.fileno()
        return number

    def close(self) -> None:
        try:
            self._raw.close()
        finally:
            super().close()
