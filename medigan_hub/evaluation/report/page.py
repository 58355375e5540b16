"""A report as a page of HTML that stands alone: no script, no link, no request."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from medigan_hub._version import __version__
from medigan_hub.errors import OutputError, require
from medigan_hub.evaluation.report.content import Report
from medigan_hub.files import can_be_made, check_replaceable, write_atomically
from medigan_hub.secrecy import struck

if TYPE_CHECKING:
    from jinja2 import Template

MAX_BYTES = 5_000_000
SUFFIXES = (".html", ".htm")
TEMPLATE = Path(__file__).with_name("page.html")
INSIDE = re.compile(r"<style>\n\.report.*?</style>|<article.*</article>", re.DOTALL)
"""What another page needs of it: its own style, and its content."""


def place(path: str | Path) -> Path:
    """Return where a report is written.

    Raises
    ------
    OutputError
        It is no name of a page, or can't be written.
    MissingDependencyError
        Jinja is not installed.
    """
    require("jinja2", extra="evaluation", purpose="writing a report")
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise OutputError(f"the report {path} is a page; give it a name as {path.stem}.html")
    check_replaceable(path)
    if not can_be_made(path):
        raise OutputError(f"{path} can't be written: {path.parent} is no folder of yours")
    return path


def write(report: Report, path: str | Path) -> Path:
    """Write a report, whole or not at all, and return its file.

    Raises
    ------
    OutputError
        It can't be written, or would be larger than 5 MB.
    """
    path = place(path)
    content = html(report).encode()
    if len(content) > MAX_BYTES:
        raise OutputError(
            f"the report would have {len(content) / 1e6:.0f} MB, and {MAX_BYTES / 1e6:.0f} at most "
            "are meant; judge by fewer extractors or groups"
        )
    try:
        write_atomically(path, content)
    except OSError as error:
        raise OutputError(
            f"{path} can't be written: {error.strerror}; name another file"
        ) from error
    return path


def html(report: Report, prefix: str = "report") -> str:
    """Return a report as a page; the ids of its parts begin with the prefix."""
    return struck(_template().render(report=report, prefix=prefix, version=__version__))


def fragment(report: Report, prefix: str) -> str:
    """Return what stands in the page with its style, to be part of another page.

    Where that holds several reports, each has a prefix of its own.
    """
    return "\n".join(INSIDE.findall(html(report, prefix)))


@cache
def _template() -> Template:
    jinja = require("jinja2", extra="evaluation", purpose="writing a report")
    found: Template = jinja.Environment(
        autoescape=True,
        undefined=jinja.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).from_string(TEMPLATE.read_text("utf-8"))
    return found
