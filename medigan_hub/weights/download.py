"""Remote weights: downloaded once, verified, pinned and kept in the cache."""

from __future__ import annotations

import json
import logging
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn

from medigan_hub import web
from medigan_hub.errors import HubError, NetworkError, OutputError, WeightsError
from medigan_hub.hashes import digests_of, hashed, sha256_once, state_of
from medigan_hub.locks import locked
from medigan_hub.metadata import WeightsFile
from medigan_hub.weights import pins
from medigan_hub.weights.owners import Owner
from medigan_hub.weights.pins import Pin
from medigan_hub.weights.places import Place, is_private, place_of
from medigan_hub.weights.progress import Progress, progress

MAX_FILE_BYTES = 20 * 2**30
"""Bytes that a file may have."""
SPARE_BYTES = 64 * 2**20
"""Bytes that a download leaves free on the disk."""
PIECE_BYTES = 2**18
TITLES = {"md5": "MD5", "sha256": "SHA-256"}
"""Of the checksums, by their algorithms."""


@dataclass(frozen=True)
class Download:
    """A verified file in the cache."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class Expected:
    """What a file must be, and who says so."""

    checksum: str
    """``md5:...`` or ``sha256:...``."""
    size: int | None
    source: str
    """metadata, pin or record."""


def fetch(model: Owner, file: WeightsFile | None = None) -> Download:
    """Return a remote file of a model, verified; it is downloaded when it is not there.

    By default it is the model's main one. A process hashes a file once for each
    state that it is found in.

    Raises
    ------
    NetworkError
        They are not there, and the network is forbidden or fails.
    WeightsError
        The model has no remote weights, what is downloaded is not what it must
        be, or nothing says what it must be.
    OutputError
        The cache can't be written, or has no room.
    """
    file = file or model.main_file
    place = place_of(model, file)
    try:
        found = cached(file, place)
        if found is not None:
            return found
        if web.offline():
            raise _offline(model, place)
        with progress(place.name) as bar, locked(place.lock, bar.waiting) as held:
            found = cached(file, place)
            if found is None:
                with _by_hand_else(model, place), _part(place, alone=bool(held)) as part:
                    found = _download(model, file, place, part, bar)
            return found
    except OSError as error:
        raise OutputError(
            f"the weights of {model.name} can't be kept in {place.path.parent}: "
            f"{error.strerror or error}; MEDIGAN_CACHE names another folder"
        ) from error


def cached(file: WeightsFile, place: Place) -> Download | None:
    """Return the file in the cache if it is there and what it must be; nothing is downloaded."""
    checksum = known_sha256(file, place)
    if checksum is None or not place.path.is_file():
        return None
    return Download(place.path, checksum) if sha256_once(place.path) == checksum else None


def known_sha256(file: WeightsFile, place: Place) -> str | None:
    """Return the SHA-256 that the file must have: the metadata's, else the pinned one."""
    if file.sha256 is not None:
        return file.sha256
    pin = pins.read(place.key)
    # A pin of what the metadata no longer describes doesn't count.
    valid = pin is not None and file.md5 in (None, pin.md5)
    return pin.sha256 if pin is not None and valid else None


def pin(place: Place, url: str | None = None) -> Download:
    """Pin the file in the cache as it is; ``url`` is where it came from, by default the place's."""
    found = digests_of(place.path)
    modified = state_of(place.path).changed
    url = web.shown(url or place.url)
    pins.write(place.key, Pin(found.sha256, found.md5, found.size, url, modified))
    return Download(place.path, found.sha256)


def check_room(place: Place, size: int) -> None:
    """Raise where so many bytes more have no room.

    Raises
    ------
    OutputError
        The disk is too full.
    """
    folder = place.path.parent
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if size + SPARE_BYTES > free:
        raise OutputError(
            f"{place.name} needs {(size + SPARE_BYTES) / 2**20:.0f} MiB, and {folder} has "
            f"{free / 2**20:.0f} MiB free; make room, or name another folder with MEDIGAN_CACHE"
        )


def _offline(model: Owner, place: Place) -> HubError:
    remedy = (
        "MEDIGAN_OFFLINE forbids the network; on a machine that has one: medigan weights fetch "
        f"{model.name} and medigan weights export DIR; then here: medigan weights import DIR"
    )
    if place.path.is_file():
        return WeightsError(
            f"the weights of {model.name} in {place.path} are damaged, or nothing says what they "
            f"must be, and {remedy}"
        )
    return NetworkError(
        f"the weights of {model.name} ({place.name}) are not in the cache, and {remedy}"
    )


