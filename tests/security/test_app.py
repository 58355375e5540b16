"""The app, asked by programs that don't keep to what its page would send."""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import shutil
import socket
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import quote, urlsplit

import numpy as np
import PIL.Image
import pytest

pytest.importorskip("gradio")
requests = pytest.importorskip("requests")

from hypothesis import strategies  # noqa: E402 (what is above may be missing)

from medigan_hub import Hub  # noqa: E402
from medigan_hub.app import bodies, doors, files, gate, server, session  # noqa: E402
from medigan_hub.app.settings import Settings  # noqa: E402

MARK = b"nobody but its owner may see this"
MODEL = "fastgan-brain-mri"
PASSED_ON = {
    "/",
    "/assets/{path:path}",
    "/config",
    "/favicon.ico",
    "/gradio_api/heartbeat/{session_hash}",
    "/gradio_api/queue/data",
    "/gradio_api/queue/join",
    "/gradio_api/run/{api_name}",
    "/gradio_api/theme.css",
    "/manifest.json",
    "/static/{path:path}",
    "/theme.css",
}
"""Routes of the web framework that its page needs and that were looked at for this app."""
CLOSED = {
    "/config/",
    "/gradio_api/api/{api_name}",
    "/gradio_api/api/{api_name}/",
    "/gradio_api/app_id",
    "/gradio_api/app_id/",
    "/gradio_api/call/v2/{api_name}",
    "/gradio_api/call/v2/{api_name}/",
    "/gradio_api/call/v2/{api_name}/{event_id}",
    "/gradio_api/call/{api_name}",
    "/gradio_api/call/{api_name}/",
    "/gradio_api/call/{api_name}/{event_id}",
    "/gradio_api/cancel",
    "/gradio_api/component_server",
    "/gradio_api/component_server/",
    "/gradio_api/custom_component/{id}/{environment}/{type}/{file_name}",
    "/gradio_api/deep_link",
    "/gradio_api/dev/reload",
    "/gradio_api/file/{path:path}",
    "/gradio_api/info",
    "/gradio_api/info/",
    "/gradio_api/login_check",
    "/gradio_api/login_check/",
    "/gradio_api/openapi.json",
    "/gradio_api/process_recording",
    "/gradio_api/proxy={url_path:path}",
    "/gradio_api/queue/status",
    "/gradio_api/reset",
    "/gradio_api/reset/",
    "/gradio_api/run/{api_name}/",
    "/gradio_api/runs",
    "/gradio_api/runs/",
    "/gradio_api/startup-events",
    "/gradio_api/stream/{event_id}",
    "/gradio_api/stream/{event_id}/close",
    "/gradio_api/stream/{session_hash}/{run}/{component_id}/playlist-file",
    "/gradio_api/stream/{session_hash}/{run}/{component_id}/playlist.m3u8",
    "/gradio_api/stream/{session_hash}/{run}/{component_id}/{segment_id}.{ext}",
    "/gradio_api/token",
    "/gradio_api/token/",
    "/gradio_api/undo-vibe-edit",
    "/gradio_api/undo-vibe-edit/",
    "/gradio_api/user",
    "/gradio_api/user/",
    "/gradio_api/vibe-code",
    "/gradio_api/vibe-code/",
    "/gradio_api/vibe-edit",
    "/gradio_api/vibe-edit/",
    "/gradio_api/vibe-starter-queries",
    "/gradio_api/vibe-starter-queries/",
    "/login",
    "/login/",
    "/logout",
    "/monitoring",
    "/monitoring/summary",
    "/monitoring/{key}",
    "/openapi.json",
    "/pwa_icon",
    "/pwa_icon/{size}",
    "/robots.txt",
    "/svelte/{path:path}",
}
"""Routes that nobody reaches."""
OURS = {
    "/gradio_api/file={path_or_url:path}",
    "/gradio_api/upload",
    "/gradio_api/upload_progress",
}
"""Routes that the hub answers itself, before the web framework does."""


