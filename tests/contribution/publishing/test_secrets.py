"""No token is in anything that is logged, printed, stored, or in a URL."""

from __future__ import annotations

import copy
import logging
import os
import pickle
import subprocess
import sys
from pathlib import Path
from threading import Timer

import pytest

from medigan_hub.contribution.publishing.tokens import Token
from support import TESTS, projects
from support.deposits import Zenodo
from support.github import GitHub, Repository
from support.publishing import COMMAND, ENVIRONMENT, HUB_TOKEN, TOKEN

HUB = "example/medigan-hub"
LOUD = """
import logging, http.client, sys
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
sys.path.insert(0, {tests!r})
from support.publishing import *
gate.check = pass_check
building.build = build_here
web.pause = lambda seconds: None
cli.main(["publish", *sys.argv[1:]])
"""


@pytest.fixture
def project(tmp_path):
    return projects.make(tmp_path / "project", reference=False)


@pytest.fixture
def hub():
    with GitHub({HUB_TOKEN: "ada"}, Repository(HUB)) as server:
        yield server


@pytest.fixture
def loud(tmp_path, project, zenodo, hub):
    """Run the command as loud as it can be, and return all that it said, and its code."""
    for name in ("home", "cache"):
        (tmp_path / name).mkdir()

    def publish(*arguments: str, **environment: str) -> tuple[str, int]:
        code = LOUD.format(tests=str(TESTS))
        command = [sys.executable, "-c", code, str(project), "--server", zenodo.url]
        done = subprocess.run(
            [*command, "--yes", "--debug", "--github", HUB, *arguments],
            env={
                **os.environ,
                **ENVIRONMENT,
                "HOME": str(tmp_path / "home"),
                "MEDIGAN_CACHE": str(tmp_path / "cache"),
                "GITHUB_TOKEN": HUB_TOKEN,
                "GITHUB_API_URL": hub.url,
                **environment,
            },
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        return done.stdout + done.stderr, done.returncode

    return publish


def check_no_token(text: str, folder: Path, *servers: Zenodo | GitHub) -> None:
    """Raise where a token is in text, in a folder, in a URL or in what was sent beside headers."""
    for token in (TOKEN, HUB_TOKEN):
        assert token not in text
        for path in folder.rglob("*"):
            assert token not in str(path)
            if path.is_file():
                assert token.encode() not in path.read_bytes(), path
        for server in servers:
            for request in server.requests:
                assert token not in request.path
                assert token.encode() not in request.body
                others = {k: v for k, v in request.headers.items() if k != "Authorization"}
                assert token not in str(others)


def test_no_token_is_in_what_a_publication_leaves(loud, tmp_path, zenodo, hub):
    text, code = loud()
    assert code == 0, text
    assert "DEBUG" in text  # of what sends
    assert "/api/deposit/depositions" in text
    check_no_token(text, tmp_path, zenodo, hub)
    assert "access_token" not in str([request.path for request in zenodo.requests])
    for server, token in ((zenodo, TOKEN), (hub, HUB_TOKEN)):
        sent = {request.headers.get("Authorization") for request in server.requests}
        assert sent == {f"Bearer {token}"}
    made = {name: file.content for name, file in zenodo.records[0].files.items()}
    assert not any(TOKEN.encode() in content for content in made.values())


@pytest.mark.parametrize(
    "fault",
    [
        {"method": "GET", "path": "/api/deposit/depositions", "status": 401},
        {"method": "POST", "path": "/api/deposit/depositions", "status": 400},
        {"method": "POST", "path": "/api/deposit/depositions", "status": 503, "times": 9},
        {"method": "PUT", "path": "/api/files/.*", "drop": True, "times": 99},
        {"method": "POST", "path": ".*/publish", "status": 403},
        {"method": "POST", "path": ".*/publish", "status": 302},
    ],
    ids=str,
)
def test_no_token_is_in_what_a_failure_leaves(loud, tmp_path, zenodo, hub, fault):
    # A server may repeat what it was sent.
    echo = {"message": f"Bearer {TOKEN}", "errors": [{"field": TOKEN, "message": TOKEN}]}
    zenodo.fail(**fault, value=echo, headers={"Location": f"/?access_token={TOKEN}"})
    text, code = loud()
    assert code == 1
    assert "Traceback" in text
    check_no_token(text, tmp_path, zenodo, hub)


def test_no_token_is_in_what_an_unreachable_server_leaves(loud, tmp_path, zenodo, hub):
    text, code = loud(MEDIGAN_CACHE=str(tmp_path / "cache"), GITHUB_API_URL="http://127.0.0.1:9")
    assert code == 1
    check_no_token(text, tmp_path, zenodo, hub)


def test_no_token_is_in_what_githubs_refusal_leaves(loud, tmp_path, zenodo, hub):
    echo = {"message": f"Bad credentials {HUB_TOKEN}"}
    hub.fail("GET", "/user", status=401, value=echo)
    text, code = loud()
    assert code == 1
    check_no_token(text, tmp_path, zenodo, hub)


def test_a_token_is_for_its_own_server(loud, zenodo, hub):
    loud()
    assert HUB_TOKEN not in str(zenodo.requests)
    assert TOKEN not in str(hub.requests)


def test_no_proxy_and_no_netrc_come_between(loud, tmp_path, zenodo, hub):
    netrc = tmp_path / "home" / ".netrc"
    netrc.write_text("machine 127.0.0.1 login other password other\n")
    netrc.chmod(0o600)
    text, code = loud(HTTP_PROXY="http://127.0.0.1:9", http_proxy="http://127.0.0.1:9")
    assert code == 0, text
    sent = {request.headers.get("Authorization") for request in zenodo.requests}
    assert sent == {f"Bearer {TOKEN}"}


def test_a_token_is_not_shown_copied_or_stored(caplog):
    token = Token(TOKEN, "the keyring")
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("test").debug("%s %r", token, [token])
    assert TOKEN not in caplog.text
    assert TOKEN not in f"{token}{token!r}{[token]}"
    assert token.hidden(f"a {TOKEN} b") == "a ... b"
    for way in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not stored"):
            way(token)


def test_a_token_that_is_typed_is_not_shown(tmp_path, project, zenodo):
    """On a real terminal, where the name is then typed to publish."""
    environment = {**os.environ, **ENVIRONMENT, "HOME": str(tmp_path), "TERM": "dumb"}
    del environment["MEDIGAN_DEPOSIT_TOKEN"]
    command = [*COMMAND, str(project), "--server", zenodo.url]
    spawn = f"import pty, sys; sys.exit(pty.spawn({command!r}) >> 8)"
    process = subprocess.Popen(
        [sys.executable, "-c", spawn],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    guard = Timer(60, process.kill)
    guard.start()
    said = b""
    for question, reply in ((b"Token for", TOKEN), (b"Publishing is final", "toy-levels")):
        # The space comes once the terminal does not show any more what is typed.
        while question not in said or not said.endswith(b": "):
            piece = os.read(process.stdout.fileno(), 4096)
            assert piece, said.decode()
            said += piece
        process.stdin.write(f"{reply}\n".encode())
        process.stdin.flush()
    rest, _ = process.communicate(timeout=60)
    guard.cancel()
    said += rest
    assert process.returncode == 0, said.decode()
    assert b"toy-levels 1.0.0 is published" in said
    assert len(zenodo.records) == 1
    check_no_token(said.decode(), tmp_path, zenodo)