@contextmanager
def _by_hand_else(model: Owner, place: Place) -> Iterator[None]:
    """Name the other way in an error of a server that gives nothing for now."""
    try:
        yield
    except (web.Unavailable, web.Unwelcome) as error:
        raise NetworkError(
            f"{error}; try again later, or download {web.shown(place.url)} in a browser and give "
            f"the file to: medigan weights import {model.name} FILE"
        ) from error


@contextmanager
def _part(place: Place, *, alone: bool) -> Iterator[Path]:
    """Yield where a download lies until it is complete, to be gone on with if that breaks off.

    Where no lock keeps others out, each has a part of its own, which nobody goes on with.
    """
    if alone:
        yield place.part
        return
    part = place.part.with_name(f".{place.name}.{secrets.token_hex(6)}.part")
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def _download(model: Owner, file: WeightsFile, place: Place, part: Path, bar: Progress) -> Download:
    import pooch

    expected = _expected(model, file, place, bar)
    # It says what it downloads, with the whole URL and in a pipe, too.
    pooch.get_logger().setLevel(logging.WARNING)
    try:
        pooch.retrieve(
            place.url,
            known_hash=expected.checksum,
            fname=place.path.name,
            path=place.path.parent,
            downloader=_Transfer(place, part, expected, bar),
        )
    except ValueError as error:  # of pooch, for a wrong checksum
        raise _mismatch(model, place, expected) from error
    return pin(place)


def _mismatch(model: Owner, place: Place, expected: Expected) -> WeightsError:
    algorithm, _, value = expected.checksum.partition(":")
    fact = f"what {web.shown(place.url)} holds is refused: its {TITLES[algorithm]} is not {value}, "
    if expected.source == "pin":
        return WeightsError(
            f"{fact}which was pinned in {pins.path()} when it was first downloaded; if its authors "
            f"have replaced it on purpose, forget the pin: medigan weights clear {model.name} "
            "--pins, and fetch it again"
        )
    who = "the metadata states" if expected.source == "metadata" else "its record reports"
    return WeightsError(
        f"{fact}as {who}; try again later: medigan weights fetch {model.name}, or tell the "
        "authors of the model"
    )


def _expected(model: Owner, file: WeightsFile, place: Place, bar: Progress) -> Expected:
    """Return what the file must be: by the metadata, the pin, or the record, in this order."""
    pinned = pins.read(place.key)
    for algorithm in ("sha256", "md5"):
        stated = getattr(file, algorithm)
        if stated is not None:
            same = pinned is not None and getattr(pinned, algorithm) == stated
            size = pinned.size if pinned is not None and same else None
            return Expected(f"{algorithm}:{stated}", size, "metadata")
    if pinned is not None:
        return Expected(f"sha256:{pinned.sha256}", pinned.size, "pin")
    if place.api is None:
        raise WeightsError(
            f"the weights of {model.name} come from {web.shown(place.url)}, and neither its "
            "metadata nor a Zenodo record states their checksum, without which nothing is "
            "downloaded; tell its authors"
        )
    if not is_private(place.api):
        raise NetworkError(
            f"MEDIGAN_ZENODO_URL is {web.shown(place.api).partition('/api/')[0]}; checksums "
            "can't be trusted that come by http, so name it by https"
        )
    return _recorded(model, place, bar)


def _recorded(model: Owner, place: Place, bar: Progress) -> Expected:
    """Return what the record's API says of the file, in either of its spellings."""
    assert place.api is not None  # noqa: S101 (for the type checker)
    api = place.api
    answer = web.retry(lambda: web.fetch(api), bar.say)
    try:
        files = json.loads(answer.content)["files"]
        names = {str(file.get("key", file.get("filename"))): file for file in files}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise NetworkError(
            f"{web.shown(api)} does not describe a record; MEDIGAN_ZENODO_URL may name what "
            "is no mirror of Zenodo"
        ) from error
    file = names.get(place.name)
    remedy = f"without a checksum nothing is downloaded; tell the authors of {model.name}"
    if file is None:
        listed = ", ".join(sorted(names)[:5]) or "none"
        raise WeightsError(
            f"the Zenodo record {place.record} has no file {place.name} (it has {listed}); {remedy}"
        )
    checksum = as_checksum(file.get("checksum"))
    if checksum is None:
        raise WeightsError(
            f"the Zenodo record {place.record} states no checksum of {place.name}; {remedy}"
        )
    size = file.get("size", file.get("filesize"))
    return Expected(checksum, size if type(size) is int and size > 0 else None, "record")