class Client:
    """A page of the app, without a browser: what it sends is up to the test."""

    def __init__(self, app, name=None):
        self.app = app
        self.url = app.url.rstrip("/")
        self.name = name or secrets.token_hex(8)
        self.http = requests.Session()
        self.config = self.http.get(f"{self.url}/config", timeout=60).json()
        self.kinds = {each["id"]: each["type"] for each in self.config["components"]}
        self.events = {each["id"]: each for each in self.config["dependencies"]}

    def fn(self, name):
        return next(n for n, each in self.events.items() if each["api_name"] == name)

    def open(self):
        """Tell the app that the page was opened."""
        for name in ("open_page", "offer", "lambda"):
            assert self.post(self.fn(name), []).status_code == 200
        return self

    def body(self, fn, data, **more):
        return {"data": data, "fn_index": fn, "session_hash": self.name, **more}

    def post(self, fn, data, **more):
        """Send an event; one that waits in the queue is only put there."""
        queued = self.events.get(fn, {}).get("queue", False)
        route = "queue/join" if queued else "run/predict"
        return self.http.post(
            f"{self.url}/gradio_api/{route}", json=self.body(fn, data, **more), timeout=60
        )

    def send(self, fn, data, **more):
        """Send an event and return all that is answered, as text."""
        answer = self.post(fn, data, **more)
        said = answer.text
        if answer.status_code == 200 and self.events[fn]["queue"]:
            news = f"{self.url}/gradio_api/queue/data?session_hash={self.name}"
            with self.http.get(news, stream=True, timeout=60) as stream:
                for line in stream.iter_lines():
                    said += line.decode()
                    if b"process_completed" in line or b"close_stream" in line:
                        break
        return said

    def defaults(self, fn):
        """Return the values that the page would send."""
        values = {each["id"]: each["props"].get("value") for each in self.config["components"]}
        return [values[each] for each in self.events[fn]["inputs"]]

    def upload(self, *paths):
        sent = [("files", (path.name, path.read_bytes())) for path in paths]
        return self.http.post(f"{self.url}/gradio_api/upload", files=sent, timeout=60)

    def fetch(self, path, **more):
        address = quote(str(path), safe="")  # as it stands, without what a library makes of it
        return self.http.get(f"{self.url}/gradio_api/file={address}", timeout=60, **more)


def named(path, **more):
    """Return how a page names a file in an event."""
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}, **more}


def compare(client, files, **more):
    """Compare nothing but these real images: what is answered, as text."""
    fn = client.fn("compare")
    data = client.defaults(fn)
    data[5] = files
    return client.send(fn, data, **more)


def refused(client, path):
    """Tell whether a page may not name a file, which is said in the same words for every path."""
    fn = client.fn("compare")
    answer = client.post(fn, [None, [], 4, "0", None, [named(path)], 50, 100, False])
    return (answer.status_code, answer.text) == (400, files.GONE)


@contextmanager
def started(**settings):
    app = server.serve(Hub(), Settings(), port=0, **settings)
    try:
        yield app
    finally:
        app.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The folder for temporary files of the app."""
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def app(place):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(place))
        with started() as running:
            yield running


@pytest.fixture
def page(app):
    return Client(app).open()


@pytest.fixture
def private(tmp_path):
    """An image that its user never uploaded, which says its mark in every reading of it."""
    path = tmp_path / "private.png"
    PIL.Image.fromarray(np.full((8, 8), 7, np.uint8)).save(path)
    path.write_bytes(path.read_bytes() + MARK)
    return path


@pytest.fixture
def scan(tmp_path):
    path = tmp_path / "scan.png"
    PIL.Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(path)
    return path


def copies(place, content=MARK):
    """Return the files below a folder that hold what nobody else may see."""
    found = [path for path in place.rglob("*") if path.is_file() and not path.is_symlink()]
    return [path for path in found if content in path.read_bytes()]


def test_no_field_of_any_event_takes_a_file_that_its_page_did_not_upload(page, place, private):
    tried = 0
    for fn in page.events:
        given = page.defaults(fn)
        for position in range(len(given)):
            for value in (named(private), [named(private)]):
                data = [*given]
                data[position] = value
                answer = page.post(fn, data)
                assert (answer.status_code, answer.text) == (400, files.GONE)
                tried += 1
        answer = page.post(fn, given, event_data=named(private))
        assert answer.status_code != 400 or files.GONE not in answer.text
    assert tried > 100
    assert copies(place) == []


def test_an_upload_is_a_field_of_its_own_page_alone(app, place, scan):
    first, second = Client(app).open(), Client(app).open()
    (path,) = first.upload(scan).json()
    assert "process_completed" in compare(first, [named(path)])
    for client in (second, Client(app), Client(app, "x")):
        assert refused(client, path)
    assert "1 of" not in compare(second, None)
    assert "Real images" in compare(first, [named(path)])


def test_it_is_not_said_whether_a_file_exists(app, page, tmp_path, private, scan):
    (mine,) = page.upload(scan).json()
    folder = Path(mine).parent
    (tmp_path / "link.png").symlink_to(private)
    os.mkfifo(tmp_path / "pipe.png") if hasattr(os, "mkfifo") else None
    (tmp_path / "closed").mkdir(mode=0)
    paths = [
        *(private, tmp_path / "missing.png", tmp_path / "link.png", tmp_path / "pipe.png"),
        *(tmp_path, tmp_path / "closed" / "x", Path("/etc/passwd"), Path("/etc/passwd/x")),
        *("/dev/zero", "/proc/self/environ", "etc/passwd", "", ".", "~/.ssh/id_rsa", "a\0b"),
        *(folder, folder / ".." / folder.name / "scan.png", f"{folder}//scan.png"),
        *(folder.parent, folder / "other.png", str(mine).upper(), f"{mine}/", f"file://{mine}"),
        *(server.__file__, "x" * 5000, "/" * 5000, "\ud800", "data:image/png;base64,AAAA"),
    ]
    for path in paths:
        assert refused(page, path), path
        with suppress(UnicodeEncodeError):  # no address has it
            answer = page.fetch(path)
            assert answer.status_code == 404, path
            assert answer.text in (files.GONE, "there is nothing here"), path


@contextmanager
def listener():
    """A server on loopback that counts who asks it."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(MARK)

        do_HEAD = do_GET  # noqa: N815 (the name that is called)

        def log_message(self, *words):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{http.server_port}/it", asked
        finally:
            http.shutdown()


