"""A server on loopback that speaks Zenodo's deposit interface, and fails where it is told to.

It takes tokens from the header and, as Zenodo does, from the URL: that none is
ever there is for the tests to find out.
"""

from __future__ import annotations

import datetime
import hashlib
import http.server
import json
import re
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote, unquote, urlsplit

from support.agents import PAGE, is_turned_away


class Request(NamedTuple):
    """What was asked of a server."""

    method: str
    path: str
    """As it was asked for, with any query."""
    headers: Mapping[str, str]
    body: bytes


class Answer(NamedTuple):
    """What a server says."""

    status: int
    value: Any = None
    """JSON, or bytes."""
    headers: Mapping[str, str] = {}


@dataclass
class Fault:
    """What goes wrong with the next request of a method and a path (a pattern, no query)."""

    method: str
    path: str
    status: int | None = None
    """Answer with this status in place of the right one."""
    value: Any = None
    """JSON to answer with."""
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False
    """Hang up instead of an answer."""
    after: bool = False
    """Only once what was asked is done: its answer is what is lost."""
    act: Callable[[], object] | None = None
    """Something that happens at this moment."""
    times: int = 1


class Dropped(Exception):  # noqa: N818 (it is meant)
    """The connection is closed without an answer; a hook, too, may raise it."""


class Loopback:
    """A server on 127.0.0.1 that records what it is asked; subclasses say what they answer.

    ``hook`` is called with the number of each request (from 1) and whether
    it is done, twice a request.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.hook: Callable[[int, bool], object] = lambda number, done: None
        self._faults: list[Fault] = []
        self._lock = threading.RLock()

    def __enter__(self) -> Any:
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def fail(self, method: str, path: str, **how: Any) -> None:
        """Let the next request of a method and a path fail; see ``Fault``."""
        self._faults.append(Fault(method, path, **how))

    def asked(self, method: str, path: str) -> list[Request]:
        """Return the requests so far of a method and a path, which is a pattern."""
        return [
            request
            for request in self.requests
            if request.method == method and re.fullmatch(path, urlsplit(request.path).path)
        ]

    def respond(self, request: Request, query: dict[str, str]) -> Answer:
        """Do what is asked, and return the answer."""
        raise NotImplementedError

    def _fault(self, request: Request) -> Fault | None:
        path = urlsplit(request.path).path
        for fault in self._faults:
            if fault.times and fault.method == request.method and re.fullmatch(fault.path, path):
                fault.times -= 1
                return fault
        return None

    def _answer(self, request: Request) -> Answer:
        parts = urlsplit(request.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        with self._lock:
            self.requests.append(request)
            if is_turned_away(request.headers):
                return Answer(403, PAGE)
            number = len(self.requests)
            self.hook(number, False)
            fault = self._fault(request)
            if fault is not None and fault.act is not None:
                fault.act()
            fails = fault is not None and (fault.drop or fault.status is not None)
            right = self.respond(request, query) if not fails or fault.after else None
            self.hook(number, True)
            if not fails:
                return right
            if fault.drop:
                raise Dropped
            return Answer(fault.status, fault.value, fault.headers)


def _handler(server: Loopback) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            with suppress(ConnectionError):  # of who was killed
                super().handle()

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            body = self.rfile.read(length)
            if len(body) < length or "chunked" in self.headers.get("Transfer-Encoding", ""):
                self.close_connection = True
                return
            try:
                answer = server._answer(Request(self.command, self.path, dict(self.headers), body))
            except Dropped:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            content, kind = answer.value, "application/octet-stream"
            if not isinstance(content, bytes):
                content = b"" if content is None else json.dumps(content).encode()
                kind = "application/json"
            self.send_response(answer.status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_HEAD = do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 (as the library calls them)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@dataclass
class File:
    """A file of a deposit."""

    id: str
    content: bytes

    @property
    def md5(self) -> str:
        return hashlib.md5(self.content, usedforsecurity=False).hexdigest()


@dataclass
class Deposit:
    """A draft or a record."""

    id: int
    concept: int
    owner: str
    metadata: dict[str, Any]
    files: dict[str, File] = field(default_factory=dict)
    submitted: bool = False
    hidden: int = 0
    """Lists that don't show it yet."""


LICENCES = ("mit", "cc-by-4.0", "apache-2.0", "gpl-3.0-only", "notspecified")
TYPES = ("publication", "poster", "dataset", "image", "video", "software", "lesson", "other")
RELATIONS = ("cites", "isDerivedFrom", "isSupplementTo", "isDescribedBy", "references")
SCOPES = frozenset({"deposit:write", "deposit:actions"})


