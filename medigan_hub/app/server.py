"""Where the app listens, and to whom: this machine alone, or whoever has the token."""

from __future__ import annotations

import asyncio
import importlib
import ipaddress
import logging
import os
import secrets
import socket
import sys
import tempfile
import threading
import time
import webbrowser
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from medigan_hub.app.settings import MAX_SESSIONS, MAX_UPLOAD_BYTES, Settings
from medigan_hub.errors import HubError, RequestError, named, require

if TYPE_CHECKING:
    import uvicorn

    from medigan_hub.app.context import Hub
    from medigan_hub.app.files import Files
    from medigan_hub.app.session import Sessions

Value = TypeVar("Value")

TOKEN = "MEDIGAN_APP_TOKEN"  # noqa: S105 (the name of a variable)
SILENT = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "OTEL_SDK_DISABLED": "true",
}
"""What keeps the web framework, and what it imports, from calling anybody."""
MIN_TOKEN_CHARACTERS = 16
"""Characters of a token that a user chooses."""
FIRST_PORT = 7860
MAX_CONNECTIONS = 16 * MAX_SESSIONS
SWEEP_SECONDS = 30.0
"""Seconds between two looks for what was left behind."""
MAX_PORTS = 100
"""How many ports are tried where none is named."""
LOOPBACK_NAMES = ["127.0.0.1", "localhost", "[::1]"]


@dataclass(eq=False)
class Running:
    """An app that is running."""

    url: str
    """Where this machine reaches it."""
    token: str | None
    """What its users have to know; None where it listens to this machine alone."""
    token_is_new: bool
    """Whether it was made for this run; otherwise it is the one in ``MEDIGAN_APP_TOKEN``."""
    _server: uvicorn.Server
    _thread: threading.Thread
    _left: ExitStack
    """Undoes what is left when the server has ended."""

    def __repr__(self) -> str:
        return f"<Running {self.url}>"  # without the token

    def wait(self) -> None:
        """Return when the app has ended."""
        while self._thread.is_alive():
            self._thread.join(0.2)  # in pieces, so that Ctrl-C comes through everywhere

    def close(self) -> None:
        """End the app, and remove what its users uploaded."""
        # Pages that are open keep a connection for ever: it is cut, and nobody need hear of it.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self._server.should_exit = True
        self._thread.join(10)
        self._left.close()


def serve(
    hub: Hub, settings: Settings, *, host: str = "127.0.0.1", port: int | None = None
) -> Running:
    """Start the app on another thread, and return when it answers.

    Parameters
    ----------
    host
        Address to listen to. Beyond loopback a token is demanded: that in
        ``MEDIGAN_APP_TOKEN``, or a new one.
    port
        By default the first free one from 7860 on; 0 is any free one.

    Raises
    ------
    MissingDependencyError
        The extra ``app`` is not installed.
    RequestError
        The address or the port can't be used.
    """
    os.environ.update(SILENT)
    gradio = require("gradio", extra="app", purpose="the app")
    import uvicorn
    from fastapi import FastAPI
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    from medigan_hub.app import page
    from medigan_hub.app.doors import Doors
    from medigan_hub.app.files import Files, shared_folder
    from medigan_hub.app.gate import Gate
    from medigan_hub.app.session import Sessions

    token = _token(host)
    with ExitStack() as undone:
        shared = undone.enter_context(shared_folder())
        files = tempfile.TemporaryDirectory(prefix="medigan-app-")
        undone.callback(files.cleanup)
        # Readable by this account alone, and removed in the end.
        users = Path(files.name, "users")
        users.mkdir()
        passing = Files(shared)
        sessions = Sessions(users, passing)
        blocks = _beside_a_loop(partial(page.build, hub, settings, sessions))
        listening = undone.enter_context(_listen(host, port))
        bound = listening.getsockname()[1]
        # A name that leads to loopback by another's doing is none of ours ("DNS rebinding").
        names = ["*"] if token is not None else [*LOOPBACK_NAMES, host]
        around = [
            Middleware(TrustedHostMiddleware, allowed_hosts=names),
            Middleware(Gate, token=token),
            Middleware(Doors, files=passing, sessions=sessions),
        ]
        app = FastAPI(
            openapi_url=None,
            docs_url=None,
            redoc_url=None,
            middleware=around,
            lifespan=partial(_swept, sessions, passing),
        )
        mount = partial(
            gradio.mount_gradio_app,
            app,
            blocks,
            path="/",
            server_name=host,
            server_port=bound,
            footer_links=[],
            run_history=False,
            max_file_size=MAX_UPLOAD_BYTES,
            allowed_paths=[],
            show_error=False,
            ssr_mode=False,
            mcp_server=False,
            enable_monitoring=False,
            pwa=False,
            **page.looks(),
        )
        # Where it records the screen, which nobody asks it to; else a folder that all share.
        gradio.routes.DEFAULT_TEMP_DIR = str(shared)
        blocks.state_session_capacity = 2 * MAX_SESSIONS
        _beside_a_loop(mount)
        # Only an app that has launched is held to its own folder by the web framework, which
        # takes one for launched that it starts by itself. The doors do it before.
        blocks.has_launched = True
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                ws="none",
                limit_concurrency=MAX_CONNECTIONS,
                log_level="warning",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=0,
            )
        )
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listening]}, name="app", daemon=True
        )
        thread.start()
        while not server.started:
            if not thread.is_alive():
                raise HubError("the app could not be started; its messages above say why")
            time.sleep(0.01)
        left = undone.pop_all()
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (what a user asked for)
    shown = f"[{here}]" if ":" in here else here
    new = token is not None and TOKEN not in os.environ
    return Running(f"http://{shown}:{bound}/", token, new, server, thread, left)