def test_the_app_fetches_no_address_for_anybody(page, place, scan, monkeypatch):
    looked_up = []
    true = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *more, **kinds: looked_up.append(host) or true(host, *more, **kinds),
    )
    (mine,) = page.upload(scan).json()
    with listener() as (url, asked):
        for address in (url, url.replace("http", "HTTP"), "https://huggingface.co/x", "ftp://x/y"):
            for value in (
                named(address),
                named(address, url=address),
                named(mine, url=address),
                named(mine, url=address, is_stream=True, orig_name=address),
                {"url": address, "meta": {"_type": "gradio.FileData"}},
                {"path": mine, "url": address},
                address,
            ):
                compare(page, [value])
                compare(page, value)
            for route in ("file=", "file/", "proxy=", "stream/"):
                page.http.get(f"{page.url}/gradio_api/{route}{address}", timeout=60)
        assert asked == []
    assert [host for host in looked_up if host not in ("127.0.0.1", None)] == []
    assert copies(place) == []


@pytest.mark.skipif(os.name != "posix", reason="there are links and pipes to try")
def test_what_takes_the_place_of_an_upload_is_not_followed(page, private, scan):
    for number, put in enumerate((lambda path: path.symlink_to(private), os.mkfifo, Path.mkdir)):
        (path,) = map(Path, page.upload(scan).json())
        path.unlink()
        put(path)
        assert refused(page, path), number
        assert page.fetch(path).status_code == 404


def routes_of(running):
    """Return the paths and methods of all that the web framework would answer."""

    def walk(routes):
        for route in routes:
            router = getattr(route, "original_router", None) or getattr(route, "app", None)
            if hasattr(route, "path") and hasattr(route, "methods"):
                yield route.path, route.methods or {"GET"}
            elif hasattr(router, "routes"):
                yield from walk(router.routes)
            else:
                raise AssertionError(f"{route!r}: look at what it answers, and walk it here")

    return list(walk(running._server.config.app.routes))


def test_every_route_of_the_web_framework_is_known_here(app):
    found = {path for path, _ in routes_of(app)}
    new = found - PASSED_ON - CLOSED - OURS
    assert not new, (
        f"the web framework has new routes: {sorted(new)}. They are closed. Read what they do; "
        "where the page needs one, open it in medigan_hub/app/doors.py and attack it here; "
        "otherwise list it in CLOSED"
    )
    assert found >= PASSED_ON | OURS, "a route has gone: is its door of use?"


def test_a_route_that_the_page_does_not_need_is_not_reached(app, private):
    attacks = ("x", str(private), "/etc/passwd", "..%2f..%2f..%2fetc/passwd", "http://127.0.0.1:1/")
    for path, methods in routes_of(app):
        if path in PASSED_ON | OURS:
            continue
        for attack in attacks:
            for prefix in ("", "/gradio_api") if not path.startswith("/gradio_api") else ("",):
                tried = prefix + re.sub(r"\{[^}]*\}", attack, path)
                for method in methods:
                    answer = requests.request(method, app.url.rstrip("/") + tried, timeout=60)
                    assert answer.status_code == 404, (method, tried)
                    assert answer.text in ("there is nothing here", "", files.GONE)


