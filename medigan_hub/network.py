"""What the hub asks of the network, and whether it may."""

from __future__ import annotations

import os
import time
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from medigan_hub.errors import NetworkError

TIMEOUT = 10.0
"""Seconds that a server may take to answer, and between two parts of its answer."""
DEADLINE = 60.0
"""Seconds that a whole answer may take."""
LARGEST = 16 * 2**20
"""Bytes that an answer may have."""


class Answer(NamedTuple):
    """What a server gave."""

    url: str
    """Where it came from in the end, after any redirects."""
    content: bytes


def offline() -> bool:
    """Tell whether ``MEDIGAN_OFFLINE`` forbids the network."""
    no = ("", "0", "false", "no", "off", "n")
    return os.environ.get("MEDIGAN_OFFLINE", "").strip().lower() not in no


def shown(url: str) -> str:
    """Return a URL without what may be secret in it: user, password, query.

    >>> shown("https://user:password@models.example.org:8443/list.json?token=secret")
    'https://models.example.org:8443/list.json'
    >>> shown("https://user:pass/word@models.example.org/list.json")
    "a URL that can't be read"
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "a URL that can't be read"
    if not host or "@" in parts.path + parts.query + parts.fragment:
        return f"{parts.scheme}://..."  # where the secret ends can't be told
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path}"


def fetch(url: str) -> Answer:
    """Return what an ``http`` or ``https`` URL holds.

    Raises
    ------
    NetworkError
        The network is forbidden, the URL can't be read, the server can't be
        reached in time, answers with an error, or with too much.
    """
    name = shown(url)
    if offline():
        raise NetworkError(f"{name} can't be fetched: MEDIGAN_OFFLINE forbids the network")
    import requests
    import urllib3

    try:
        with requests.get(url, stream=True, timeout=TIMEOUT) as response:
            if not response.ok:
                raise NetworkError(f"{name} can't be fetched: {_status(response.status_code)}")
            return Answer(response.url, _content(response, name))
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
        raise NetworkError(f"{name} can't be fetched: {_reason(error)}") from error
    except ValueError as error:  # of parts of the URL that only the connection looks at
        raise NetworkError(f"{name} can't be fetched: it is no valid URL") from error


def _content(response: Any, name: str) -> bytes:
    deadline = time.monotonic() + DEADLINE
    # Not read(), which would wait for a whole part however slowly it comes.
    content = bytearray()
    while part := response.raw.read1(2**16, decode_content=True):
        content += part
        if len(content) > LARGEST:
            raise NetworkError(f"{name} can't be fetched: it has over {LARGEST // 2**20} MiB")
        if time.monotonic() > deadline:
            raise NetworkError(f"{name} can't be fetched: it takes over {DEADLINE:g} seconds")
    return bytes(content)


def _status(code: int) -> str:
    import http

    # Not the server's own words for it, which could hold anything.
    known = {status.value: status.phrase for status in http.HTTPStatus}
    return f"the server answers {code} {known.get(code, '')}".rstrip()


def _reason(error: Exception) -> str:
    """Say in a few words what went wrong; the library's own text may hold the whole URL."""
    kind = type(error).__name__
    if "Timeout" in kind:
        return f"no answer within {TIMEOUT:g} seconds"
    return {
        "ConnectionError": "the server can't be reached",
        "SSLError": "the server's certificate is not trusted",
        "InvalidURL": "it is no valid URL",
        "LocationParseError": "it is no valid URL",
        "TooManyRedirects": "it redirects in a circle",
    }.get(kind, f"the answer can't be read ({kind})")
