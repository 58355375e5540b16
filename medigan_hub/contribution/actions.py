"""Messages that GitHub Actions shows beside the file that they are about."""

from __future__ import annotations

import os
from pathlib import Path


def wanted() -> bool:
    """Tell whether this is a run of GitHub Actions."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def annotation(message: str, *, title: str, file: Path | None = None, level: str = "error") -> str:
    """Return the line that makes GitHub Actions show a message.

    >>> annotation("licence: 7% is none\\nsecond line", title="metadata", file=Path("a,b.json"))
    '::error file=a%2Cb.json,title=metadata::licence: 7%25 is none%0Asecond line'

    Source: "Workflow commands for GitHub Actions", GitHub's documentation.
    """
    properties = {"file": None if file is None else str(file), "title": title}
    words = ",".join(f"{key}={_property(value)}" for key, value in properties.items() if value)
    return f"::{level} {words}::{_escaped(message)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
