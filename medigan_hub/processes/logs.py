"""What pip and published code said: kept where something went wrong, told in one line."""

from __future__ import annotations

import re
import secrets
from contextlib import suppress
from pathlib import Path

from medigan_hub.files import cache_folder, write_atomically

MAX_LOGS = 20
"""Logs that are kept."""
TAIL_BYTES = 2**20
"""Bytes of a log that are kept: its end."""
MAX_CHARACTERS = 300
"""Characters of a message that is not the hub's own."""
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def keep(log: Path, name: str) -> str:
    """Keep the end of a log in the cache, drop the oldest there, and say where it is.

    >>> keep(Path("no-such-file"), "toy")
    'there is no log'
    """
    content = tail(log)
    if not content.strip():
        return "there is no log"
    folder = cache_folder() / "logs"
    path = folder / f"{name}-{secrets.token_hex(4)}.log"
    try:
        write_atomically(path, content)
    except OSError as error:
        return f"the log could not be kept: {error.strerror or error}"
    with suppress(OSError):  # another process may drop them, too
        for old in sorted(folder.glob("*.log"), key=lambda log: log.stat().st_mtime_ns)[:-MAX_LOGS]:
            old.unlink()
    return f"its messages are in {path}"


def tail(log: Path) -> bytes:
    """Return the end of a log; nothing where there is none."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - TAIL_BYTES))
            return stream.read()
    except OSError:
        return b""


def lines(log: Path) -> list[str]:
    """Return the last lines of a log that hold anything, each as ``one_line`` does."""
    found = tail(log).decode("utf-8", "replace").splitlines()
    return [words for line in found if (words := one_line(line))]


def one_line(text: str) -> str:
    r"""Return a text without line breaks and control characters, and cut if it is long.

    >>> one_line("no\n\x1b[31msuch   file\x1b[0m ")
    'no such file'
    """
    words = " ".join(CONTROL.sub(" ", text).split())
    return words if len(words) <= MAX_CHARACTERS else words[: MAX_CHARACTERS - 3] + "..."
