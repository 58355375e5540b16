"""Where documents of models come from: the hub itself, and what ``MEDIGAN_CATALOGUE`` names.

``MEDIGAN_CATALOGUE`` holds folders and URLs, joined as in ``PATH`` (by a colon,
on Windows by a semicolon); a relative folder that follows a URL begins with a
dot. A folder has one document a file, ``*.json``; a file may also hold an array
of documents. A URL has the same, and its array may name further URLs, relative
to its own.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from medigan_hub import metadata, web
from medigan_hub.errors import HubError, HubWarning, MetadataError, NetworkError
from medigan_hub.files import cache_folder, read_own, write_atomically
from medigan_hub.metadata import ModelMetadata

ENVIRONMENT = "MEDIGAN_CATALOGUE"
SHIPPED = Path(__file__).parent
SHIPPED_ORIGIN = "medigan-hub"
MAX_NAMED = 100
"""URLs that one answer may name."""
MAX_INVALID = 50
"""Documents of one file or answer that may be none, before the others are left out, too."""

SCHEME = r"(?:https?|ftps?|file|s3|gs):/"
WEB = re.compile(r"https?://", re.IGNORECASE)
# A URL may hold colons of its own; it ends where one is followed by the beginning of a place.
PLACE = re.compile(
    rf"{SCHEME}.*?(?={os.pathsep}(?:[/.~]|{SCHEME})|$)|[^{os.pathsep}]+", re.IGNORECASE | re.DOTALL
)

Document = tuple[ModelMetadata, str]
"""A valid document, and where it is from."""


def models() -> Iterator[Document]:
    """Yield each valid document with where it is from, those shipped with the hub first.

    What can't be read, or is not valid, is a ``HubWarning`` and left out.
    """
    for path in sorted(SHIPPED.glob("*.json")):
        yield from ((model, SHIPPED_ORIGIN) for model, _ in _in_file(path))
    for place in places(os.environ.get(ENVIRONMENT, "")):
        try:
            yield from _at(place)
        except (OSError, RuntimeError, ValueError) as error:
            # A name that the system can't take, a folder that may not be listed, ...
            reason = getattr(error, "strerror", None) or type(error).__name__
            _warn(f"a place in {ENVIRONMENT} can't be read ({reason}); correct it")


def places(text: str) -> list[str]:
    """Split a value of ``MEDIGAN_CATALOGUE`` into folders and URLs.

    >>> places("models:http://127.0.0.1:8000/list.json?at=12:30:/srv/more")
    ['models', 'http://127.0.0.1:8000/list.json?at=12:30', '/srv/more']
    """
    return [place.strip() for place in PLACE.findall(text) if place.strip()]


def _at(place: str) -> Iterator[Document]:
    if WEB.match(place):
        yield from _at_url(place, may_name_others=True)
    elif re.match(SCHEME, place, re.IGNORECASE):
        # Not shown: what is no proper URL may hold a password anywhere.
        _warn(f"{ENVIRONMENT} names a URL that does not begin with http:// or https://; correct it")
    else:
        yield from _in_folder(Path(place).expanduser())


def _in_folder(folder: Path) -> Iterator[Document]:
    if folder.is_file():
        yield from _in_file(folder)
    elif folder.is_dir():
        for path in sorted(folder.iterdir()):
            if path.suffix == ".json" and path.is_file():
                yield from _in_file(path)
    else:
        _warn(f"{folder} is no folder of documents; correct {ENVIRONMENT}")


def _in_file(path: Path) -> Iterator[Document]:
    try:
        value = metadata.read(path)
    except MetadataError as error:
        _warn(f"{error}; it is left out")
        return
    invalid = 0
    for document, where in _documents(value, str(path)):
        found = _valid(document, where)
        if found is not None:
            yield found
        elif (invalid := invalid + 1) == MAX_INVALID:
            _give_up(str(path))
            return


def _at_url(url: str, *, may_name_others: bool) -> Iterator[Document]:
    fetched = _fetched(url)
    if fetched is None:
        return
    base, value = fetched
    named = invalid = 0
    for document, where in _documents(value, web.shown(url)):
        if not (isinstance(document, str) and may_name_others):
            found = _valid(document, where)
            if found is not None and _is_secure(base) and _can_be_changed(found[0]):
                _warn(
                    f"{where} names the weights of {found[0].name} by http without a sha256, so "
                    "that others could change them on their way; it is left out: tell those who "
                    "run it"
                )
                found = None
            if found is not None:
                yield found
            elif (invalid := invalid + 1) == MAX_INVALID:
                _give_up(web.shown(url))
                return
            continue
        named += 1
        if named > MAX_NAMED:
            _warn(f"{web.shown(url)} names over {MAX_NAMED} URLs; the others are left out")
            return
        try:
            other = urljoin(base, document)
        except ValueError:
            other = document
        if _is_secure(base) and other.lower().startswith("http:"):
            _warn(
                f"{web.shown(url)} names {web.shown(other)}, which others could change on "
                "its way; it is left out: tell those who run it to name it by https"
            )
            continue
        yield from _at_url(other, may_name_others=False)


def _is_secure(url: str) -> bool:
    return url.lower().startswith("https:")


def _can_be_changed(model: ModelMetadata) -> bool:
    """Tell whether what is downloaded as a model's weights may be others' by then.

    An MD5 doesn't count: whoever makes the weights can make two files that have it.
    """
    from medigan_hub.weights.places import is_private, place_of

    for file in model.files:
        if file.is_remote and file.sha256 is None:
            with suppress(HubError):  # it can't be downloaded at all
                place = place_of(model, file)
                if place.api is None and not is_private(place.url):
                    return True
    return False


def _documents(value: Any, where: str) -> Iterator[tuple[Any, str]]:
    """Yield the one document, or each of an array, and where it stands."""
    if not isinstance(value, list):
        yield value, where
        return
    for position, document in enumerate(value):
        yield document, f"{where}[{position}]"


def _valid(document: Any, where: str) -> Document | None:
    try:
        return metadata.checked(document, where), where
    except MetadataError as error:
        _warn(f"{error}; it is left out")
        return None


def _give_up(where: str) -> None:
    _warn(f"{where} holds {MAX_INVALID} documents that are not valid; the rest is left out")


def _fetched(url: str) -> tuple[str, Any] | None:
    """Return what a URL holds, and the URL in the end; if it can't be had, the last copy."""
    copy = cache_folder() / "catalogue" / f"{hashlib.sha256(url.encode()).hexdigest()}.json"
    name = web.shown(url)
    kept = None
    with suppress(OSError, MetadataError):
        kept = metadata.parse(read_own(copy), str(copy))
    if web.offline() and kept is not None:
        return url, kept
    try:
        if not WEB.match(url):
            raise NetworkError(f"{name} can't be fetched: it is no http or https URL")
        answer = web.fetch(url)
        value = metadata.parse(answer.content, name)
    except HubError as error:
        if kept is None:
            remedy = (
                f": download it in a browser, and name the file in {ENVIRONMENT}"
                if isinstance(error, web.Unwelcome)
                else ""
            )
            _warn(f"{error}; its models are left out{remedy}")
            return None
        day = time.strftime("%Y-%m-%d", time.localtime(copy.stat().st_mtime))
        _warn(f"{error}; the copy of {day} is used")
        return url, kept
    with suppress(OSError):  # a cache that can't be written is no reason to stop
        write_atomically(copy, answer.content)
    return answer.url, value


def _warn(message: str) -> None:
    warnings.warn(message, HubWarning, stacklevel=2)
