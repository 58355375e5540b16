"""The gate before the whole app: nothing is answered without the token where one is needed.

It stands before every route, not at some of them, so that no file, event or page of
the web framework is reached around it. The token is typed into a form, and never in
an address: those end up in histories and logs.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from medigan_hub.app.bodies import Refused, read
from medigan_hub.app.html import render

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOGIN = "/login-with-token"
COOKIE = "medigan-app"
MAX_FORM_BYTES = 4096
PAUSE_SECONDS = 1.0
"""Seconds that a wrong token waits for its answer, one after the other, so that guessing takes
for ever.
"""
MAX_GUESSES = 8
"""Wrong tokens that wait at a time; further ones are sent away."""
MAX_PASSES = 1000
"""Browsers that are known at a time; beyond them the one that came first has to log in again."""
NOTEBOOKS = "'self' http://localhost:* http://127.0.0.1:* vscode-webview: vscode-file:"
ALWAYS = {
    # The page asks nobody else for anything, whatever stands in a model's description. The web
    # framework makes its pages by scripts that they hold.
    "Content-Security-Policy": "default-src 'self' data: blob:; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; style-src 'self' 'unsafe-inline'; "
    # Inside the page of a notebook alone, so that no other site lays its own over the buttons.
    f"frame-ancestors {NOTEBOOKS}; "
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
        self._passes: list[str] = []  # what browsers were given in exchange for the token
        self._guesses = 0
        self._guessing = asyncio.Lock()

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
                if message["status"] >= 400:  # of which not all may have been read
                    MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        response = await self._refusal(request)
        await (response or self._app)(scope, receive, send_safely)

    async def _refusal(self, request: Request) -> Response | None:
        if _is_of_another_site(request):
            return PlainTextResponse("this comes from another site's page", 403)
        if self._token is None or self._known(request):
            return None
        path = request.scope["path"]  # not that of the URL, which the header Host has a part in
        if path == LOGIN and request.method == "POST":
            return await self._login(request)
        if path == "/" and request.method == "GET":
            return HTMLResponse(render("login.html", wrong=False, to=LOGIN), 401, PRIVATE)
        return PlainTextResponse("the token is missing; open the first page", 401)

    def _known(self, request: Request) -> bool:
        sent = request.cookies.get(COOKIE, "")
        return any(secrets.compare_digest(sent.encode(), each.encode()) for each in self._passes)

    async def _login(self, request: Request) -> Response:
        try:
            content = await read(request, MAX_FORM_BYTES)
        except (Refused, ClientDisconnect):
            return PlainTextResponse("this is no token", 413)
        given = parse_qs(content.decode("utf-8", "replace")).get("token", [""])[0].strip()
        if self._token is None or not secrets.compare_digest(given.encode(), self._token.encode()):
            if self._guesses >= MAX_GUESSES:
                return PlainTextResponse("too many wrong tokens; try again in a while", 429)
            self._guesses += 1
            try:
                async with self._guessing:
                    await asyncio.sleep(PAUSE_SECONDS)
            finally:
                self._guesses -= 1
            return HTMLResponse(render("login.html", wrong=True, to=LOGIN), 401, PRIVATE)
        new = secrets.token_urlsafe(32)
        self._passes = [*self._passes, new][-MAX_PASSES:]
        response = RedirectResponse("/", 303, PRIVATE)
        response.set_cookie(COOKIE, new, httponly=True, samesite="strict")
        return response


def _is_of_another_site(request: Request) -> bool:
    """Tell whether a browser sends this for the page of another site.

    Which may lead here, or lay the page in its own, but nothing more.
    """
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
        return True
    if request.headers.get("sec-fetch-site") not in ("cross-site", "same-site"):
        return False
    arrives = request.headers.get("sec-fetch-mode") == "navigate"
    return not (arrives and request.method == "GET" and request.scope["path"] == "/")
