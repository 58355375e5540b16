"""The command that starts the app."""

from __future__ import annotations

import signal
import webbrowser
from typing import Annotated, Any

import typer

from medigan_hub.cli.knobs import with_knobs
from medigan_hub.hub import Hub


@with_knobs("device", "allow_archive_code")
def app(
    model: Annotated[
        str | None,
        typer.Argument(help="The model that the page opens with.", show_default=False),
    ] = None,
    host: Annotated[
        str,
        typer.Option("--host", help="Address to listen to; beyond this machine, with a token."),
    ] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option("--port", help="Port; by default the first free one from 7860 on."),
    ] = None,
    browser: Annotated[bool, typer.Option("--browser", help="Open the page in a browser.")] = False,
    **knobs: Any,
) -> None:
    """Explore, run, steer and compare models in a browser."""
    from medigan_hub.app import server
    from medigan_hub.app.settings import Settings

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends it in order, as Ctrl-C does
    settings = Settings(model, **knobs)
    running = server.serve(Hub(), settings, host=host, port=port)
    try:
        print(f"the app is at {running.url} (Ctrl-C ends it)", flush=True)
        if running.token_is_new:
            print(f"its token: {running.token}", flush=True)
        elif running.token is not None:
            print(f"its token is the one in {server.TOKEN}", flush=True)
        if browser:
            webbrowser.open(running.url)
        running.wait()
    except KeyboardInterrupt:
        print("the app has ended")
    finally:
        running.close()