def as_checksum(value: Any) -> str | None:
    """Return a checksum with its kind, as ``md5:...`` or ``sha256:...``; None if it is none.

    >>> as_checksum("D41D8CD98F00B204E9800998ECF8427E")
    'md5:d41d8cd98f00b204e9800998ecf8427e'
    """
    found = re.fullmatch(r"(?:(md5|sha256):)?([0-9a-f]{32}|[0-9a-f]{64})", str(value).lower())
    if found is None:
        return None
    algorithm = "md5" if len(found[2]) == 32 else "sha256"
    return f"{algorithm}:{found[2]}" if found[1] in (None, algorithm) else None


@dataclass
class _Transfer:
    """Downloads a file for pooch, and goes on where it was broken off."""

    place: Place
    part: Path
    expected: Expected
    bar: Progress
    resumed: bool = field(default=False, init=False)
    short: bool = field(default=False, init=False)
    """Whether a whole answer was shorter than the file must be."""

    def __call__(self, url: str, output: str, pooch: Any) -> None:
        # pooch's own temporary file, which a killed process would leave beside the part.
        Path(output).unlink()
        self._all(url)
        if self.resumed and not self._is_right():
            # The beginning is of another file, or damaged.
            self.part.unlink()
            self._all(url)
        self.part.replace(output)

    def _all(self, url: str) -> None:
        self.resumed = False
        web.retry(lambda: self._receive(url), self.bar.say, self._done)

    def _done(self) -> int:
        return self.part.stat().st_size if self.part.is_file() else 0

    def _receive(self, url: str) -> None:
        """Append to the part what it lacks."""
        done, size = self._done(), self.expected.size
        if done and done == size:
            self.resumed = True
            return
        if size is not None and done > size:
            done = 0
        headers = {"Accept-Encoding": "identity"}
        if done:
            headers["Range"] = f"bytes={done}-"
        with web.answer(url, headers, accepted=[416]) as response:
            if response.status_code == 416:
                self._beyond(url, response.headers.get("Content-Range", ""), done)
                return
            begins = response.headers.get("Content-Range", "").startswith(f"bytes {done}-")
            goes_on = response.status_code == 206
            if goes_on and not (done and begins):
                self._begin_anew(url)
            self.resumed = self.resumed or goes_on
            done = done if goes_on else 0
            total = size or _length(response.headers, done)
            pieces = _pieces(response.raw)
            start = next(pieces)
            # Before anything is written: a page must not take the place of what is there.
            if web.is_page(b"" if goes_on else start, response.headers):
                raise web.page_in_place(url)
            self._check_size(total or 0)
            check_room(self.place, (total or 0) - done)
            with self.part.open("ab" if goes_on else "wb") as stream:
                for piece in chain([start], pieces):
                    stream.write(piece)
                    done += len(piece)
                    self.bar.at(done, total)
                    if done > (size or MAX_FILE_BYTES):
                        break
        self._check_size(done)
        if total is not None and done < total:
            # Twice the same is no accident.
            whole = not goes_on and _length(response.headers, 0) == done
            if whole and self.short:
                raise ValueError("another file")
            self.short = whole
            raise web.Unavailable(
                f"{web.shown(url)} can't be fetched: it broke off after {done} of {total} bytes"
            )

    def _beyond(self, url: str, told: str, done: int) -> None:
        """Go on where a server says that nothing follows on the part."""
        if told == f"bytes */{done}":
            self.resumed = True
            return
        self._begin_anew(url)

    def _begin_anew(self, url: str) -> NoReturn:
        self.part.unlink(missing_ok=True)
        raise web.Unavailable(
            f"{web.shown(url)} can't be fetched: the server does not send what is missing"
        )

    def _check_size(self, size: int) -> None:
        if size > MAX_FILE_BYTES:
            raise WeightsError(
                f"{web.shown(self.place.url)} is refused: it has over "
                f"{MAX_FILE_BYTES / 2**30:g} GiB; tell the authors of the model"
            )

    def _is_right(self) -> bool:
        algorithm, _, value = self.expected.checksum.partition(":")
        with self.part.open("rb") as stream:
            return hashed(stream, algorithm)[1] == [value]


def _pieces(raw: Any) -> Iterator[bytes]:
    """Yield what comes, as it comes; first so much that one sees what it is."""
    start = b""
    while len(start) < web.START_BYTES and (piece := raw.read1(PIECE_BYTES, decode_content=True)):
        start += piece
    yield start
    while piece := raw.read1(PIECE_BYTES, decode_content=True):
        yield piece


def _length(headers: Any, done: int) -> int | None:
    """Return the bytes that the file has in all, if the server says so."""
    length = headers.get("Content-Length", "")
    encoded = headers.get("Content-Encoding", "identity") != "identity"
    return None if encoded or not length.isdecimal() else done + int(length)
