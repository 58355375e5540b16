"""What the hub asks of the network, and whether it may."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from medigan_hub.errors import NetworkError

TIMEOUT = 10
"""Seconds that a server may take to answer, and between two parts of its answer."""


def offline() -> bool:
    """Tell whether ``MEDIGAN_OFFLINE`` forbids the network."""
    return os.environ.get("MEDIGAN_OFFLINE", "").strip().lower() not in ("", "0", "false", "no")


def shown(url: str) -> str:
    """Return a URL without what may be secret in it: user, password and query.

    >>> shown("https://user:password@models.example.org:8443/list.json?token=secret")
    'https://models.example.org:8443/list.json'
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def fetch(url: str) -> bytes:
    """Return what an ``http`` or ``https`` URL holds.

    Raises
    ------
    NetworkError
        The network is forbidden, the server can't be reached in time, or it
        answers with an error.
    """
    name = shown(url)
    if offline():
        raise NetworkError(f"{name} can't be fetched: MEDIGAN_OFFLINE forbids the network")
    import pooch
    import requests

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "download"
        try:
            pooch.HTTPDownloader(timeout=TIMEOUT)(url, str(file), None)
        except requests.exceptions.RequestException as error:
            raise NetworkError(f"{name} can't be fetched: {_reason(error)}") from error
        return file.read_bytes()


def _reason(error: Exception) -> str:
    """Say in a few words what went wrong; the library's own text may hold the whole URL."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"the server answers {response.status_code} {response.reason}".rstrip()
    kind = type(error).__name__
    if "Timeout" in kind:
        return f"no answer within {TIMEOUT} seconds"
    return {
        "ConnectionError": "the server can't be reached",
        "SSLError": "the server's certificate is not trusted",
    }.get(kind, kind)