def test_a_route_that_is_open_gives_no_file_of_the_machine(app, private):
    attacks = (
        *(str(private), "/etc/passwd", "//etc/passwd", "../routes.py", "..%2froutes.py"),
        *("%2e%2e/%2e%2e/routes.py", "..\\routes.py", "..%5croutes.py", "js/../../routes.py"),
        *("%00", "js%00.js", "js/", ".", "x" * 3000),
    )
    for folder in ("assets", "static"):
        for attack in attacks:
            answer = raw(app, f"GET /{folder}/{attack} HTTP/1.1")
            status = int(answer.split(b" ")[1])
            assert 400 <= status < 500, attack
            assert b"fastapi" not in answer, attack
            assert MARK not in answer, attack
            assert b"root:" not in answer, attack


def raw(app, *head, body=b"", host=None, wait=60):
    """Send what no library sends, and return the answer."""
    parts = urlsplit(app.url)
    lines = [*head, f"Host: {host or parts.netloc}", "Connection: close", "", ""]
    with socket.create_connection((parts.hostname, parts.port), timeout=wait) as stream:
        stream.sendall("\r\n".join(lines).encode("latin-1", "replace") + body)
        answer = b""
        with suppress(ConnectionResetError):
            while piece := stream.recv(65536):
                answer += piece
    return answer


def test_no_page_lists_functions_or_components_for_programs(page):
    for path in ("/gradio_api/info", "/gradio_api/info?all_endpoints=true", "/openapi.json"):
        assert page.http.get(page.url + path, timeout=60).status_code == 404


def test_what_was_made_is_fetched_by_its_page_alone_and_gone_with_it(app, page, place):
    made = page.send(page.fn("arrive"), [None, "png"])
    assert "Nothing has been made yet" in made
    kept = next(place.glob("medigan-app-*")) / "users"
    own = session.Sessions(kept, files_of(app)).begin("someone")
    (own.folder() / "result.zip").write_bytes(MARK)
    path = own.hand_out(next(kept.rglob("result.zip")))
    answer = page.fetch(path)
    assert answer.content == MARK
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["content-type"] == "application/octet-stream"
    token = Path(path).parent.name
    assert len(token) >= 32, "nobody guesses it"
    folder = Path(path).parent.parent
    for other in (folder, f"{folder}/", f"{folder}/./{token}/result.zip", f"{folder}/{token}"):
        assert page.fetch(other).status_code == 404
    assert refused(page, path)
    own.close()
    assert page.fetch(path).status_code == 404
    assert copies(place) == []


def files_of(running):
    """Return the files of a running app."""
    (found,) = [
        each.kwargs["files"]
        for each in running._server.config.app.user_middleware
        if each.cls is doors.Doors
    ]
    return found


LONG = {
    "digits": "7" * 60_000,
    "a word": "x" * 60_000,
    "a folder": "/" * 60_000,
    "its own folder": "medigan-app-x/users/" * 3_000,
    "spaces": " " * 60_000,
    "dots": "." * 60_000,
    "lines": "x\n" * 30_000,
}


@pytest.mark.parametrize("length", [9_999, 60_000])
def test_a_long_text_is_refused_at_once_in_every_field(page, length):
    for what, text in LONG.items():
        for fn, event in page.events.items():
            kinds = [page.kinds[each] for each in event["inputs"]]
            if "textbox" not in kinds:
                continue
            data = page.defaults(fn)
            data[kinds.index("textbox")] = text[:length]
            if event["api_name"] == "compare":
                data[1] = [MODEL]
            begin = time.monotonic()
            said = page.send(fn, data)
            assert time.monotonic() - begin < 10, what
            if event["api_name"].startswith("search"):
                assert "characters; at most" in said, what
            if event["api_name"] == "compare":
                assert len(said) < 9_000, what
                assert "type a whole number" in said or "characters; at most" in said, what
                assert "fault of the hub" not in said


HOSTILE = [
    b"",
    b"null",
    b"[]",
    b"{}",
    b"{" * 100_000,
    b"[" * 100_000,
    b'{"data":' * 1_000 + b"1" + b"}" * 1_000,
    b'{"data": [' + b"[" * 900 + b"]" * 900 + b"]}",
    b'{"data": 1}',
    b'{"data": {}}',
    b'{"data": [NaN], "session_hash": "x"}',
    b'{"data": [Infinity], "session_hash": "x"}',
    b'{"data": [1e400], "session_hash": "x"}',
    b'{"data": [' + b"9" * 100_000 + b'], "session_hash": "x"}',
    b'{"data": [], "session_hash": null}',
    b'{"data": [], "session_hash": ["x"]}',
    b'{"data": [], "session_hash": "../x"}',
    b'{"data": [], "session_hash": "x", "fn_index": "0"}',
    b'{"data": [], "session_hash": "x", "fn_index": true}',
    b'{"data": [], "session_hash": "x", "fn_index": 1.5}',
    b'{"data": [{"a": 1}], "session_hash": "x"}',
    b'{"data": [{"path": 1}], "session_hash": "x"}',
    b'{"data": [{"path": {"path": "x"}}], "session_hash": "x"}',
    b'{"data": [[[1]]], "session_hash": "x"}',
    b'{"data": [' + b"0," * 5_000 + b'0], "session_hash": "x"}',
    b"\xff\xfe\x00",
    b"\x00" * 1_000,
    b'{"data": ["' + b"x" * 2**20 + b'"], "session_hash": "x"}',
]


