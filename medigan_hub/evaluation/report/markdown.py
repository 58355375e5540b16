"""A report as a section of a model card, in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from medigan_hub.card import plain
from medigan_hub.errors import OutputError, RequestError
from medigan_hub.evaluation.report.content import Report, Table
from medigan_hub.files import can_be_made, check_replaceable, write_atomically

MOST_BYTES = 2_000_000
"""Of a card that is read."""


def section(report: Report, kind: str, command: str) -> str:
    """Return what a card says of a report: its words and tables, and the command that makes them.

    Parameters
    ----------
    kind
        What was judged, a word such as ``evaluation``: it stands in the marks around the section,
        which the next report of this kind replaces.
    command
        That makes the same figures again.
    """
    begin, end = _marks(kind)
    return "\n\n".join([begin, *_parts(report, command), end]) + "\n"


def write(report: Report, kind: str, command: str, path: Path) -> None:
    """Put the section into a card: in the place of the last one of its kind, or else at the end.

    Raises
    ------
    RequestError, OutputError
        There is no such file, it is no text, or can't be written.
    """
    text = check(path)
    found = section(report, kind, command)
    begin, end = map(re.escape, _marks(kind))
    old = re.compile(rf"{begin}\n.*?{end}\n", re.DOTALL)
    new = old.sub(lambda _: found, text, count=1) if old.search(text) else _after(text, found)
    try:
        write_atomically(path, new.encode())
    except OSError as error:
        raise OutputError(
            f"{path} can't be written: {error.strerror}; name another file"
        ) from error


def check(path: Path) -> str:
    """Return the text of a card that can be written to.

    Raises
    ------
    RequestError, OutputError
        As for ``write``.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise RequestError(f"{path} is no card: it has more than {MOST_BYTES // 1000} kB")
        text = content.decode()
    except OSError as error:
        raise RequestError(f"the card {path} can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RequestError(f"{path} is no card: it is no text in UTF-8") from error
    check_replaceable(path)
    if not can_be_made(path):
        raise OutputError(f"{path} can't be written; copy it to a folder of yours")
    return text


def _marks(kind: str) -> tuple[str, str]:
    return f"<!-- medigan {kind}: begin -->", f"<!-- medigan {kind}: end -->"


def _after(text: str, found: str) -> str:
    return f"{text.rstrip()}\n\n{found}" if text.strip() else found


def _parts(report: Report, command: str) -> Iterator[str]:
    yield f"{plain(report.about)}"
    yield from (plain(words) for words in report.verdict)
    for criterion, part in report.examined:
        if criterion.name in ("Comprehension", "Completeness"):
            continue
        yield from (plain(words) for words in part.words)
        yield from map(_table, part.tables)
    yield f"```\n{command}\n```"


def _table(table: Table) -> str:
    rows = [table.columns, ["---"] * len(table.columns), *table.rows]
    cells = ([plain(cell).replace("|", r"\|") for cell in row] for row in rows)
    lines = "\n".join(f"| {' | '.join(row)} |" for row in cells)
    return f"{plain(table.caption)}:\n\n{lines}"
