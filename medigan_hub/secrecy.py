"""Secrets, struck out of what is shown: messages, tracebacks, logs, and answers that repeat them.

Secret are the user, the password and the query of any URL, and the values that this
process knows: tokens that were asked for, and variables whose names say so. Of a
value, any piece is struck out, also where it is encoded; what would hide it in another
way, such as a cipher, is not recognised.
"""

from __future__ import annotations

import base64
import html
import logging
import os
import re
import sys
import traceback
from collections.abc import Iterator
from functools import lru_cache
from types import TracebackType
from typing import NoReturn
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from weakref import WeakSet

STRUCK = "..."
PIECE_CHARACTERS = 8
"""Characters of a secret that are struck out together, and no fewer."""
MIN_CHARACTERS = 8
"""Characters of a variable's value that is taken for a secret; a shorter one is a setting."""

NAMED = re.compile(r"(TOKEN|SECRET|PASSWORD|PASSWD|PASS|PAT|API_?KEY)$", re.IGNORECASE)
USER = re.compile(r"(:/{1,2})[^\s\"'<>]*@")
IN_URL = re.compile(r"(://[^\s\"'<>?#]*)[?#][^\s\"'<>]+")
QUERY = re.compile(r"(?<=[\w/.%~-])\?[^\s\"'<>]+")
LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
"""For comparing without case; unlike str.lower, it never changes the length."""
LETTERS = ("%{:02x}", "\\u{:04x}", "\\x{:02x}", "&#{};", "&#x{:x};", "{:02x}")
"""Ways of writing a character by its number."""
LOGGERS = (
    *("requests", "urllib3", "urllib3.connection", "urllib3.connectionpool", "urllib3.poolmanager"),
    *("urllib3.response", "urllib3.util.retry", "pooch"),
)
"""Loggers of libraries that write URLs."""

_alive: WeakSet[Secret] = WeakSet()


class Secret:
    """A value that is not shown, compared, copied or stored, and struck out while it is known.

    >>> Secret("s3cr3t-of-mine").hidden("it is S3CR3T-OF-MINE, or czNjcjN0LW9mLW1pbmU=")
    'it is ..., or ...U='
    """

    __slots__ = ("__weakref__", "_value")

    def __init__(self, value: str) -> None:
        self._value = value
        _alive.add(self)

    def hidden(self, text: str) -> str:
        """Return text without the secret, or any piece of it, encoded or not."""
        return _without(text, _pieces(self._value))

    def is_repeated(self, text: str) -> bool:
        """Tell whether a text holds a piece of the secret, however it is quoted or broken up."""
        forms = {text, unquote(text), unquote(unquote(text)), html.unescape(text)}
        if any(self.hidden(form) != form for form in forms):
            return True
        pieces = _pieces(_plain(self._value))
        return any(piece in _plain(form) for form in forms for piece in pieces)

    def __repr__(self) -> str:
        return "Secret()"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not stored")


def struck(text: str) -> str:
    """Return text without the secrets of any URL in it, and without those that are known.

    >>> struck("no answer from https://me:word@example.org/list.json?token=1 in time")
    'no answer from https://...@example.org/list.json?... in time'
    """
    text = QUERY.sub(f"?{STRUCK}", IN_URL.sub(rf"\1?{STRUCK}", USER.sub(rf"\1{STRUCK}@", text)))
    for value in {*(secret._value for secret in _alive), *_of_environment()}:
        text = _without(text, _pieces(value))
    return text


def without_secrets(error: BaseException) -> str:
    """Return an error's kind and words, for another one to be raised from; see ``struck``."""
    return struck(f"{type(error).__name__}: {error}")


def trace(error: BaseException) -> str:
    """Return the traceback of an error and of all that led to it; see ``struck``."""
    return struck("".join(traceback.format_exception(error)))


def excepthook(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
    """Print an uncaught error, in place of ``sys.excepthook``."""
    sys.stderr.write(trace(error))


class _Filter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = struck(record.getMessage()), ()
        if record.exc_info and record.exc_info[1]:
            record.exc_text, record.exc_info = trace(record.exc_info[1]), None
        return True


_filter = _Filter()


def quieten_logs() -> None:
    """Strike secrets out of what libraries log of the URLs that they ask for."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(_filter)  # once, however often it is called


def _of_environment() -> Iterator[str]:
    """Yield the values of variables that are secret, and the secret parts of URLs in others."""
    for name, value in os.environ.items():
        if "://" in value:
            yield from (found for found in _of_urls(value) if len(found) >= MIN_CHARACTERS)
        elif (
            NAMED.search(name)
            and len(value.strip()) >= MIN_CHARACTERS
            and not value.startswith("/")
        ):
            yield value.strip()


def _of_urls(text: str) -> Iterator[str]:
    for word in text.split():
        try:
            parts = urlsplit(word)
            yield from filter(None, (parts.password, unquote(parts.password or "")))
            yield from (value for _, value in parse_qsl(parts.query))
        except ValueError:
            continue


@lru_cache(maxsize=64)
def _pieces(value: str) -> frozenset[str]:
    """Return what gives a secret away: each piece of it in each way of writing it."""
    length = min(PIECE_CHARACTERS, max(4, len(value) // 2))
    found = set()
    for written in (value, *_in_base64(value.encode())):
        found |= set(_windows(written, length))
    for window in _windows(value, length):
        found |= {window[::-1], quote(window, safe="")}
        found |= {"".join(form.format(ord(letter)) for letter in window) for form in LETTERS}
    return frozenset(piece.translate(LOWER) for piece in found if piece)


def _in_base64(content: bytes) -> Iterator[str]:
    """Yield what base64 makes of bytes, whatever stands before and after them."""
    for before in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            written = encode(bytes(before) + content).decode()
            first, last = (0, 2, 3)[before], (before + len(content)) * 8 // 6
            yield written[first:last]


def _windows(text: str, length: int) -> Iterator[str]:
    for start in range(max(1, len(text) - length + 1)):
        yield text[start : start + length]


def _without(text: str, pieces: frozenset[str]) -> str:
    folded, hits = text.translate(LOWER), []
    for piece in pieces:
        start = folded.find(piece)
        while start >= 0:
            hits.append((start, start + len(piece)))
            start = folded.find(piece, start + 1)
    made, end = "", 0
    for first, last in sorted(hits):
        if first > end or not end:
            made += text[end:first] + STRUCK
        end = max(end, last)
    return made + text[end:]


def _plain(text: str) -> str:
    """Return the letters and digits of a text alone."""
    return re.sub(r"[^0-9a-z]", "", text.translate(LOWER))