def show(running: Running, *, block: bool) -> None:
    """Show a running app: inside a notebook, or in a browser, and then wait for its end."""
    if in_notebook():
        shown = importlib.import_module("IPython.display")
        shown.display(shown.IFrame(running.url, "100%", 900))
        return
    print(f"the app is at {running.url}")  # noqa: T201 (where no browser opens, it is what one needs)
    webbrowser.open(running.url)
    if block and not hasattr(sys, "ps1"):
        try:
            running.wait()
        except KeyboardInterrupt:
            running.close()


def in_notebook() -> bool:
    """Tell whether this is a notebook's kernel, which shows what it is given beside the code."""
    if "IPython" not in sys.modules:
        return False
    shell = sys.modules["IPython"].get_ipython()
    return shell is not None and "IPKernelApp" in shell.config


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches ``host``.

    >>> is_loopback("127.0.0.1"), is_loopback("0.0.0.0")
    (True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name may lead anywhere
        return False


@asynccontextmanager
async def _swept(sessions: Sessions, files: Files, app: object) -> AsyncIterator[None]:
    """Remove what was left behind, from time to time, as long as the app runs."""

    async def sweep() -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            await asyncio.to_thread(sessions.sweep)
            await asyncio.to_thread(files.sweep)

    sweeping = asyncio.create_task(sweep())
    try:
        yield
    finally:
        sweeping.cancel()


def _beside_a_loop(make: Callable[[], Value]) -> Value:
    """Call a function on a thread with an event loop.

    Where none runs, Gradio opens one for each of its locks, and closes none.
    """

    async def call() -> Value:
        return make()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, call()).result()


def _token(host: str) -> str | None:
    given = os.environ.get(TOKEN)
    if given is None:
        return None if is_loopback(host) else secrets.token_urlsafe(24)
    if len(given) < MIN_TOKEN_CHARACTERS:
        raise RequestError(
            f"the token in {TOKEN} has {len(given)} characters; take {MIN_TOKEN_CHARACTERS} or more"
        )
    return given


def _listen(host: str, port: int | None) -> socket.socket:
    """Return a socket that listens at an address."""
    if port is not None and not 0 <= port <= 65535:
        raise RequestError(f"there is no port {port}; use 1 to 65535, or 0 for any free one")
    ports = range(FIRST_PORT, FIRST_PORT + MAX_PORTS) if port is None else [port]
    problem: OSError | None = None
    for each in ports:
        try:
            family, kind, *_, address = socket.getaddrinfo(
                host, each, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            with ExitStack() as undone:
                found = undone.enter_context(socket.socket(family, kind))
                if os.name == "posix":  # elsewhere it would take a port from whoever has it
                    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                found.bind(address)
                found.listen(128)
                undone.pop_all()
                return found
        except OSError as error:
            problem = error
    reason = problem.strerror if problem is not None else "no port is free"
    where = port if port is not None else f"{FIRST_PORT} to {FIRST_PORT + MAX_PORTS - 1}"
    raise RequestError(
        f"the app can't listen at {host}, port {where}: {reason}; "
        f"name others with {named('host')} and {named('port')}"
    )
