"""What goes to the terminal: text that can't take it over, in whatever encoding it has."""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

KEPT = ("\n", "\t")


class Stopped(Exception):  # noqa: N818 (nothing failed)
    """A command was told to stop, and did so in order; the message says how far it came."""


def prepare() -> None:
    """Make standard output and error take any text, also where they are closed or ASCII alone."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 (for as long as the program runs)
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def give_up(stream: TextIO) -> None:
    """Let what is still to be written vanish, once an output takes nothing any more.

    Without this, Python tries again when it ends, and fails with a code of its own.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def printable(text: str) -> str:
    r"""Return text with everything written out that steers a terminal.

    >>> printable("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    return "".join(
        character
        if character in KEPT or unicodedata.category(character)[0] != "C"
        else character.encode("unicode_escape").decode()
        for character in text
    )


def one_line(text: str, most: int = 2000) -> str:
    r"""Return text as one printable line of at most ``most`` characters.

    >>> one_line("a\n::b\u2028\x1b[31m")
    'a\\n::b\\u2028\\x1b[31m'
    """
    cut = text if len(text) <= most else f"{text[: most - 3]}..."
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in cut
    )


def text(value: object, **style: Any) -> Text:
    """Return a value as text for a table or card."""
    from rich.text import Text

    return Text(printable(str(value)), **style)


def console(pipe_width: int) -> Console:
    """Return where tables are printed; in a pipe there is no width to fit into."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else pipe_width, highlight=False)


def print_json(value: Any) -> None:
    """Print a value as JSON, in ASCII: every program and every locale can read that."""
    print(json.dumps(value, indent=2))


@contextmanager
def status() -> Iterator[Callable[[str], None]]:
    """Show on a terminal what is going on, a line that is written over; in a pipe nothing."""
    from rich.console import Console
    from rich.text import Text

    screen = Console(stderr=True)
    if not screen.is_terminal:
        yield lambda _: None
        return
    with screen.status("") as shown:
        yield lambda words: shown.update(Text(printable(words)))