class Zenodo(Loopback):
    """A server with Zenodo's deposits.

    Parameters
    ----------
    tokens
        Users by their tokens.
    former
        Answer a new version as Zenodo's former software does: with the record,
        and again with the same draft where there is one. The current one
        answers with the draft, and refuses where there is one.
    lag
        So many lists don't show a new draft, as where a search index is behind.
    """

    def __init__(
        self, tokens: Mapping[str, str], *, former: bool = False, lag: int = 0, first: int = 1000
    ) -> None:
        super().__init__()
        self.tokens = dict(tokens)
        self.scopes: dict[str, frozenset[str]] = {}
        """Scopes of tokens that don't have all."""
        self.former, self.lag = former, lag
        self.deposits: dict[int, Deposit] = {}
        self._next = first
        self.made = 0
        """Drafts that were ever made."""

    @property
    def records(self) -> list[Deposit]:
        """Return what is published."""
        return [deposit for deposit in self.deposits.values() if deposit.submitted]

    @property
    def drafts(self) -> list[Deposit]:
        """Return what is not."""
        return [deposit for deposit in self.deposits.values() if not deposit.submitted]

    def publish(self, number: int) -> None:
        """Publish a draft, as in a browser."""
        self.deposits[number].submitted = True

    def respond(self, request: Request, query: dict[str, str]) -> Answer:
        path = urlsplit(request.path).path
        parts = [unquote(part) for part in path.split("/")[1:]]
        public = self._public(request.method, parts)
        if public is not None:
            return public
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        token = token or query.get("access_token", "")
        user = self.tokens.get(token)
        if user is None:
            return Answer(401, {"status": 401, "message": f"no user has the token {token}"})
        scopes = self.scopes.get(token, SCOPES)
        needed = "deposit:actions" if "actions" in parts else "deposit:write"
        if request.method != "GET" and needed not in scopes:
            return Answer(403, {"status": 403, "message": "Permission denied."})
        return self._respond(request, query, parts, user)

    def _public(self, method: str, parts: list[str]) -> Answer | None:
        if method not in ("GET", "HEAD"):
            return None
        match parts:
            case ["api", "records", number] if self._record(number):
                return Answer(200, self._record_value(self.deposits[int(number)]))
            case ["records", number, "files", name] | [
                "api",
                "records",
                number,
                "files",
                name,
                "content",
            ] if self._record(number) and name in self.deposits[int(number)].files:
                return Answer(200, self.deposits[int(number)].files[name].content)
            case ["doi", prefix, name] if prefix == "10.5072":
                return Answer(302, None, {"Location": f"/records/{name.rpartition('.')[2]}"})
            case ["api", "records" | "files", *_] if parts[1] == "records":
                return Answer(404, {"status": 404, "message": "The record does not exist."})
        return None

    def _record(self, number: str) -> bool:
        found = self.deposits.get(int(number)) if number.isdecimal() else None
        return found is not None and found.submitted

    def _respond(
        self, request: Request, query: dict[str, str], parts: list[str], user: str
    ) -> Answer:
        match [request.method, *parts]:
            case ["GET", "api", "deposit", "depositions"]:
                return Answer(200, self._list(query, user))
            case ["POST", "api", "deposit", "depositions"]:
                return self._create(request, user)
            case [method, "api", "deposit", "depositions", number, *rest]:
                deposit = self.deposits.get(int(number))
                if deposit is None:
                    return _missing()
                if deposit.owner != user:
                    return Answer(403, {"status": 403, "message": "Permission denied."})
                return self._one(request, deposit, [method, *rest])
            case ["PUT", "api", "files", bucket, name]:
                deposit = self.deposits.get(int(bucket.removeprefix("bucket-")))
                if deposit is None or deposit.owner != user:
                    return _missing()
                return self._put(request, deposit, name)
        return _missing()

    def _one(self, request: Request, deposit: Deposit, what: list[str]) -> Answer:
        match what:
            case ["GET"]:
                return Answer(200, self._value(deposit))
            case ["PUT"] if not deposit.submitted:
                metadata = json.loads(request.body)["metadata"]
                faults = _faults(metadata)
                if faults:
                    return _invalid(faults)
                deposit.metadata = metadata
                return Answer(200, self._value(deposit))
            case ["DELETE"] if not deposit.submitted:
                del self.deposits[deposit.id]
                return Answer(204)
            case ["GET", "files"] if not deposit.submitted:
                return Answer(200, [_file(name, file) for name, file in deposit.files.items()])
            case ["DELETE", "files", number] if not deposit.submitted:
                for name, file in list(deposit.files.items()):
                    if file.id == number:
                        del deposit.files[name]
                        return Answer(204)
                return _missing()
            case ["POST", "actions", "publish"] if not deposit.submitted:
                faults = _faults(deposit.metadata)
                if not deposit.files:
                    faults.append({"field": "files", "message": "Minimum one file is required."})
                if faults:
                    return _invalid(faults)
                deposit.submitted = True
                return Answer(202, self._value(deposit))
            case ["POST", "actions", "newversion"] if deposit.submitted:
                return self._new_version(deposit)
            case [_, *_] if deposit.submitted:
                return Answer(403, {"status": 403, "message": "Deposition is published."})
        return _missing()

    def _create(self, request: Request, user: str) -> Answer:
        metadata = json.loads(request.body or b"{}").get("metadata", {})
        faults = _faults(metadata) if metadata else []
        if faults:
            return _invalid(faults)
        concept, number = self._next, self._next + 1
        self._next += 2
        deposit = Deposit(number, concept, user, metadata, hidden=self.lag)
        self.deposits[number] = deposit
        self.made += 1
        return Answer(201, self._value(deposit))

    def _new_version(self, deposit: Deposit) -> Answer:
        there = [d for d in self.drafts if d.concept == deposit.concept]
        if there and not self.former:
            return _invalid([{"field": "files.enabled", "messages": ["Remove all files first."]}])
        if not there:
            files = {
                name: File(f"{file.id}-2", file.content) for name, file in deposit.files.items()
            }
            draft = Deposit(
                self._next, deposit.concept, deposit.owner, dict(deposit.metadata), files
            )
            draft.hidden = self.lag
            self._next += 1
            self.made += 1
            self.deposits[draft.id] = draft
            there = [draft]
        value = self._value(deposit if self.former else there[0])
        value["links"]["latest_draft"] = f"{self.url}/api/deposit/depositions/{there[0].id}"
        return Answer(201, value)

    def _put(self, request: Request, deposit: Deposit, name: str) -> Answer:
        if deposit.submitted:
            return Answer(403, {"status": 403, "message": "Bucket is locked for modifications."})
        if request.headers.get("Content-Type") != "application/octet-stream":
            return Answer(415, {"status": 415, "message": "Invalid 'Content-Type' header."})
        number = hashlib.sha256(f"{deposit.id}/{name}".encode()).hexdigest()[:12]
        deposit.files[name] = File(number, request.body)
        file = deposit.files[name]
        value = {"key": name, "size": len(file.content), "checksum": f"md5:{file.md5}"}
        return Answer(201, value)

    def _list(self, query: dict[str, str], user: str) -> list[Any]:
        size, page = int(query.get("size", "10")), int(query.get("page", "1"))
        found = []
        for deposit in sorted(self.deposits.values(), key=lambda each: -each.id):
            if deposit.hidden:
                deposit.hidden -= 1
            elif deposit.owner == user:
                found.append(self._value(deposit))
        return found[size * (page - 1) : size * page]

    def _value(self, deposit: Deposit) -> dict[str, Any]:
        number = deposit.id
        api = f"{self.url}/api/deposit/depositions/{number}"
        doi = f"10.5072/zenodo.{number}"
        links = {
            "self": api,
            "html": f"{self.url}/deposit/{number}",
            "bucket": f"{self.url}/api/files/bucket-{number}",
            "files": f"{api}/files",
            "publish": f"{api}/actions/publish",
            # Of no use, as with the current software: it is the deposit itself.
            "latest_draft": api,
        }
        value: dict[str, Any] = {
            "id": number,
            "record_id": number,
            "conceptrecid": str(deposit.concept),
            "created": datetime.datetime(2026, 1, 1).isoformat(),
            "title": deposit.metadata.get("title", ""),
            "metadata": {**deposit.metadata, "prereserve_doi": {"doi": doi, "recid": number}},
            "files": [_file(name, file) for name, file in deposit.files.items()],
            "links": links,
            "owner": 1,
            "state": "done" if deposit.submitted else "unsubmitted",
            "submitted": deposit.submitted,
        }
        if deposit.submitted:
            value["doi"] = doi
            links["record"] = f"{self.url}/api/records/{number}"
            links["record_html"] = f"{self.url}/record/{number}"
        return value

    def _record_value(self, deposit: Deposit) -> dict[str, Any]:
        return {
            "id": deposit.id,
            "conceptrecid": str(deposit.concept),
            "doi": f"10.5072/zenodo.{deposit.id}",
            "metadata": deposit.metadata,
            "files": [
                {
                    "key": name,
                    "size": len(file.content),
                    "checksum": f"md5:{file.md5}",
                    "links": {
                        "self": f"{self.url}/api/records/{deposit.id}/files/{quote(name)}/content"
                    },
                }
                for name, file in deposit.files.items()
            ],
        }


