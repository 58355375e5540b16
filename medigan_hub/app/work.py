"""Long jobs of the page: with progress, stopped when the user says so, errors in words."""

from __future__ import annotations

import functools
import inspect
import queue
import re
import sys
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, TypeVar

import gradio as gr

from medigan_hub import secrecy
from medigan_hub.app.html import render
from medigan_hub.errors import HubError

if TYPE_CHECKING:
    from medigan_hub.app.session import Session
    from medigan_hub.metadata import ModelMetadata

Value = TypeVar("Value")
Tell = Callable[[int, int], None]
"""Told the steps done and the steps in all; raises ``Stopped`` once the user has cancelled."""

UPLOADED = re.compile(
    r"(?<!\S)\S*?medigan-(app|passing)-[^\s/\\]{1,40}([/\\][^\s/\\]{1,99}){2,3}[/\\]"
)
"""Where an uploaded file lies, which is nobody's business; tried once for each word."""
MAX_CHARACTERS = 500
"""Characters of what is said of an error."""


class Stopped(Exception):  # noqa: N818 (nothing failed)
    """The user has cancelled the job."""


def follow(
    task: Callable[[Tell], Value], stop: Event, show: Callable[[int, int], Any]
) -> Generator[Any, None, Value]:
    """Run a task on another thread, yield what ``show`` makes of its progress; return its result.

    Raises
    ------
    Stopped
        ``stop`` was set, and the task has ended.
    """
    news: queue.Queue[tuple[int, int]] = queue.Queue()

    def tell(done: int, total: int) -> None:
        if stop.is_set():
            raise Stopped
        news.put((done, total))

    with ThreadPoolExecutor(1, "job") as thread:
        future = thread.submit(task, tell)
        try:
            while not future.done():
                with suppress(queue.Empty):
                    yield show(*news.get(timeout=0.1))
        finally:
            stop.set()  # also where nobody waits for the result any more
        return future.result()


@contextmanager
def job(session: Session) -> Iterator[Event]:
    """Give a job the event that the user's Cancel sets."""
    stop = session.begin()
    try:
        yield stop
    finally:
        stop.set()
        session.end(stop)


def status(name: str | None = None, words: str = "") -> gr.HTML:
    """Place the line that says how things stand; screen readers say it when it changes."""
    return gr.HTML(
        said(words) if words else "",
        elem_id=name,
        elem_classes="status",
        js_on_load="element.setAttribute('role', 'status')",
        apply_default_css=False,
    )


def progress(words: str, done: int, total: int) -> str:
    """Return a line on a job that is under way."""
    return render("progress.html", words=words, done=done, total=total)


def loading(model: ModelMetadata) -> str:
    """Return a line for the time before the first sample."""
    if any(file.is_remote for file in model.files):
        return said("Loading the model; its weights are downloaded when it is first used ...")
    return said("Loading the model ...")


def said(words: str) -> str:
    """Return a line on what is the case."""
    return render("said.html", words=words)


def complaint(words: str) -> str:
    """Return a line on what went wrong."""
    return render("complaint.html", words=words)


def shown(error: Exception) -> str:
    """Return what a user is told of an error."""
    words = UPLOADED.sub("", str(error))
    with suppress(RuntimeError):  # of a user who has none
        home = str(Path.home())
        words = words.replace(home, "~") if len(home) > 1 else words
    return words if len(words) <= MAX_CHARACTERS else f"{words[:MAX_CHARACTERS]} ..."


def in_words(status: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let what goes wrong in an event's handler be said in the component ``status``.

    A handler returns a dictionary of components and their new values, or is a
    generator of such, so that an error changes nothing else on the page.
    """

    def excused(error: Exception) -> dict[Any, str]:
        if isinstance(error, Stopped):
            return {status: said("Cancelled.")}
        if isinstance(error, HubError):
            return {status: complaint(shown(error))}
        sys.stderr.write(secrecy.trace(error))
        return {
            status: complaint(
                f"{type(error).__name__}: {shown(error)}; a fault of the hub, "
                "the terminal of the app shows where"
            )
        }

    def decorate(handler: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(handler)
        def answer(*arguments: Any) -> Any:
            try:
                return handler(*arguments)
            except Exception as error:
                return excused(error)

        @functools.wraps(handler)
        def stream(*arguments: Any) -> Iterator[Any]:
            try:
                yield from handler(*arguments)
            except Exception as error:
                yield excused(error)

        return stream if inspect.isgeneratorfunction(handler) else answer

    return decorate
