"""Where documents of models come from: the hub itself, and what ``MEDIGAN_CATALOGUE`` names.

``MEDIGAN_CATALOGUE`` holds folders and URLs, joined as in ``PATH`` (by a colon,
on Windows by a semicolon). A folder has one document a file, ``*.json``; a file
may also hold an array of documents. A URL has the same, and its array may name
further URLs, relative to its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from medigan_hub import metadata, network
from medigan_hub.errors import HubError, HubWarning, MetadataError
from medigan_hub.files import cache_folder, write_atomically
from medigan_hub.metadata import ModelMetadata

ENVIRONMENT = "MEDIGAN_CATALOGUE"
SHIPPED = Path(__file__).parent

URL = re.compile(r"https?://")
PLACE = re.compile(
    # A URL has colons of its own: after its scheme, before a password or port, in IPv6 addresses.
    r"https?://(?:[^/\s@]*@)?(?:\[[^\]]*\]|[^/?:;\s]*)(?::\d+)?"
    rf"(?:[/?][^{os.pathsep}\s]*)?|[^{os.pathsep}]+"
)


def models() -> Iterator[tuple[ModelMetadata, str]]:
    """Yield each valid document with where it is from, those shipped with the hub first.

    What can't be read, or is not valid, is a ``HubWarning`` and left out.
    """
    for path in sorted(SHIPPED.glob("*.json")):
        yield from ((model, "medigan-hub") for model, _ in _in_file(path))
    for place in places(os.environ.get(ENVIRONMENT, "")):
        if URL.match(place):
            yield from _at_url(place)
        else:
            yield from _in_folder(Path(place).expanduser())


def places(text: str) -> list[str]:
    """Split a value of ``MEDIGAN_CATALOGUE`` into folders and URLs.

    >>> places("models:http://127.0.0.1:8000/list.json:/srv/more")
    ['models', 'http://127.0.0.1:8000/list.json', '/srv/more']
    """
    return [place.strip() for place in PLACE.findall(text) if place.strip()]


def _in_folder(folder: Path) -> Iterator[tuple[ModelMetadata, str]]:
    if folder.is_file():
        yield from _in_file(folder)
    elif folder.is_dir():
        for path in sorted(folder.glob("*.json")):
            yield from _in_file(path)
    else:
        _warn(f"{folder} is no folder of documents; correct {ENVIRONMENT}")


def _in_file(path: Path) -> Iterator[tuple[ModelMetadata, str]]:
    try:
        content = metadata.read(path)
        value = metadata.parse(content, str(path))
    except MetadataError as error:
        _warn(f"{error}; it is left out")
        return
    for document, text, where in _documents(value, content, str(path)):
        yield from _valid(document, text, where)


def _at_url(url: str, *, may_name_others: bool = True) -> Iterator[tuple[ModelMetadata, str]]:
    name = network.shown(url)
    content = _fetched(url)
    if content is None:
        return
    value = metadata.parse(content, name)
    for document, text, where in _documents(value, content, name):
        if isinstance(document, str) and may_name_others:
            yield from _at_url(urljoin(url, document), may_name_others=False)
        else:
            yield from _valid(document, text, where)


def _documents(value: Any, content: bytes, where: str) -> Iterator[tuple[Any, bytes, str]]:
    """Yield the one document, or each of an array, with its text and where it stands."""
    if not isinstance(value, list):
        yield value, content, where
        return
    for position, document in enumerate(value):
        yield document, json.dumps(document).encode(), f"{where}[{position}]"


def _valid(document: Any, content: bytes, where: str) -> Iterator[tuple[ModelMetadata, str]]:
    try:
        yield metadata.checked(document, content, where), where
    except MetadataError as error:
        _warn(f"{error}; it is left out")


def _fetched(url: str) -> bytes | None:
    """Return what a URL holds; if it can't be had, the copy of the last time; else None."""
    copy = cache_folder() / "catalogue" / f"{hashlib.sha256(url.encode()).hexdigest()}.json"
    name = network.shown(url)
    if network.offline() and copy.is_file():
        return copy.read_bytes()
    try:
        if not URL.match(url):
            raise MetadataError(f"{name} is no http or https URL")
        content = network.fetch(url)
        metadata.parse(content, name)
    except HubError as error:
        if not copy.is_file():
            _warn(f"{error}; its models are left out")
            return None
        day = time.strftime("%Y-%m-%d", time.localtime(copy.stat().st_mtime))
        _warn(f"{error}; the copy of {day} is used")
        return copy.read_bytes()
    with suppress(OSError):  # a cache that can't be written is no reason to stop
        write_atomically(copy, content)
    return content


def _warn(message: str) -> None:
    warnings.warn(message, HubWarning, stacklevel=2)
