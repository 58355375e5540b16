"""The deposits of a user on a server that runs Zenodo's software.

zenodo-client gives the addresses, the actions and the model of the metadata.
This is the one place that works around what it does otherwise than needed here:

- It puts the token into every URL, as ``access_token``. Here its own token is
  None, a parameter that ``requests`` leaves out, and the three methods through
  which it sends are replaced by ones that send with a header, once more where
  that may help, and never where a redirect leads.
- It looks for tokens in files of the user's home. It is given an empty one, so
  that it looks nowhere.
- It knows two servers. Its addresses are set anew for any other.
- pystow, which it is built on, makes a folder in the user's home as soon as it
  is imported. It is led to a temporary one.
- Its ``create`` and ``update`` can't be resumed, so they are not used.

Sources: the REST API of Zenodo, https://developers.zenodo.org, and the answers of
its current software (zenodo-rdm), which differ from it in places named below.
"""

from __future__ import annotations

import os
import re
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from medigan_hub import web
from medigan_hub.contribution.publishing.connection import Connection
from medigan_hub.errors import NetworkError, named, require
from medigan_hub.hashes import Digests
from medigan_hub.web import Refused, Unavailable

DEPOSITS_PER_PAGE = 100
MAX_PAGES = 50
SETTLING_SECONDS = 2.0
"""Seconds until a list of deposits, which comes from a search index, shows a new one."""
SLOW_SECONDS = 300.0
"""Seconds that the server may take over an uploaded file, or over publishing."""

DOI = re.compile(r"10\.[0-9.]{4,20}/[-._;()/:0-9A-Za-z]{1,200}")

REMEDIES = {
    401: "the token from {source} is wrong or has expired: make another in the settings of your "
    "account there, Applications, with the scopes deposit:write and deposit:actions",
    403: "the token from {source} does not allow it: it lacks the scope deposit:write or "
    "deposit:actions, or the record is another account's",
    404: "it is not there, or not any more",
    413: "the file is too large for the server",
}


@dataclass(frozen=True)
class Stored:
    """A file as a server has it."""

    size: int
    md5: str
    """Nothing where its upload broke off."""
    id: str = ""
    """Name by which it can be removed from a draft."""


@dataclass(frozen=True)
class Deposit:
    """A draft, or the record that came of it."""

    id: int
    doi: str
    """Reserved for it, or registered."""
    concept: str
    """Number that all versions share."""
    submitted: bool
    """Whether it is published."""
    title: str
    version: str
    notes: str
    bucket: str
    url: str
    """Where a person finds it."""


def new_marker() -> str:
    """Return a word by which a draft is found again."""
    return f"medigan-publish-{secrets.token_hex(16)}"


