"""A server on loopback that speaks Zenodo's record interface, and fails where it is told to."""

from __future__ import annotations

import hashlib
import http.server
import json
import ssl
import threading
from collections import defaultdict, deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from support.agents import PAGE, is_turned_away


class Request(NamedTuple):
    """What was asked of the server."""

    method: str
    path: str
    """As it was asked for, with any query."""
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request; the next one gets the next fault, or a good answer."""

    status: int | None = None
    """Answer with this status and nothing else; 429 has the headers of Zenodo's limits."""
    headers: Mapping[str, str] = field(default_factory=dict)
    drop_after: int | None = None
    """Hang up after so many bytes of the content, of which the full length was promised."""
    content: bytes | None = None
    """Send this in place of the content, or with the status."""
    hang: bool = False
    """Answer nothing."""
    hang_after: int | None = None
    """Send so many bytes of the content, and then nothing more."""


@dataclass
class _File:
    content: bytes
    checksum: str


class Zenodo:
    """Serve files of records, by today's and by old links.

    >>> with Zenodo() as server:
    ...     server.add(record="7031758", name="x.zip", content=b"zip")
    ...     server.url.startswith("http://127.0.0.1:")
    True

    Set ``MEDIGAN_ZENODO_URL`` to ``server.url``. With ``old_spelling``, the record's API
    gives ``filename`` and a bare checksum; without ``ranges``, every answer is the whole file;
    with a ``context``, it speaks https.
    """

    def __init__(
        self,
        *,
        old_spelling: bool = False,
        ranges: bool = True,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.old_spelling = old_spelling
        self.ranges = ranges
        self.context = context
        self.requests: list[Request] = []
        self.redirects: dict[str, str] = {}
        """More redirects, by path."""
        self._records: dict[str, dict[str, _File]] = defaultdict(dict)
        self._faults: dict[str, deque[Fault]] = defaultdict(deque)
        self._stopping = threading.Event()

    def __enter__(self) -> Zenodo:
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        if self.context is not None:
            self._server.socket = self.context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        scheme = "http" if self.context is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Answer nobody any more."""
        self._stopping.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    def add(self, record: str, name: str, content: bytes, *, checksum: str | None = None) -> None:
        """Publish a file, or another in its place; ``checksum`` is the MD5 that the API claims."""
        claimed = hashlib.md5(content, usedforsecurity=False).hexdigest()
        self._records[record][name] = _File(content, claimed if checksum is None else checksum)

    def fail(self, path: str, *faults: Fault) -> None:
        """Let the next requests of a path fail, such as ``/api/records/7031758`` (no query).

        A file's path stands for all the links to it: ``/records/7031758/files/x.zip``.
        """
        self._faults[path].extend(faults)

    def asked(self, path: str) -> list[Request]:
        """Return the requests of a path so far, whatever their query."""
        return [request for request in self.requests if urlsplit(request.path).path == path]

    def _record(self, record: str) -> dict[str, Any]:
        return {
            "id": int(record),
            "files": [self._entry(record, name, f) for name, f in self._records[record].items()],
        }

    def _entry(self, record: str, name: str, file: _File) -> dict[str, Any]:
        link = f"{self.url}/api/records/{record}/files/{quote(name)}/content"
        named = {"filename" if self.old_spelling else "key": name}
        checksum = file.checksum if self.old_spelling else f"md5:{file.checksum}"
        size = {"filesize" if self.old_spelling else "size": len(file.content)}
        return {**named, **size, "checksum": checksum, "links": {"self": link}}


LIMITS = {
    "X-RateLimit-Limit": "60",
    "X-RateLimit-Remaining": "0",
    "X-RateLimit-Reset": "0",
}


def _handler(zenodo: Zenodo) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            with suppress(ConnectionError):  # of who is killed while it keeps a connection open
                super().handle()

        def do_GET(self) -> None:
            zenodo.requests.append(Request(self.command, self.path, dict(self.headers)))
            if is_turned_away(dict(self.headers)):
                self._send(PAGE, Fault(status=403, content=PAGE), kind="text/html")
                return
            with suppress(ConnectionError):  # who has seen enough hangs up
                self._answer(urlsplit(self.path).path)

        do_HEAD = do_GET  # noqa: N815 (as the library calls it)

        def _answer(self, path: str) -> None:
            if path in zenodo.redirects:
                return self._redirect(zenodo.redirects[path])
            match [unquote(part) for part in path.split("/")[1:]]:
                case ["record", record, "files", name]:
                    return self._redirect(f"/records/{record}/files/{quote(name)}?download=1")
                case ["api", "records", record] if record in zenodo._records:
                    content = json.dumps(zenodo._record(record)).encode()
                    return self._send(content, self._fault(path), kind="application/json")
                case ["records", record, "files", name] | [
                    "api",
                    "records",
                    record,
                    "files",
                    name,
                    "content",
                ] if name in zenodo._records.get(record, {}):
                    fault = self._fault(f"/records/{record}/files/{quote(name)}")
                    return self._send(zenodo._records[record][name].content, fault)
            fault = self._fault(path)
            return self._send(b"nothing", fault if fault.status else Fault(status=404))

        def _fault(self, path: str) -> Fault:
            faults = zenodo._faults.get(path)
            return faults.popleft() if faults else Fault()

        def _redirect(self, place: str) -> None:
            self.send_response(301)
            self.send_header("Location", place)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _send(
            self, content: bytes, fault: Fault, kind: str = "application/octet-stream"
        ) -> None:
            if fault.hang:
                zenodo._stopping.wait()
                self.close_connection = True
                return
            content = content if fault.content is None else fault.content
            status, start = 200, self._start() if fault.status is None else 0
            headers = {"Content-Type": kind}
            if fault.status is not None:
                status, content = fault.status, fault.content or b"the server's own words"
                headers |= LIMITS if status == 429 else {}
            elif start >= len(content) > 0 and start:
                status, content = 416, b""
            elif start:
                status = 206
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
                content = content[start:]
            self.send_response(status, "\x1b[31mwords of its own")
            for name, value in {**headers, **fault.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "HEAD":
                return
            stop = fault.drop_after if fault.drop_after is not None else fault.hang_after
            self.wfile.write(content if stop is None else content[:stop])
            if fault.hang_after is not None:
                self.wfile.flush()
                zenodo._stopping.wait()
            if stop is not None:
                self.close_connection = True

        def _start(self) -> int:
            asked = self.headers.get("Range", "")
            if not (zenodo.ranges and asked.startswith("bytes=") and asked.endswith("-")):
                return 0
            return int(asked[len("bytes=") : -1])

        def log_message(self, *_: object) -> None:
            pass

    return Handler