def test_what_is_no_event_is_refused_at_once(app, capfd):
    for route in ("queue/join", "run/predict"):
        for content in HOSTILE:
            begin = time.monotonic()
            answer = requests.post(
                f"{app.url}gradio_api/{route}",
                data=content,
                headers={"Content-Type": "application/json"},
                timeout=60,
            )
            assert time.monotonic() - begin < 10, content[:80]
            assert answer.status_code in (400, 413), content[:80]
            assert answer.text.count("\n") == 0
            assert len(answer.text) < 200
    assert "Traceback" not in "".join(capfd.readouterr())


def test_a_body_without_end_is_cut(app):
    def endless():
        while True:
            yield b"x" * 65536

    for route in ("gradio_api/run/predict", "gradio_api/queue/join", "login-with-token", "config"):
        with suppress(requests.ConnectionError):
            answer = requests.post(app.url + route, data=endless(), timeout=60)
            assert 400 <= answer.status_code < 500


def test_headers_and_addresses_without_end_are_refused(app):
    for head in (
        ("GET / HTTP/1.1", f"Cookie: {'x' * 200_000}"),
        ("GET / HTTP/1.1", *(f"X-{number}: {'y' * 100}" for number in range(2_000))),
        (f"GET /{'x' * 200_000} HTTP/1.1",),
    ):
        with suppress(ConnectionResetError, BrokenPipeError):
            assert raw(app, *head).split(b" ")[1].startswith(b"4")
    assert requests.get(app.url, timeout=60).status_code == 200


def test_a_request_that_stops_to_come_is_given_up(app, monkeypatch):
    monkeypatch.setattr(bodies, "PATIENCE_SECONDS", 0.3)
    for route in ("run/predict", "queue/join", "upload"):
        kind = "multipart/form-data; boundary=x" if route == "upload" else "application/json"
        head = (f"POST /gradio_api/{route} HTTP/1.1", "Content-Length: 1000")
        assert b" 408 " in raw(app, *head, f"Content-Type: {kind}", body=b"--x\r\n")


VALUES = strategies.one_of(
    strategies.none(),
    strategies.booleans(),
    strategies.integers(-(10**39), 10**39),
    strategies.floats(allow_nan=False, allow_infinity=False),
    strategies.text(max_size=40),
    strategies.lists(
        strategies.one_of(strategies.none(), strategies.integers(), strategies.text(max_size=9)),
        max_size=4,
    ),
)


def test_fuzz_a_field_of_a_wrong_type_is_a_word_to_its_sender_and_no_more(page, fuzz, capsys):
    # Those that would begin a job of the model are refused for their fields before.
    names = sorted(page.events)

    def examine(case):
        fn, values, told = case
        data = page.defaults(fn)
        for position, value in values.items():
            if position < len(data):
                data[position] = value
        if page.events[fn]["api_name"] == "begin":
            data[4] = None
        if page.events[fn]["api_name"] == "compare":
            data[1] = data[1] if not isinstance(data[1], list) else []
        if page.events[fn]["api_name"] in ("apply", "apply_1") and 0 not in values:
            return  # the form that is there already
        begin = time.monotonic()
        page.send(fn, data, event_data=told)
        assert time.monotonic() - begin < 10

    places = strategies.dictionaries(strategies.integers(0, 8), VALUES, min_size=1, max_size=3)
    told = strategies.one_of(
        strategies.none(),
        VALUES,
        strategies.fixed_dictionaries({"value": VALUES, "index": VALUES}),
    )
    fuzz(strategies.tuples(strategies.sampled_from(names), places, told), examine, examples=100)
    assert page.http.get(page.url, timeout=60).status_code == 200
    assert "Traceback" not in "".join(capsys.readouterr())


