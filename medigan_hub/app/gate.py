"""The gate before the whole app: nothing is answered without the token where one is needed.

It stands before every route, not at some of them, so that no file, event or page of
the web framework is reached around it. The token is typed into a form, and never in
an address: those end up in histories and logs.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from medigan_hub.app.html import render

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOGIN = "/login-with-token"
COOKIE = "medigan-app"
LONGEST_FORM = 4096
PAUSE = 1.0
"""Seconds that a wrong token waits for its answer, so that guessing takes for ever."""
ALWAYS = {
    # The page asks nobody else for anything, whatever stands in a model's description. The web
    # framework makes its pages by scripts that they hold.
    "Content-Security-Policy": "default-src 'self' data: blob:; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; style-src 'self' 'unsafe-inline'; "
    "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
PRIVATE = {"Cache-Control": "no-store"}


class Gate:
    """ASGI middleware: no request of another site's page, and with a token none without it."""

    def __init__(self, app: ASGIApp, token: str | None = None) -> None:
        self._app = app
        self._token = token
        self._passes: set[str] = set()  # what browsers were given in exchange for the token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive) if scope["type"] == "http" else None
        if request is None:  # nothing here speaks WebSocket
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(ALWAYS)
            await send(message)

        response = await self._refusal(request)
        await (response or self._app)(scope, receive, send_safely)

    async def _refusal(self, request: Request) -> Response | None:
        origin = request.headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
            return PlainTextResponse("this comes from another site's page", 403)
        if self._token is None or self._known(request):
            return None
        if request.url.path == LOGIN and request.method == "POST":
            return await self._login(request)
        if request.url.path == "/" and request.method == "GET":
            return HTMLResponse(render("login.html", wrong=False, to=LOGIN), 401, PRIVATE)
        return PlainTextResponse("the token is missing; open the first page", 401)

    def _known(self, request: Request) -> bool:
        sent = request.cookies.get(COOKIE, "")
        return any(secrets.compare_digest(sent.encode(), each.encode()) for each in self._passes)

    async def _login(self, request: Request) -> Response:
        content = b""
        async for piece in request.stream():
            content += piece
            if len(content) > LONGEST_FORM:
                return PlainTextResponse("this is no token", 413)
        given = parse_qs(content.decode("utf-8", "replace")).get("token", [""])[0].strip()
        if self._token is None or not secrets.compare_digest(given.encode(), self._token.encode()):
            await asyncio.sleep(PAUSE)
            return HTMLResponse(render("login.html", wrong=True, to=LOGIN), 401, PRIVATE)
        new = secrets.token_urlsafe(32)
        self._passes.add(new)
        response = RedirectResponse("/", 303, PRIVATE)
        response.set_cookie(COOKIE, new, httponly=True, samesite="strict")
        return response
