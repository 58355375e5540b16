"""Fixtures: the app as it is served, and pages of it in a real browser."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from medigan_hub import Hub
from medigan_hub.app.server import Running, serve
from medigan_hub.app.settings import Settings

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser")
"""The first that is installed; one without windows has less to do."""
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the hub say what it takes of an upload: the page shows it."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore::medigan_hub.HubWarning"))


@pytest.fixture(scope="session")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of temporary files of the app that is running."""
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="session")
def running(temporary: Path) -> Iterator[Running]:
    """The app, for all tests that don't say how it is to be started."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(temporary))
        app = serve(Hub(), Settings(), port=0)
    yield app
    app.close()
    assert list(temporary.glob("medigan*")) == []


# Not of the whole session: Playwright keeps an event loop running in this thread, beside
# which no other test could start its own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, or a skipped test where there is none; in CI there has to be."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    try:
        from playwright.sync_api import expect, sync_playwright
    except ImportError:
        missing = "the package playwright is not installed"
    else:
        missing = "" if program else f"there is no Chromium: install Debian's {BROWSERS[0]}"
    if missing:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    expect.set_options(timeout=30_000)  # on a slow machine
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def visitor(browser: Any) -> Iterator[Any]:
    """A browser's profile for several pages: the second one has the scripts in its cache."""
    context = _profile(browser)
    yield context
    context.close()


@pytest.fixture
def open_page(
    browser: Any, visitor: Any, running: Running, install: object
) -> Iterator[Callable[..., Any]]:
    """Return a function that opens the app: each page is a user of its own.

    Pages are closed before the plugins that ``install`` installed are gone.
    A test fails in the end where one of its pages said an error on its console, or asked
    another machine for anything.
    """
    opened: list[Any] = []
    faults: list[str] = []

    def heard(message: Any) -> None:
        if message.type == "error":
            faults.append(f"on the console: {message.text} ({message.location})")

    def asked(request: Any) -> None:
        if urlsplit(request.url).hostname not in (None, "127.0.0.1"):
            faults.append(f"asked for {request.url}")

    def new_page(url: str = running.url, *, apart: bool = False, **settings: Any) -> Any:
        """Open ``url``, with ``apart`` in a browser that shares nothing with the other pages'."""
        profile = _profile(browser, **settings) if apart else visitor
        page = profile.new_page()
        opened.append(profile if apart else page)
        page.on("console", heard)
        page.on("pageerror", lambda error: faults.append(f"in a script: {error}"))
        page.on("request", asked)
        page.goto(url)
        page.get_by_text(" models.").wait_for()  # the catalogue is shown: the page is ready
        return page

    yield new_page
    for each in opened:
        each.close()
    assert faults == []


@pytest.fixture
def page(open_page: Callable[..., Any]) -> Any:
    """The app as a new user sees it."""
    return open_page()


def _profile(browser: Any, **settings: Any) -> Any:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, **settings)
    context.set_default_timeout(60_000)
    return context