class Deposits:
    """What can be done with the deposits of a user.

    Its methods raise ``NetworkError`` where the server does not do what it
    should, and ``Refused`` where it says that it won't.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._client = _client(connection)

    def check_token(self) -> None:
        """Raise where the token is none that the server takes."""
        self._connection.ask("GET", f"{self._client.depositions_base}?size=1")

    def read(self, number: int) -> Deposit | None:
        """Return a deposit, or None where it is gone."""
        try:
            return web.retry(lambda: self._read(number), self._connection.say)
        except Refused as error:
            if error.reply.status in (404, 410):
                return None
            raise

    def find(self, marker: str) -> list[Deposit]:
        """Return the deposits with a marker in their notes, as far as the list has them yet."""
        return web.retry(lambda: self._marked(marker), self._connection.say)

    def create(self, metadata: Mapping[str, Any], marker: str, *, look: bool) -> Deposit:
        """Return a draft with a marker in its notes: the one that is there, or a new one.

        ``look`` says that there may be one; once an answer was lost, there may be, too.
        """
        noted = {**metadata, "notes": f"{metadata.get('notes', '')} [{marker}]".strip()}
        may_be_there = look

        def attempt() -> Deposit:
            nonlocal may_be_there
            found = self._settled(lambda: self._marked(marker)) if may_be_there else []
            may_be_there = True
            if found:
                return found[0]
            reply = self._connection.once(
                "POST", self._client.depositions_base, value={"metadata": noted}
            )
            return self._deposit(self._connection.value(reply))

        return web.retry(attempt, self._connection.say)

    def new_version(self, record: Deposit) -> Deposit:
        """Return the draft of a record's next version: the one that is there, or a new one."""

        def attempt() -> int:
            try:
                reply = self._client.new_version(str(record.id), sleep=False)
            except Refused as error:
                # Zenodo's current software refuses a second one; the former gave the first again.
                if error.reply.status not in (400, 409):
                    raise
                if not (found := self._settled(lambda: self._open(record))):
                    raise
                return found[0].id
            return _latest_draft(self._connection.value(reply))

        number = web.retry(attempt, self._connection.say)
        draft = self.read(number)
        if draft is None or draft.submitted:
            raise NetworkError(
                f"{self._connection.server.host} gives no draft of a new version of {record.doi}; "
                "make one there, by New version on the page of the record, and run this again"
            )
        return draft

    def files(self, number: int) -> dict[str, Stored]:
        """Return the files of a draft, by name."""
        url = f"{self._client.depositions_base}/{number}/files"
        return self._listed(url)

    def record_files(self, number: int) -> dict[str, Stored]:
        """Return the files of a published record, by name."""
        url = f"{self._client.api_base}/records/{number}"
        return self._listed(url)

    def remove(self, number: int, file: Stored) -> None:
        """Remove a file from a draft, if it is there."""
        self._gone(f"{self._client.depositions_base}/{number}/files/{quote(file.id, safe='')}")

    def discard(self, number: int) -> None:
        """Delete a draft that was never published, if it is there."""
        self._gone(f"{self._client.depositions_base}/{number}")

    def upload(
        self,
        draft: Deposit,
        path: Path,
        digests: Digests,
        progress: Callable[[int, int | None], None] = lambda done, total: None,
    ) -> None:
        """Put a file into a draft, or another in its place."""

        def attempt() -> None:
            reply = self._client.send_file(draft.bucket, path, digests.size, progress)
            stored = _stored(self._connection.value(reply))
            if (stored.size, stored.md5) != (digests.size, digests.md5):
                raise Unavailable(
                    f"{self._connection.server.host} has stored {path.name} with "
                    f"{stored.size} bytes and the MD5 {stored.md5 or 'unknown'}, and it has "
                    f"{digests.size} and {digests.md5}"
                )

        web.retry(attempt, self._connection.say)

    def describe(self, number: int, metadata: Mapping[str, Any]) -> None:
        """Set all of a draft's metadata."""

        def attempt() -> None:
            reply = self._connection.once(
                "PUT", f"{self._client.depositions_base}/{number}", value={"metadata": metadata}
            )
            self._connection.value(reply)

        web.retry(attempt, self._connection.say)

    def publish(self, number: int) -> Deposit:
        """Publish a draft, which can't be undone, and return the record."""
        lost = False

        def attempt() -> Deposit:
            nonlocal lost
            if lost and (record := self._read(number)).submitted:
                return record
            lost = True
            self._client.publish(str(number), sleep=False)
            return self._read(number)

        record = web.retry(attempt, self._connection.say)
        if not record.submitted:
            raise NetworkError(
                f"{self._connection.server.host} took the order to publish {record.url}, and "
                "shows it as a draft still; wait a while, and run this again"
            )
        return record

    def _read(self, number: int) -> Deposit:
        url = f"{self._client.depositions_base}/{number}"
        return self._deposit(self._connection.value(self._connection.once("GET", url)))

    def _all(self) -> Iterator[Deposit]:
        """Yield the user's deposits, those that were changed last first."""
        for page in range(1, MAX_PAGES + 1):
            # No order is asked for: Zenodo's former and current software have other words for it.
            url = f"{self._client.depositions_base}?size={DEPOSITS_PER_PAGE}&page={page}"
            entries = self._connection.value(self._connection.once("GET", url))
            for entry in entries:
                with suppress(NetworkError):  # another program's, of which nothing is wanted
                    yield self._deposit(entry)
            if len(entries) < DEPOSITS_PER_PAGE:
                return

    def _marked(self, marker: str) -> list[Deposit]:
        return [deposit for deposit in self._all() if marker in deposit.notes]

    def _open(self, record: Deposit) -> list[Deposit]:
        """Return the draft of a record's next version, if there is one."""
        return [
            deposit
            for deposit in self._all()
            if not deposit.submitted and deposit.concept == record.concept
        ]

    def _settled(self, look: Callable[[], list[Deposit]]) -> list[Deposit]:
        """Look, and where nothing is found, again once the list has had time to show it."""
        found = look()
        if not found:
            web.pause(SETTLING_SECONDS)
            found = look()
        return found

    def _deposit(self, answer: Any) -> Deposit:
        try:
            metadata, links = answer["metadata"], answer.get("links", {})
            number = int(answer["id"])
            doi = answer.get("doi") or metadata.get("doi") or metadata["prereserve_doi"]["doi"]
            submitted = bool(answer["submitted"])
            page = _first(links, "record_html", "html") if submitted else links.get("html", "")
            kind = "records" if submitted else "deposit"
            if DOI.fullmatch(str(doi)) is None:
                raise ValueError("no DOI")
            return Deposit(
                id=number,
                doi=str(doi),
                concept=str(answer.get("conceptrecid", "")),
                submitted=submitted,
                title=str(metadata.get("title", "")),
                version=str(metadata.get("version", "")),
                notes=str(metadata.get("notes", "")),
                bucket=str(links.get("bucket", "")).rstrip("/"),
                url=self._connection.page(page, f"{self._client.base}/{kind}/{number}"),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise NetworkError(
                "the server describes a deposit in a way that is not Zenodo's; "
                f"{named('server')} must be the address of an installation of its software"
            ) from error

    def _listed(self, url: str) -> dict[str, Stored]:
        def attempt() -> dict[str, Stored]:
            answer = self._connection.value(self._connection.once("GET", url))
            try:
                files = answer if isinstance(answer, list) else answer["files"]
                return {str(_first(file, "key", "filename")): _stored(file) for file in files}
            except (KeyError, TypeError) as error:
                raise NetworkError(f"{web.shown(url)} does not list files") from error

        return web.retry(attempt, self._connection.say)

    def _gone(self, url: str) -> None:
        try:
            self._connection.ask("DELETE", url)
        except Refused as error:
            if error.reply.status not in (404, 410):
                raise


def client_library() -> Any:
    """Import zenodo-client, without a trace in the user's home.

    Raises
    ------
    MissingDependencyError
        It is not installed.
    """
    with tempfile.TemporaryDirectory() as folder, _environment("PYSTOW_HOME", folder):
        return require("zenodo_client", extra="contribute", purpose="publishing")


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _client(connection: Connection) -> Any:
    client_library()
    import zenodo_client

    class Client(zenodo_client.Zenodo):
        def __init__(self) -> None:
            super().__init__(access_token="", sandbox=True)
            self.access_token = None
            self.base = connection.server.base
            self.api_base = f"{self.base}/api"
            self.depositions_base = f"{self.api_base}/deposit/depositions"

        def _action(self, deposition_id: str, action: str, sleep: bool = True) -> Any:
            url = f"{self.depositions_base}/{deposition_id}/actions/{action}"
            return connection.once("POST", url, timeout=SLOW_SECONDS)

        def _get_deposition(self, deposition_id: str) -> Any:
            return connection.once("GET", f"{self.depositions_base}/{deposition_id}")

        def _upload_files(self, *, bucket: str, paths: Any, timeout: float) -> Any:
            paths = [paths] if isinstance(paths, str | Path) else paths
            return [self.send_file(bucket, path, path.stat().st_size) for path in map(Path, paths)]

        def send_file(
            self,
            bucket: str,
            path: Path,
            size: int,
            progress: Callable[[int, int | None], None] = lambda done, total: None,
        ) -> Any:
            url = f"{bucket}/{quote(path.name, safe='')}"
            with path.open("rb") as stream:
                # Without a length, or with none, requests would send it in chunks.
                content = _Read(stream, size, progress) if size else b""
                return connection.once("PUT", url, content=content, timeout=SLOW_SECONDS)

    return Client()


class _Read:
    """A file that is read, with its length, and who is told how far it is."""

    def __init__(self, stream: Any, size: int, progress: Callable[[int, int | None], None]) -> None:
        self._stream, self._size, self._progress = stream, size, progress
        self._done = 0

    def __len__(self) -> int:
        return self._size

    def read(self, count: int = -1) -> bytes:
        piece: bytes = self._stream.read(count)
        self._done += len(piece)
        self._progress(self._done, self._size)
        return piece


def _stored(entry: Mapping[str, Any]) -> Stored:
    """Read a file in any of the spellings of deposits, buckets and records."""
    checksum = str(entry.get("checksum") or "")
    size = entry.get("size", entry.get("filesize"))
    return Stored(
        size=size if isinstance(size, int) else -1,
        md5=checksum.removeprefix("md5:").lower(),
        id=str(entry.get("id", "")),
    )


def _latest_draft(answer: Any) -> int:
    # The answer itself is the record with Zenodo's former software, the draft with the current.
    try:
        return int(answer["links"]["latest_draft"].rstrip("/").rpartition("/")[2])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NetworkError("the server names no draft of the new version") from error


def _first(answer: Mapping[str, Any], *names: str) -> Any:
    found: Sequence[Any] = [answer[name] for name in names if name in answer]
    return found[0] if found else answer[names[-1]]
