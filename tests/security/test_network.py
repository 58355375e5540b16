"""Servers that dawdle, mislead or want to be asked again: each ends in one line, in time."""

from __future__ import annotations

import copy
import gzip
import hashlib
import json
import os
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.utils import formatdate
from pathlib import Path

import pytest

import medigan_hub
from medigan_hub import Hub, HubWarning, NetworkError, pace, web, weights
from medigan_hub.cli import main
from medigan_hub.metadata import ModelMetadata
from medigan_hub.web import Answer
from support.zenodo import Fault, Zenodo

RECORD, NAME = "7031758", "00005_DCGAN_MMG_MASS_ROI.zip"
FILE, API = f"/records/{RECORD}/files/{NAME}", f"/api/records/{RECORD}"
CATALOGUE = Path(medigan_hub.__file__).parent / "catalogue"
STEP = 0.02
"""Seconds between two pieces of what comes slowly."""
ENOUGH = 200 * 2**20
"""Bytes after which a server has seen that it is read without end."""


@pytest.fixture
def published():
    return json.loads((CATALOGUE / "dcgan-mmg-mass-roi-bcdr.json").read_text())


@pytest.fixture
def model(published):
    return ModelMetadata.from_document(published)


@pytest.fixture
def server(monkeypatch):
    with Zenodo() as zenodo:
        monkeypatch.setenv("MEDIGAN_ZENODO_URL", zenodo.url)
        yield zenodo


@pytest.fixture
def waits(monkeypatch):
    seconds = []
    monkeypatch.setattr(web, "pause", seconds.append)
    return seconds


# Too slow


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(pace, "WINDOW_SECONDS", 0.5)
    monkeypatch.setattr(pace, "HEAD_SECONDS", 0.5)


@contextmanager
def serving(answer: Callable[[], Iterator[bytes]]) -> Iterator[tuple[str, list[int]]]:
    """Send each client what ``answer`` yields; hand on the URL, and a list of the bytes sent."""
    sent: list[int] = []

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(2**16)
            for piece in answer():
                connection.sendall(piece)
                sent.append(len(piece))

    def listen() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=[found.accept()[0]], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as found:
        threading.Thread(target=listen, daemon=True).start()
        yield f"http://127.0.0.1:{found.getsockname()[1]}/x.bin", sent
        with suppress(OSError):
            found.shutdown(socket.SHUT_RDWR)


def slowly(piece: bytes, first: bytes = b"") -> Callable[[], Iterator[bytes]]:
    def answer() -> Iterator[bytes]:
        yield first
        for _ in range(int(60 / STEP)):
            time.sleep(STEP)
            yield piece

    return answer


OK = b"HTTP/1.1 200 OK\r\n"
DAWDLING = {
    "status line": slowly(b"H"),
    "head": slowly(b"x", OK + b"X-Long: "),
    "continue": slowly(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": slowly(b"x", OK + b"Content-Length: 1000000\r\n\r\n"),
    "body without a length": slowly(b"x", OK + b"\r\n"),
    "size of a chunk": slowly(b"0", OK + b"Transfer-Encoding: chunked\r\n\r\n"),
    "name of a chunk": slowly(b"x", OK + b"Transfer-Encoding: chunked\r\n\r\n1;"),
    "what unpacks to nothing": slowly(
        b"\x00\x00\x00\xff\xff", OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"")[:10]
    ),
}


@pytest.mark.parametrize("kind", DAWDLING)
def test_a_server_that_dawdles_is_given_up(impatient, kind):
    with serving(DAWDLING[kind]) as (url, _), pytest.raises(NetworkError) as caught:
        web.fetch(url)
    message = str(caught.value)
    assert message.startswith(url)
    assert "it brings less than 1024 bytes a second" in message or "takes over" in message
    assert "\n" not in message


@pytest.mark.parametrize("kind", ["head", "body"])
def test_a_server_that_dawdles_is_given_up_when_it_is_told_something(impatient, kind):
    with serving(DAWDLING[kind]) as (url, _), pytest.raises(NetworkError):
        web.send("POST", url, authorise=lambda request: request, timeout=60)


