"""The doors behind the gate: the closed list of requests that the web framework gets to see.

It has many more routes than the page uses, some of which fetch URLs, read files or call
functions of components for whoever asks; a new version may bring others. So only what
is listed here is passed on, and of an event only what its page would send. Files come
in and go out by the hub's own hands.
"""

from __future__ import annotations

import errno
import json
import math
import re
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response

from medigan_hub.app.bodies import Refused, pieces, read
from medigan_hub.app.files import GONE
from medigan_hub.app.settings import MAX_UPLOAD_BYTES, MAX_UPLOADS, MOST_HELD, MOST_HELD_IN_ALL
from medigan_hub.errors import RequestError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from medigan_hub.app.files import Files
    from medigan_hub.app.session import Session, Sessions

API = "/gradio_api"
PAGES = ("/", "/config", "/theme.css", "/manifest.json", "/favicon.ico")
FOLDERS = re.compile(r"/(assets|static)(/[\w-][\w.-]{0,99}){1,9}", re.ASCII)
"""The scripts, styles and icons of the web framework."""
HEARTBEAT = re.compile(API + r"/heartbeat/([\w-]{1,64})")
NAME = re.compile(r"[\w-]{1,64}")
"""What a page calls itself: a random word that no other page knows."""
NEWS = API + "/queue/data"
EVENTS = (API + "/queue/join", API + "/run/predict")
UPLOAD = API + "/upload"
PROGRESS = API + "/upload_progress"
FILE = API + "/file="

MAX_EVENT_BYTES = 2**19
MAX_TEXT_CHARACTERS = 10_000
MAX_DIGITS = 40
MAX_NAME_BYTES = 200
MAX_VALUES = 1000
"""Bounds: bytes of an event, characters of a text, digits of a number, bytes of a name, values."""


class Doors:
    """ASGI middleware: passes on what the page needs, and takes and hands out files."""

    def __init__(self, app: ASGIApp, files: Files, sessions: Sessions) -> None:
        self._app = app
        self._files = files
        self._sessions = sessions
        self._arriving = 0  # bytes of uploads that are under way

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            answer = await self._answer(request, send)
        except Refused as refused:
            answer = PlainTextResponse(str(refused), refused.status)
        except ClientDisconnect:
            return
        if answer is not None:
            await answer(scope, receive, send)

    async def _answer(self, request: Request, send: Send) -> Response | None:
        """Return the hub's own answer; None where the web framework has given its."""
        # Not that of the URL, which the header Host has a part in.
        path, reads = request.scope["path"], request.method in ("GET", "HEAD")
        query = b""
        if reads and path.startswith(FILE):
            return self._download(path.removeprefix(FILE))
        if request.method == "POST" and path == UPLOAD:
            return await self._upload(request)
        if reads and path == PROGRESS:  # of which there is no news but the answer to the upload
            return PlainTextResponse('data: {"msg": "done"}\n\n', media_type="text/event-stream")
        if request.method == "POST" and path in EVENTS:
            await self._pass(request, send, body=await self._event(request))
            return None
        if reads and path == NEWS:
            name = request.query_params.get("session_hash", "")
            query = b"session_hash=" + _name(name).encode()
        elif reads and (beat := HEARTBEAT.fullmatch(path)):
            with self._sessions.watched(beat[1]):
                await self._pass(request, send)
            return None
        elif not (reads and (path in PAGES or FOLDERS.fullmatch(path))):
            raise Refused("there is nothing here", 404)
        await self._pass(request, send, query=query)
        return None

    async def _pass(
        self, request: Request, send: Send, *, query: bytes = b"", body: bytes | None = None
    ) -> None:
        """Let the web framework answer: without a query but ours, and with a body of ours."""
        scope = {**request.scope, "query_string": query}
        receive = request.receive
        if body is not None:
            scope["headers"] = [
                *((name, value) for name, value in scope["headers"] if name not in _OF_BODIES),
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
            ]
            receive = _told(body, receive)
        begun = False

        async def send_on(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, send_on)
        except Exception as error:
            # What any client may cause as often as it likes is a line in the terminal of the app.
            fault = f"{scope['path'][:MAX_NAME_BYTES]!r} failed: {type(error).__name__}"
            print(f"medigan app: {fault}", file=sys.stderr)  # noqa: T201 (where faults are said)
            if not begun:
                raise Refused("this can't be answered", 500) from error

    async def _event(self, request: Request) -> bytes:
        """Return the body of an event, of which everything is left out that no page sends.

        Raises
        ------
        Refused
            It is none, or names a file that is not its page's own.
        """
        content = await read(request, MAX_EVENT_BYTES)
        try:
            event = json.loads(
                content, parse_int=_whole, parse_float=_finite, parse_constant=_no_number
            )
        except (ValueError, RecursionError) as error:
            raise Refused("this is no event") from error
        if not isinstance(event, dict) or not isinstance(event.get("data"), list):
            raise Refused("this is no event")
        name = _name(event.get("session_hash"))
        session = self._sessions.use(name)
        passed: dict[str, Any] = {
            "data": [self._value(value, session) for value in _few(event["data"])],
            "event_data": _told_of(event),
            "session_hash": name,
        }
        for number in ("fn_index", "trigger_id"):
            value = event.get(number)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
                raise Refused(f"{number} is no number")
            passed[number] = value
        return json.dumps(passed).encode()

    def _value(self, value: Any, session: Session | None) -> Any:
        """Return a value of a field: what was typed or chosen, or uploads, or a list of these."""
        if isinstance(value, list):
            values = _few(value)
            if any(isinstance(each, list) for each in values):
                raise Refused("a field has no value like this")
            return [self._value(each, session) for each in values]
        if not isinstance(value, dict):
            return _short(value)
        path = value.get("path")
        if not isinstance(path, str):
            raise Refused("a field has no value like this")
        try:
            self._files.claim(path, session) if session is not None else _gone()
        except RequestError as error:
            raise Refused(str(error)) from error
        # No address to fetch it from, and nothing else that a page would not say.
        return {"path": path, "meta": {"_type": "gradio.FileData"}}

    def _download(self, path: str) -> Response:
        found = self._files.find(path)
        if found is None:
            raise Refused(GONE, 404)
        return FileResponse(
            found,
            media_type="application/octet-stream",
            filename=found.name,
            headers={"Cache-Control": "no-store"},
        )

    async def _upload(self, request: Request) -> Response:
        """Take files; until all of them are here none has a name, so that none is left behind."""
        arrived = 0

        async def arriving() -> AsyncGenerator[bytes, None]:
            nonlocal arrived
            async for piece in pieces(request):
                arrived += len(piece)
                self._arriving += len(piece)
                if arrived > MOST_HELD or self._arriving > MOST_HELD_IN_ALL:
                    raise Refused("more was uploaded at once than the app takes", 413)
                yield piece

        try:
            form = await MultiPartParser(
                request.headers, arriving(), max_files=4 * MAX_UPLOADS, max_fields=0
            ).parse()
            try:
                sent = [file for _, file in form.multi_items() if isinstance(file, UploadFile)]
                if any((file.size or 0) > MAX_UPLOAD_BYTES for file in sent):
                    raise Refused(f"a file has at most {MAX_UPLOAD_BYTES >> 20} MiB", 413)
                kept = await run_in_threadpool(
                    self._files.take, [(_file_name(file.filename), file.file) for file in sent]
                )
            finally:
                await form.close()
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            words = "the disk is full" if full else "it can't be written"
            raise Refused(f"the app can't keep the upload: {words}", 507) from error
        except (MultiPartException, HTTPException, ValueError, LookupError) as error:
            raise Refused("this is no upload that can be taken") from error
        finally:
            self._arriving -= arrived
        return JSONResponse([str(path) for path in kept])