def test_uploads_are_bounded_for_a_page_and_the_oldest_go(app, scan, monkeypatch):
    monkeypatch.setattr(files, "MOST_FILES", 3)
    first, second = Client(app).open(), Client(app).open()
    kept = []
    for _ in range(5):
        kept += first.upload(scan).json()
        compare(first, [named(kept[-1])])
    (other,) = second.upload(scan).json()
    compare(second, [named(other)])
    assert [Path(path).exists() for path in kept] == [False, False, True, True, True]
    assert Path(other).exists()
    assert refused(first, kept[0])


def test_uploads_that_nobody_claims_are_bounded_in_number_and_bytes(app, scan, monkeypatch):
    page = Client(app)
    monkeypatch.setattr(files, "MOST_FILES", 4)
    kept = [path for _ in range(6) for path in page.upload(scan).json()]
    assert [Path(path).exists() for path in kept] == [False] * 2 + [True] * 4
    monkeypatch.setattr(files, "MOST_FILES", 1000)
    monkeypatch.setattr(files, "MOST_HELD", 2 * scan.stat().st_size)
    kept = [path for _ in range(6) for path in page.upload(scan).json()]
    assert [Path(path).exists() for path in kept] == [False] * 4 + [True] * 2


def test_uploads_of_all_are_bounded_and_those_without_a_page_go_first(app, scan, monkeypatch):
    page, other = Client(app).open(), Client(app)
    (mine,) = page.upload(scan).json()
    compare(page, [named(mine)])
    monkeypatch.setattr(files, "MOST_FILES_IN_ALL", len(files_of(app)._known) + 1)
    kept = [path for _ in range(4) for path in other.upload(scan).json()]
    assert Path(mine).exists()
    assert sum(Path(path).exists() for path in kept) <= 3


def test_what_nobody_claims_is_removed_after_a_while(place, scan, monkeypatch):
    monkeypatch.setattr(server, "SWEEP_SECONDS", 0.1)
    monkeypatch.setattr(files, "UNCLAIMED_SECONDS", 0.2)
    monkeypatch.setattr(files, "STRAY_SECONDS", 0.2)
    monkeypatch.setattr(session, "IDLE_SECONDS", 0.5)
    with started() as running:
        page = Client(running)
        (loose,) = page.upload(scan).json()
        until(lambda: not Path(loose).exists())
        # A page that is closed without a goodbye, or whose browser never listened.
        page.open()
        (mine,) = page.upload(scan).json()
        assert "Real images" in compare(page, [named(mine)])
        until(lambda: not Path(mine).exists())
        assert refused(page, mine)
        strays = Path(mine).parents[2]
        until(lambda: [each for each in strays.iterdir() if each.is_file()] == [])


def until(true):
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_page_that_a_browser_has_open_stays(scan, monkeypatch):
    monkeypatch.setattr(server, "SWEEP_SECONDS", 0.05)
    with started() as running:
        page = Client(running).open()
        beat = f"{page.url}/gradio_api/heartbeat/{page.name}"
        with requests.get(beat, stream=True, timeout=60) as stream:
            lines = stream.iter_lines()
            next(lines)
            monkeypatch.setattr(session, "IDLE_SECONDS", 0.2)
            (mine,) = page.upload(scan).json()
            assert "Real images" in compare(page, [named(mine)])
            time.sleep(1)
            assert Path(mine).exists()
        until(lambda: not Path(mine).exists())


def test_open_pages_are_bounded(scan, monkeypatch):
    monkeypatch.setattr(session, "MAX_SESSIONS", 3)
    with started() as running:
        pages = [Client(running).open() for _ in range(3)]
        (mine,) = pages[0].upload(scan).json()
        compare(pages[0], [named(mine)])
        for _ in range(3):
            Client(running).open()
        assert not Path(mine).exists()
        assert refused(pages[0], mine)


def test_an_upload_that_breaks_off_leaves_nothing(app, place):
    before = {path for path in place.rglob("*") if path.is_file()}
    parts = urlsplit(app.url)
    head = (
        f"POST /gradio_api/upload HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 9000000\r\n\r\n"
        '--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    )
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as stream:
        stream.sendall(head.encode() + b"y" * 3_000_000)
    until(lambda: {path for path in place.rglob("*") if path.is_file()} <= before)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"--x",
        b"--x\r\n\r\n\r\n--x--\r\n",
        b'--x\r\nContent-Disposition: form-data; name="files"\r\n\r\nno file\r\n--x--\r\n',
        b"--x\r\nContent-Disposition: form-data; filename=a\r\n\r\n\r\n--x--\r\n",
        b"--x\r\n" + b"A: b\r\n" * 100_000,
        b"--x\r\nContent-Disposition: " + b"a" * 100_000,
        b'--x\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n\r\n' * 1000,
    ],
)
def test_what_is_no_upload_is_refused_in_a_line(app, content):
    answer = requests.post(
        f"{app.url}gradio_api/upload",
        data=content,
        headers={"Content-Type": "multipart/form-data; boundary=x"},
        timeout=60,
    )
    assert answer.status_code in (200, 400)
    assert answer.text.count("\n") == 0
    assert answer.status_code == 400 or answer.json() == []
    for kind in ("", "text/plain", "multipart/form-data", "multipart/form-data; boundary=é"):
        answer = requests.post(
            f"{app.url}gradio_api/upload",
            data=content,
            headers={"Content-Type": kind.encode()},
            timeout=60,
        )
        assert answer.status_code == 400 or answer.json() == [], kind


