"""Messages that GitHub Actions shows beside the file that they are about."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medigan_hub.terminal import one_line


def wanted() -> bool:
    """Tell whether this is a run of GitHub Actions."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def annotation(message: str, *, title: str, file: Path | None = None, level: str = "error") -> str:
    r"""Return the line that makes GitHub Actions show a message, whatever is in it.

    >>> annotation("licence: 7% is none\n::group::", title="metadata", file=Path("a,b.json"))
    '::error file=a%2Cb.json,title=metadata::licence: 7%25 is none\\n::group::'

    Source: "Workflow commands for GitHub Actions", GitHub's documentation.
    """
    properties = {"file": None if file is None else str(file), "title": title}
    words = ",".join(f"{key}={_property(value)}" for key, value in properties.items() if value)
    return f"::{level} {words}::{_escaped(message)}"


@contextmanager
def quoted() -> Iterator[None]:
    """In GitHub Actions, let nothing be a command that is printed meanwhile.

    A line is one if it begins with two colons, which a table that wraps can bring about.
    """
    if not wanted():
        yield
        return
    token = secrets.token_hex(16)
    print(f"::stop-commands::{token}")  # noqa: T201 (commands alone call this)
    try:
        yield
    finally:
        print(f"::{token}::")  # noqa: T201 (as above)


def _escaped(text: str) -> str:
    return one_line(text).replace("%", "%25")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