_OF_BODIES = (b"content-type", b"content-length", b"content-encoding", b"transfer-encoding")


def _told(body: bytes, receive: Receive) -> Callable[[], Awaitable[Any]]:
    """Return what an application receives a body by, and then whatever comes."""
    told = False

    async def receive_body() -> Any:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_body


def _name(name: Any) -> str:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise Refused("a page has another name than this")
    return name


def _few(values: list[Any]) -> list[Any]:
    if len(values) > MAX_VALUES:
        raise Refused(f"{len(values)} values were sent; at most {MAX_VALUES} are taken")
    return values


def _short(value: Any) -> Any:
    if isinstance(value, str) and not value.isascii() and re.search("[\ud800-\udfff]", value):
        raise Refused("a text has characters that there are not")
    if isinstance(value, str) and len(value) > MAX_TEXT_CHARACTERS:
        raise Refused(
            f"a text has {len(value)} characters; at most {MAX_TEXT_CHARACTERS} are taken", 413
        )
    return value


def _told_of(event: dict[str, Any]) -> dict[str, Any] | None:
    """Return which button of a card was pressed: all that an event says beside its fields."""
    said = event.get("event_data")
    if not isinstance(said, dict):
        return None
    told = {name: said.get(name) for name in ("value", "index")}
    return {name: _short(value) if isinstance(value, str) else None for name, value in told.items()}


def _whole(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError("too many digits")
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("too large")
    return number


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no number")


def _gone() -> None:
    raise RequestError(GONE)


def _file_name(name: str | None) -> str:
    """Return a name for an upload: the letters of its own that every system takes."""
    own = (name or "").replace("\\", "/").rpartition("/")[2]
    plain = "".join(each for each in own if each.isprintable() and each not in '<>:"|?*')
    return plain.encode()[-MAX_NAME_BYTES:].decode("utf-8", "ignore").strip(" .") or "file"