NAMES = [
    *("../../x.png", "/etc/x.png", "..", ".", "...", "", " ", "a/b\\c.png", "C:\\x.png"),
    *("\x1b[31m.png", "\u202egnp.png", "é" * 300 + ".png", "x" * 5000, ".png", "a\r\nb: c.png"),
]


def test_whatever_an_upload_is_called_it_lies_in_a_folder_of_its_own(page):
    kept = 0
    for name in NAMES:
        answer = page.http.post(
            f"{page.url}/gradio_api/upload", files=[("files", (name, b"content"))], timeout=60
        )
        if answer.status_code == 400 or answer.json() == []:  # what has no name is no file
            continue
        (path,) = map(Path, answer.json())
        assert path.parent.parent == files_of(page.app)._folder
        assert path.read_bytes() == b"content"
        assert list(path.parent.iterdir()) == [path]
        assert path.name.isprintable()
        assert len(path.name.encode()) <= 200
        kept += 1
    assert kept > 8


def test_a_file_that_is_too_large_is_refused_and_not_kept(page, place, tmp_path, monkeypatch):
    monkeypatch.setattr(doors, "MAX_UPLOAD_BYTES", 2**20)
    large = tmp_path / "large.png"
    large.write_bytes(MARK + bytes(2**20))
    assert page.upload(large).status_code == 413
    monkeypatch.setattr(doors, "MOST_HELD", 2**19)
    assert page.upload(large).status_code == 413
    assert copies(place) == []


def test_a_full_disk_is_said_in_one_line_and_leaves_nothing(page, place, scan, monkeypatch, capfd):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device", str(place / "secret"))

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfileobj", full)
        answer = page.upload(scan)
    assert (answer.status_code, answer.text) == (
        507,
        "the app can't keep the upload: the disk is full",
    )
    (mine,) = page.upload(scan).json()
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", full)
        said = compare(page, [named(mine)])
    assert "No space left on device" in said
    assert "secret" not in said
    assert "fault of the hub" not in said
    assert "Traceback" not in "".join(capfd.readouterr())
    assert "Real images" in compare(page, [named(mine)])


@pytest.fixture(scope="module")
def guarded():
    with started(host="0.0.0.0") as running:  # noqa: S104 (with a token)
        yield running


@pytest.mark.parametrize(
    "line",
    [
        "GET //config HTTP/1.1",
        "GET /%2e/config HTTP/1.1",
        "GET /./config HTTP/1.1",
        "GET /login-with-token/../config HTTP/1.1",
        "GET /login-with-token%2f..%2fconfig HTTP/1.1",
        "GET http://127.0.0.1/config HTTP/1.1",
        "GET /config?/login-with-token HTTP/1.1",
        "GET /config#/login-with-token HTTP/1.1",
        "GET /config;/login-with-token HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "OPTIONS /config HTTP/1.1",
        "HEAD /config HTTP/1.1",
        "TRACE /config HTTP/1.1",
        "PROPFIND /config HTTP/1.1",
        "CONNECT 127.0.0.1:80 HTTP/1.1",
        "POST /config HTTP/1.1",
        "PUT /login-with-token HTTP/1.1",
        "GET /gradio_api/upload HTTP/1.1",
        "GET /gradio_api//heartbeat/x HTTP/1.1",
    ],
)
def test_no_way_of_writing_an_address_leads_around_the_gate(guarded, line):
    answer = raw(guarded, line)
    assert int(answer.split(b" ")[1]) in (400, 401, 404, 405)
    assert b"cyclegan" not in answer