def _file(name: str, file: File) -> dict[str, Any]:
    # A deposit's own spelling: no kind before the checksum.
    return {
        "id": file.id,
        "filename": name,
        "filesize": len(file.content),
        "checksum": file.md5,
    }


def _faults(metadata: Mapping[str, Any]) -> list[dict[str, Any]]:
    needed = ("title", "upload_type", "description", "creators")
    faults = [
        {"field": f"metadata.{name}", "message": "Missing data for required field."}
        for name in needed
        if not metadata.get(name)
    ]
    for name, known in (("upload_type", TYPES), ("license", LICENCES)):
        if metadata.get(name, known[0]) not in known:
            faults.append({"field": f"metadata.{name}", "message": "Not a valid choice."})
    for entry in metadata.get("related_identifiers", ()):
        if entry["relation"] not in RELATIONS:
            faults.append({"field": "metadata.related_identifiers", "message": "No relation."})
    if any("," not in creator["name"] for creator in metadata.get("creators", ())):
        faults.append({"field": "metadata.creators", "message": "Family name, given names."})
    return faults


def _invalid(faults: list[dict[str, Any]]) -> Answer:
    return Answer(400, {"status": 400, "message": "Validation error.", "errors": faults})


def _missing() -> Answer:
    return Answer(404, {"status": 404, "message": "PID does not exist."})