def test_a_proxy_that_dawdles_is_given_up(impatient, monkeypatch):
    with serving(DAWDLING["head"]) as (url, _):
        monkeypatch.setenv("http_proxy", url.removesuffix("/x.bin"))
        monkeypatch.setenv("https_proxy", url.removesuffix("/x.bin"))
        for scheme in ("http", "https"):
            with pytest.raises(NetworkError) as caught:
                web.fetch(f"{scheme}://models.example.org/list.json")
            assert "takes over" in str(caught.value) or "less than" in str(caught.value)


def test_an_answer_that_is_compressed_to_nothing_without_end_ends(monkeypatch):
    monkeypatch.setattr(web, "DEADLINE_SECONDS", 1)

    def answer() -> Iterator[bytes]:
        yield OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"")[:10]
        for _ in range(10**6):
            yield b"\x00\x00\x00\xff\xff" * 1000

    with serving(answer) as (url, _), pytest.raises(NetworkError, match="takes over 1 seconds"):
        web.fetch(url)


def test_a_download_that_dawdles_ends_in_one_line(impatient, waits, published):
    with serving(DAWDLING["body"]) as (url, _):
        changes = {"url": url, "sha256": "0" * 64}
        document = copy.deepcopy(published)
        document["weights"][0]["files"][0] |= changes
        with pytest.raises(NetworkError, match="it brings less than 1024 bytes a second"):
            weights.fetch(ModelMetadata.from_document(document))
    assert waits == [1, 2, 4, 8]


def test_a_modem_is_fast_enough(monkeypatch, waits, published):
    monkeypatch.setattr(pace, "WINDOW_SECONDS", 2)
    content = os.urandom(16384)

    def answer() -> Iterator[bytes]:
        yield OK + b"Content-Length: 16384\r\n\r\n"
        for start in range(0, 16384, 256):
            time.sleep(0.05)
            yield content[start : start + 256]

    with serving(answer) as (url, _):
        changes = {"url": url, "sha256": hashlib.sha256(content).hexdigest()}
        document = copy.deepcopy(published)
        document["weights"][0]["files"][0] |= changes
        found = weights.fetch(ModelMetadata.from_document(document))
    assert found.path.read_bytes() == content
    assert waits == []


def test_what_comes_with_a_redirect_is_not_read():
    def answer() -> Iterator[bytes]:
        yield b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\n\r\n"
        for _ in range(ENOUGH // 2**20):
            yield bytes(2**20)

    with serving(answer) as (url, sent):
        with pytest.raises(NetworkError):
            web.fetch(url)
        assert sum(sent) < ENOUGH // 2


# Asked too much


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Retry-After": "7", "X-RateLimit-Reset": "0"}, 7),
        ({"Retry-After": "7", "X-RateLimit-Reset": "9999999999"}, 7),
        ({"Retry-After": "DATE", "X-RateLimit-Reset": "0"}, 120),
        ({"Retry-After": "DATE", "X-RateLimit-Reset": "nan"}, 120),
        ({"X-RateLimit-Reset": "9999999999"}, 120),
        ({"X-RateLimit-Reset": "0"}, 1),
        ({"X-RateLimit-Reset": "-inf"}, 1),
        ({"X-RateLimit-Reset": "1000000000", "Retry-After": "soon"}, 1),
        ({"Retry-After": "Mon, 01 Jan 0001 00:00:00 -0000"}, 1),
        ({"Retry-After": "9" * 400}, 120),
        ({}, 1),
    ],
)
@pytest.mark.filterwarnings("ignore:.*trying again")
def test_a_server_is_asked_again_when_it_says(server, model, waits, headers, expected):
    server.add(RECORD, NAME, b"content")
    date = formatdate(time.time() + 3600)
    headers = {name: value.replace("DATE", date) for name, value in headers.items()}
    server.fail(FILE, Fault(status=503, headers=headers))
    assert weights.fetch(model).path.read_bytes() == b"content"
    assert waits == [expected]


def test_a_long_wait_is_told_in_a_pipe_too_and_ends(server, waits, capsys):
    server.add(RECORD, NAME, b"content")
    server.fail(FILE, *[Fault(status=429, headers={"Retry-After": "3600"})] * 99)
    with pytest.raises(SystemExit) as ended:
        main(["weights", "fetch", "5"])
    _, err = capsys.readouterr()
    assert ended.value.code == 1
    first, *_, last = err.splitlines()
    assert first.startswith("warning: ")
    assert "429 Too Many Requests, and refuses programs for now; trying again in 120 s" in first
    assert err.count("trying again") == 1
    assert last.startswith("error: ")
    assert sum(waits) <= 4 * web.MAX_WAIT_SECONDS


