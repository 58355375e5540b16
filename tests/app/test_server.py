"""Where the app listens, and whom it answers: asked by plain HTTP, as any program may."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from urllib.parse import urlsplit

import psutil
import pytest
import requests

from medigan_hub import Hub, RequestError
from medigan_hub.app import gate
from medigan_hub.app.files import Files
from medigan_hub.app.server import TOKEN, serve
from medigan_hub.app.session import Session
from medigan_hub.app.settings import Settings
from medigan_hub.cli import main
from support import ROOT
from support.driving import generate, use

ROUTES = [
    ("GET", "/config"),
    ("GET", "/gradio_api/info"),
    ("GET", "/gradio_api/startup-events"),
    ("GET", "/gradio_api/queue/data?session_hash=x"),
    ("GET", "/gradio_api/heartbeat/x"),
    ("GET", "/gradio_api/file=/etc/passwd"),
    ("GET", "/gradio_api/app_id"),
    ("GET", "/assets/index.js"),
    ("GET", "/static/img/logo.svg"),
    ("GET", "/theme.css"),
    ("GET", "/manifest.json"),
    ("GET", "/login-with-token"),
    ("GET", "/no/such/page"),
    ("HEAD", "/"),
    ("POST", "/"),
    ("POST", "/gradio_api/upload"),
    ("POST", "/gradio_api/queue/join"),
    ("POST", "/gradio_api/run/predict"),
    ("POST", "/gradio_api/reset"),
]


@pytest.fixture(scope="module")
def guarded():
    """The app for other machines too."""
    app = serve(Hub(), Settings(), host="0.0.0.0", port=0)  # noqa: S104 (with a token)
    yield app
    app.close()


@pytest.fixture
def client():
    with requests.Session() as session:
        yield session


@pytest.fixture
def medigan(capsys):
    """Return a function that runs the command here: (exit code, standard output and error)."""
    before = signal.getsignal(signal.SIGTERM)

    def run(*arguments):
        with pytest.raises(SystemExit) as stop:
            main(list(arguments))
        captured = capsys.readouterr()
        return stop.value.code, captured.out, captured.err

    yield run
    signal.signal(signal.SIGTERM, before)


def open_to_all(url):
    """Tell on which addresses this process listens at the port of a URL."""
    port = urlsplit(url).port
    return {
        connection.laddr.ip
        for connection in psutil.Process().net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
    }


def test_it_listens_to_this_machine_alone_unless_told_otherwise(running, guarded):
    assert running.token is None
    assert urlsplit(running.url).hostname == "127.0.0.1"
    assert open_to_all(running.url) == {"127.0.0.1"}
    assert open_to_all(guarded.url) == {"0.0.0.0"}  # noqa: S104 (read, not bound)
    for address in other_addresses():
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address, urlsplit(running.url).port), timeout=5)


def other_addresses():
    """Return the addresses at which other machines reach this one, if any."""
    found = [each for addresses in psutil.net_if_addrs().values() for each in addresses]
    return [
        each.address
        for each in found
        if each.family == socket.AF_INET and not each.address.startswith("127.")
    ]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_beyond_this_machine_nothing_is_answered_without_the_token(guarded, client, method, path):
    address = guarded.url.rstrip("/") + path
    for cookie in (None, "guessed", guarded.token):
        cookies = {gate.COOKIE: cookie} if cookie else {}
        response = client.request(method, address, cookies=cookies, timeout=60)
        assert response.status_code == 401
        assert "cyclegan" not in response.text


def test_the_token_opens_the_page_and_a_wrong_one_does_not(guarded, client, monkeypatch):
    monkeypatch.setattr(gate, "PAUSE_SECONDS", 0)
    first = client.get(guarded.url)
    assert first.status_code == 401
    assert '<input id="token" name="token" type="password"' in first.text
    login = guarded.url + gate.LOGIN.lstrip("/")
    for wrong in ("", "wrong", guarded.token[:-1], guarded.token + "x", "é"):
        refused = client.post(login, {"token": wrong})
        assert (refused.status_code, client.cookies.get_dict()) == (401, {})
        assert "This is not the token." in refused.text
    assert client.post(login, {"token": "x" * 5000}).status_code == 413
    answer = client.post(login, {"token": guarded.token}, allow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "httponly" in cookie.lower()
    assert "samesite=strict" in cookie.lower()
    assert guarded.token not in cookie
    config = client.get(guarded.url + "config")
    assert config.status_code == 200
    assert "cyclegan-dbt" in config.text
    assert guarded.token not in config.text


def test_a_wrong_token_waits_for_its_answer(guarded, client):
    answer = client.post(guarded.url + gate.LOGIN.lstrip("/"), {"token": "wrong"})
    assert answer.elapsed.total_seconds() >= 0.9


def test_the_token_is_typed_on_a_page_and_stands_in_no_address(browser, guarded):
    context = browser.new_context()
    page = context.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(guarded.url)
    page.get_by_label("Token").fill(guarded.token)
    page.keyboard.press("Enter")
    page.get_by_text(" models.").wait_for()
    generate(use(page, "fastgan-brain-mri", "Generate"), count="1")
    context.close()
    assert len(asked) > 10
    assert not [address for address in asked if guarded.token in address]


def test_the_token_is_not_shown_by_accident(guarded):
    assert guarded.token not in repr(guarded)
    assert guarded.token not in guarded.url
    assert len(guarded.token) >= 32
    assert guarded.token_is_new


def test_a_token_of_ones_own_holds_on_this_machine_too_and_must_not_be_short(monkeypatch, client):
    monkeypatch.setenv(TOKEN, "short")
    with pytest.raises(RequestError, match="has 5 characters; take 16 or more"):
        serve(Hub(), Settings(), port=0)
    monkeypatch.setenv(TOKEN, "a token of my own")
    app = serve(Hub(), Settings(), port=0)
    try:
        assert not app.token_is_new
        assert client.get(app.url).status_code == 401
        login = app.url + gate.LOGIN.lstrip("/")
        assert client.post(login, {"token": "a token of my own"}).status_code == 200
    finally:
        app.close()


def test_names_that_others_let_lead_here_are_refused(running, client):
    for name in ("example.org", "127.0.0.1.example.org", ""):
        assert client.get(running.url, headers={"Host": name}).status_code == 400
    port = urlsplit(running.url).port
    assert client.get(running.url, headers={"Host": f"localhost:{port}"}).status_code == 200


@pytest.mark.parametrize("path", ["", "gradio_api/queue/join", "gradio_api/upload"])
def test_pages_of_other_sites_are_refused(running, guarded, client, path):
    for app in (running, guarded):
        for origin in ("http://example.org", "null", "http://127.0.0.1:1", "http://localhost"):
            answer = client.post(app.url + path, headers={"Origin": origin})
            assert answer.status_code == 403, origin
    own = running.url.rstrip("/")
    assert client.get(running.url, headers={"Origin": own}).status_code == 200


def test_no_file_of_the_machine_is_served(running, client, temporary, tmp_path):
    (folder,) = temporary.glob("medigan-app-*")
    (folder / "users" / "someone").mkdir()
    kept = folder / "users" / "someone" / "scan.png"
    kept.write_text("mine alone")
    (folder / "passing").mkdir(exist_ok=True)
    below = ROOT / "README.md"
    for path in (
        "/etc/passwd",
        "%2Fetc%2Fpasswd",
        "../../../../etc/passwd",
        str(below),
        below.name,
        str(kept),
        f"{folder}/passing/../users/someone/scan.png",
        f"{folder}/passing/..%2Fusers%2Fsomeone%2Fscan.png",
    ):
        for route in ("gradio_api/file=", "gradio_api/file/", "gradio_api/stream/", "static/"):
            answer = client.get(running.url + route + path)
            assert answer.status_code >= 400, path
            assert "mine alone" not in answer.text
            assert "root:" not in answer.text
    kept.unlink()


def test_what_answers_keep_a_browser_from_asking_elsewhere(running, client):
    answer = client.get(running.url)
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not re.findall(r'(?:src|href)="https?://(?!127\.0\.0\.1)', answer.text)


def test_a_port_that_is_taken_is_said_in_one_line(medigan, running):
    port = urlsplit(running.url).port
    code, out, err = medigan("app", "--port", str(port))
    assert (code, out) == (1, "")
    assert err.startswith(f"error: the app can't listen at 127.0.0.1, port {port}: ")
    assert err.count("\n") == 1
    assert "--port" in err


def test_a_model_or_a_port_that_does_not_exist_is_said_in_one_line(medigan):
    for arguments, words in {
        ("nosuchmodel",): "nosuchmodel",
        ("--port", "65536"): "there is no port 65536",
        ("--host", "203.0.113.7"): "can't listen at 203.0.113.7",
    }.items():
        code, out, err = medigan("app", *arguments)
        assert (code, out) == (1, "")
        assert words in err
        assert err.startswith("error: ")
        assert err.count("\n") == 1


def test_without_a_port_the_next_free_one_is_taken():
    first, second = (serve(Hub(), Settings()) for _ in range(2))
    try:
        ports = [urlsplit(app.url).port for app in (first, second)]
        assert 7860 <= ports[0] < ports[1] < 7960
    finally:
        first.close()
        second.close()


def test_nothing_is_left_where_the_app_was_closed_or_could_not_start(
    tmp_path, monkeypatch, running
):
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    app = serve(Hub(), Settings(), port=0)
    (folder,) = place.glob("medigan-app-*")
    if os.name == "posix":
        assert folder.stat().st_mode & 0o077 == 0, "others may not read it"
    app.close()
    with pytest.raises(requests.ConnectionError):
        requests.get(app.url, timeout=5)
    with pytest.raises(RequestError):
        serve(Hub(), Settings(), port=urlsplit(running.url).port)
    assert list(place.glob("medigan*")) == []


def test_a_sessions_files_are_gone_with_it(tmp_path):
    place, upload = tmp_path / "users", tmp_path / "scan.npy"
    place.mkdir()
    upload.write_bytes(b"\x93NUMPY")
    session = Session(place, Files(tmp_path))
    session.folder().joinpath("latents.npy").write_text("made")
    with contextlib.suppress(RequestError):
        session.keep({"scan": [upload]})
    assert list(place.rglob("*.npy"))
    stop = session.begin()
    session.close()
    assert list(place.iterdir()) == []
    assert stop.is_set(), "what was running is told to stop"


def test_the_command_says_where_the_app_is_and_ends_it_when_it_is_told_to(tmp_path):
    command = [sys.executable, "-m", "medigan_hub", "app", "--port", "0"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            said = process.stdout.readline()
            url = re.fullmatch(r"the app is at (http://\S+) \(Ctrl-C ends it\)\n", said)[1]
            assert requests.get(url, timeout=60).status_code == 200
            assert list(tmp_path.glob("medigan-app-*"))
        finally:
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "the app has ended\n", "")
    assert list(tmp_path.glob("medigan*")) == []