@pytest.mark.parametrize("door", ["assets/x", "", "login-with-token", "gradio_api/file=x"])
def test_what_stands_in_the_host_opens_no_door(app, guarded, door):
    for running in (app, guarded):
        port = urlsplit(running.url).port
        for host in (
            f"127.0.0.1:{port}/{door}?",
            f"127.0.0.1:{port}/{door}#",
            f"x@127.0.0.1/{door}?",
        ):
            for path in ("gradio_api/info", "gradio_api/app_id", "gradio_api/token", "robots.txt"):
                answer = raw(running, f"GET /{path} HTTP/1.1", host=host)
                assert int(answer.split(b" ")[1]) in (400, 401, 404), (path, host)


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": "http://]:x"},
        {"Origin": "file://"},
        {"Origin": ""},
        {"Origin": "http://127.0.0.1@example.org"},
    ],
)
def test_another_sites_page_sends_and_reads_nothing(app, page, place, scan, headers):
    before = files_of(app)._known.copy()
    for answer in (
        requests.post(
            f"{app.url}gradio_api/upload",
            files=[("files", ("x.png", MARK))],
            headers=headers,
            timeout=60,
        ),
        requests.post(
            f"{app.url}gradio_api/run/predict",
            data=json.dumps(page.body(page.fn("open_page"), [])),
            headers={**headers, "Content-Type": "text/plain"},
            timeout=60,
        ),
        requests.get(f"{app.url}config", headers=headers, timeout=60),
        requests.get(f"{app.url}gradio_api/heartbeat/x", headers=headers, timeout=60),
    ):
        assert answer.status_code == 403
    assert files_of(app)._known == before


def test_a_link_of_another_site_leads_to_the_page_and_no_site_frames_it(app):
    arriving = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    answer = requests.get(app.url, headers=arriving, timeout=60)
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    (framers,) = re.findall(r"frame-ancestors ([^;]*);", policy)
    assert set(framers.split()) == set(gate.NOTEBOOKS.split())
    assert "*" not in framers.split()
    assert "https:" not in framers.split()


def test_wrong_tokens_wait_one_after_the_other_and_few_at_a_time(guarded, monkeypatch):
    monkeypatch.setattr(gate, "PAUSE_SECONDS", 0.2)
    monkeypatch.setattr(gate, "MAX_GUESSES", 3)
    login = guarded.url + gate.LOGIN.lstrip("/")
    answers = []
    guess = lambda: answers.append(requests.post(login, {"token": "wrong"}, timeout=60))  # noqa: E731
    threads = [threading.Thread(target=guess) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    statuses = sorted(answer.status_code for answer in answers)
    assert set(statuses) == {401, 429}
    assert requests.post(login, {"token": guarded.token}, timeout=60).status_code == 200


def test_the_browsers_that_are_known_are_bounded(guarded, monkeypatch):
    monkeypatch.setattr(gate, "MAX_PASSES", 2)
    login = guarded.url + gate.LOGIN.lstrip("/")
    browsers = [requests.Session() for _ in range(3)]
    for browser in browsers:
        assert browser.post(login, {"token": guarded.token}, timeout=60).status_code == 200
    opened = [browser.get(f"{guarded.url}config", timeout=60).status_code for browser in browsers]
    assert opened == [401, 200, 200]


def test_neither_token_nor_cookie_nor_path_is_ever_said(guarded, scan, capfd):
    login = guarded.url + gate.LOGIN.lstrip("/")
    http = requests.Session()
    entered = http.post(login, {"token": guarded.token}, timeout=60)
    assert guarded.token not in entered.text + str(entered.headers) + entered.url
    cookie = http.cookies[gate.COOKIE]
    page = Client.__new__(Client)
    page.app, page.url, page.http = guarded, guarded.url.rstrip("/"), http
    page.name = secrets.token_hex(8)
    page.config = http.get(f"{page.url}/config", timeout=60).json()
    page.events = {each["id"]: each for each in page.config["dependencies"]}
    page.kinds = {}
    page.open()
    broken = scan.with_name("broken.png")
    broken.write_bytes(b"no image")
    (path,) = page.upload(broken).json()
    said = compare(page, [named(path)])
    assert "broken.png" in said
    for secret in (guarded.token, cookie, str(Path(path).parent), tempfile.gettempdir() + "/"):
        assert secret not in said
    page.http.post(f"{page.url}/gradio_api/run/predict", data=b"{", timeout=60)
    out, err = capfd.readouterr()
    assert guarded.token not in out + err
    assert cookie not in out + err


def test_two_apps_of_one_process_take_uploads_side_by_side(app, scan):
    with started() as second:
        for running in (app, second, app):
            page = Client(running).open()
            (path,) = page.upload(scan).json()
            assert "Real images" in compare(page, [named(path)])
            other = Client(app if running is second else second).open()
            assert refused(other, path)
