"""The bodies of requests, read with bounds: of their size, and of the time without a byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import Request

PATIENCE_SECONDS = 30.0
"""Seconds without a byte after which a request is given up."""


class Refused(Exception):  # noqa: N818 (an answer, no fault of the app)
    """A request is not answered, or not passed on."""

    def __init__(self, words: str, status: int = 400) -> None:
        super().__init__(words)
        self.status = status


async def pieces(request: Request) -> AsyncIterator[bytes]:
    """Yield the pieces of a request's body, as long as they come.

    Raises
    ------
    Refused
        They stopped to come.
    """
    stream = aiter(request.stream())
    while True:
        try:
            yield await asyncio.wait_for(anext(stream), PATIENCE_SECONDS)
        except StopAsyncIteration:
            return
        except asyncio.TimeoutError as error:
            raise Refused("the request did not go on", 408) from error


async def read(request: Request, most: int) -> bytes:
    """Return a request's body.

    Raises
    ------
    Refused
        It has more than ``most`` bytes, or stopped to come.
    """
    content = b""
    async for piece in pieces(request):
        content += piece
        if len(content) > most:
            raise Refused(f"this has more than {most} bytes", 413)
    return content