def test_a_short_wait_is_not_worth_a_word(server, model, waits):
    server.add(RECORD, NAME, b"content")
    server.fail(FILE, Fault(status=503), Fault(status=503))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        weights.fetch(model)
    assert waits == [1, 2]


def test_a_server_that_breaks_off_here_and_there_is_not_asked_without_end(
    monkeypatch, model, waits
):
    with Zenodo(ranges=False) as server:
        monkeypatch.setenv("MEDIGAN_ZENODO_URL", server.url)
        server.add(RECORD, NAME, bytes(5 * 2**20))
        breaks = [Fault(drop_after=3 * 2**20), Fault(drop_after=2**20)]
        server.fail(FILE, *breaks * 20)
        with pytest.raises(NetworkError, match="broke off"):
            weights.fetch(model)
        assert len(server.asked(FILE)) < 10


# Led elsewhere


def test_who_asks_is_not_told_to_another_server(server, monkeypatch):
    with Zenodo() as other:
        elsewhere = other.url.replace("127.0.0.1", "localhost")
        server.redirects["/list.json"] = f"{elsewhere}/there"
        address = server.url.replace("http://", "http://me:SECRET@")
        with pytest.raises(NetworkError, match="404"):
            web.fetch(f"{address}/list.json?token=SECRET")
        assert "Authorization" in server.requests[0].headers
        (asked,) = other.requests
        assert "Authorization" not in asked.headers
        assert "SECRET" not in str(asked)


def test_a_token_goes_nowhere_that_its_server_leads_to(server):
    def authorise(request):
        request.headers["Authorization"] = "Bearer SECRET"
        return request

    with Zenodo() as other:
        server.redirects["/api"] = f"{other.url}/api"
        with pytest.raises(web.Refused, match="301"):
            web.send("GET", f"{server.url}/api", authorise=authorise)
        assert other.requests == []


# Named by a catalogue


@pytest.fixture
def secure_catalogue(monkeypatch, published):
    """Return a function that serves documents as if by https."""

    def serve(**pages):
        content = {f"https://models.example.org/{k}.json": v for k, v in pages.items()}

        def fetch(url: str) -> Answer:
            return Answer(url, json.dumps(content[url]).encode())

        monkeypatch.setattr(web, "fetch", fetch)
        monkeypatch.setenv("MEDIGAN_CATALOGUE", "https://models.example.org/list.json")

    return serve


def lab(published, **changes):
    document = copy.deepcopy(published)
    document |= {"name": "lab-model", "plugin": "medigan-model-lab"}
    document.pop("medigan_id")
    document["weights"][0]["files"][0] |= changes
    return document


WEIGHTS = "http://weights.example.org/x.zip?token=SECRET"


@pytest.mark.parametrize("md5", [{}, {"md5": "0" * 32}])
def test_a_catalogue_by_https_names_no_weights_that_others_can_change(
    secure_catalogue, published, md5
):
    secure_catalogue(list=[lab(published, url=WEIGHTS, **md5)])
    with pytest.warns(HubWarning, match="by http without a sha256") as caught:
        known = [entry.metadata.name for entry in Hub().models()]
    assert "lab-model" not in known
    assert "SECRET" not in str(caught[0].message)


@pytest.mark.parametrize(
    "changes",
    [
        {"url": WEIGHTS, "sha256": "0" * 64},
        {"url": WEIGHTS.replace("http:", "https:"), "md5": "0" * 32},
        {},
    ],
)
def test_a_catalogue_by_https_names_weights_that_it_vouches_for(
    secure_catalogue, published, changes
):
    secure_catalogue(list=[lab(published, **changes)])
    assert Hub().model("lab-model")


def test_a_catalogue_by_https_names_no_documents_by_http(secure_catalogue, published):
    secure_catalogue(
        list=["http://models.example.org/other.json", "more.json"], more=lab(published)
    )
    with pytest.warns(HubWarning, match="which others could change on its way; it is left out"):
        assert Hub().model("lab-model")
