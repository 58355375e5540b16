"""Tokens and passwords: in no traceback, no log, no warning, and nothing that a server repeats."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import traceback
import urllib.parse
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import strategies

from medigan_hub import NetworkError, secrecy, web
from medigan_hub.cli import main
from medigan_hub.contribution.publishing.tokens import Token
from support import deposits, projects
from support.github import GitHub, Repository
from support.publishing import HUB_TOKEN, TOKEN, hurry, run

USER, PASSWORD, QUERY = "ada-lovelace", "pa55word-0f-ada", "qu3ry-t0ken-0f-ada"
LOUD = """
import http.client, logging, sys
from medigan_hub import cli, web
web.pause = lambda seconds: None
if "loud" in sys.argv:
    sys.argv.remove("loud")
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
    http.client.HTTPConnection.debuglevel = 1
cli.main()
"""


def check_no_secret(text: str, *secrets: str) -> None:
    for secret in secrets or (USER, PASSWORD, QUERY):
        for start in range(len(secret) - 7):
            assert secret[start : start + 8] not in text


# What URLs hold


class Leading(deposits.Loopback):
    """A server that fails in the way that the path names."""

    def respond(self, request: deposits.Request, query: dict[str, str]) -> deposits.Answer:
        way = urllib.parse.urlsplit(request.path).path.strip("/")
        if way == "circle":
            return deposits.Answer(302, None, {"Location": f"/circle?token={QUERY}"})
        if way == "elsewhere":
            return deposits.Answer(302, None, {"Location": f"ftp://x:{PASSWORD}@h/?token={QUERY}"})
        if way == "nowhere":
            return deposits.Answer(302, None, {"Location": f"http://[{QUERY}"})
        if way == "broken":
            raise deposits.Dropped
        return deposits.Answer(404, {"message": f"{PASSWORD} {QUERY}"})


@pytest.fixture
def leading():
    with Leading() as server:
        yield server


WAYS = ["circle", "elsewhere", "nowhere", "broken", "missing", "unreachable", "https"]


def address(leading: Leading, way: str) -> str:
    host = "127.0.0.1:1" if way == "unreachable" else leading.url.partition("//")[2]
    scheme = "https" if way == "https" else "http"
    return f"{scheme}://{USER}:{PASSWORD}@{host}/{way}?token={QUERY}"


@pytest.fixture
def fetch(tmp_path, document):
    """Run ``weights fetch`` for a model whose weights lie at a URL, and return what it says."""

    def run_fetch(url: str, *arguments: str) -> str:
        file = {"role": "network", "file": "x.pt", "url": url, "sha256": "0" * 64}
        weights = {"runtime": "numpy", "format": "unknown", "files": [file]}
        folder = tmp_path / "catalogue"
        folder.mkdir()
        made = document | {"name": "lab-model", "weights": [weights]}
        (folder / "model.json").write_text(json.dumps(made))
        done = subprocess.run(
            [sys.executable, "-c", LOUD, "weights", "fetch", "lab-model", *arguments],
            env={**os.environ, "MEDIGAN_CATALOGUE": str(folder)},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 1
        return done.stdout + done.stderr

    return run_fetch


@pytest.mark.parametrize("way", ["circle", "nowhere", "unreachable"])
def test_a_traceback_shows_nothing_secret_of_a_url(fetch, leading, way):
    text = fetch(address(leading, way), "--debug")
    assert "Traceback" in text
    assert "can't be fetched" in text
    check_no_secret(text)


@pytest.mark.parametrize("way", ["circle"])
def test_no_log_of_a_library_shows_anything_secret_of_a_url(fetch, leading, way):
    text = fetch(address(leading, way), "loud")
    assert f"GET /{way}?..." in text  # urllib3's own words
    check_no_secret(text)
    assert base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()[:20] not in text


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("ask", ["fetch", "send"])
def test_an_error_that_a_program_catches_shows_nothing_secret_of_a_url(leading, way, ask):
    def send(url: str) -> None:
        web.send("GET", url, authorise=lambda request: request)

    with pytest.raises(NetworkError) as caught:
        (send if ask == "send" else web.fetch)(address(leading, way))
    error = caught.value
    shown = "".join(traceback.format_exception_only(error))
    while error := error.__cause__ or (None if error.__suppress_context__ else error.__context__):
        shown += "".join(traceback.format_exception_only(error))
    check_no_secret(shown)


@pytest.mark.parametrize(
    "text",
    [
        f"no answer from https://{USER}:{PASSWORD}@example.org/list.json?token={QUERY}#part",
        f"Max retries exceeded with url: /list.json?{QUERY} (Caused by x)",
        f"https:/{USER}:{PASSWORD}@example.org/x",
        f"http://{USER}:{PASSWORD[:4]}/{PASSWORD[4:]}@example.org:1/",
        f"'ftp://{USER}:{PASSWORD}#x@example.org/' \"http://example.org/#{QUERY}\"",
    ],
)
def test_what_is_secret_in_a_url_is_struck_out_and_the_rest_is_not(text):
    found = secrecy.struck(text)
    check_no_secret(found)
    assert "exampl" in found or "Max retries exceeded with url: /list.json?... (Caused" in found


# What is known to be secret


def test_a_fault_of_the_hub_shows_no_variable_that_is_secret(monkeypatch, capsys):
    monkeypatch.setenv("SOME_SERVICE_TOKEN", TOKEN)
    monkeypatch.setenv("PIP_INDEX_URL", f"https://me:{PASSWORD}@index.example.org/simple")

    def fault() -> None:
        raise RuntimeError(f"{TOKEN} and {PASSWORD} and {TOKEN[:12]}")

    monkeypatch.setattr("medigan_hub.cli.catalogue.Hub", fault)
    with pytest.raises(SystemExit):
        main(["list"])
    err = capsys.readouterr().err
    assert err.startswith("error: RuntimeError: ... and ... and ...; a fault of the hub")
    before = sys.excepthook
    try:
        with pytest.raises(RuntimeError) as caught:
            main(["list", "--debug"])
        sys.excepthook(caught.type, caught.value, caught.tb)
    finally:
        sys.excepthook = before
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "RuntimeError: ... and ... and ..." in err
    check_no_secret(err, TOKEN, PASSWORD)


def encodings() -> dict[str, Callable[[str], str]]:
    def in_base64(before: bytes) -> Callable[[str], str]:
        return lambda token: base64.b64encode(before + token.encode()).decode()

    return {
        "plain": str,
        "first half": lambda token: token[: len(token) // 2],
        "second half": lambda token: token[len(token) // 2 :],
        "upper case": str.upper,
        "swapped case": str.swapcase,
        "backwards": lambda token: token[::-1],
        "base64": in_base64(b""),
        "base64, shifted by 1": in_base64(b"a"),
        "base64, shifted by 2": in_base64(b"ab"),
        "base64 of the header": in_base64(b"Authorization: Bearer "),
        "base64 without padding": lambda token: in_base64(b"")(token).rstrip("="),
        "base64 for URLs": lambda token: base64.urlsafe_b64encode(token.encode()).decode(),
        "quoted": lambda token: "".join(f"%{ord(letter):02X}" for letter in token),
        "quoted twice": lambda token: "".join(f"%25{ord(letter):02X}" for letter in token),
        "hexadecimal": lambda token: token.encode().hex(),
        "escaped": lambda token: "".join(f"\\u{ord(letter):04x}" for letter in token),
        "entities": lambda token: "".join(f"&#{ord(letter)};" for letter in token),
        "spaced": " ".join,
        "with dashes": "-".join,
    }


LOOSE = ("quoted twice", "spaced", "with dashes", "base64 of the header")
"""Writings that are recognised, for all around to be left out, and not struck out as a whole."""


@pytest.mark.parametrize("encoding", encodings())
def test_a_token_is_recognised_however_it_is_written(encoding):
    token = Token(TOKEN, "the keyring")
    written = encodings()[encoding](TOKEN)
    assert token.is_repeated(f"no user has {written} here")
    assert not token.is_repeated("files.enabled: Remove all files first; title: Missing data.")
    assert not token.is_repeated("10.5281/zenodo.7031758 has md5 d41d8cd98f00b204e9800998ecf8427e")


def test_fuzz_no_writing_of_a_token_among_anything_gives_a_piece_of_it_away(fuzz):
    letters = "".join(map(chr, range(33, 127)))
    texts = strategies.text(max_size=20)
    ways = {name: way for name, way in encodings().items() if name not in LOOSE}

    def examine(case: tuple[str, str, str, str]) -> None:
        value, before, after, name = case
        written = ways[name](value)
        found = Token(value, "the keyring").hidden(f"{before}{written}{after}")
        length = max(8, len(written) // 2)  # what stands beside it may continue base64
        for start in range(len(written) - length + 1):
            piece = written[start : start + length].lower()
            assert piece not in found.lower() or piece in (before + after).lower()

    tokens = strategies.text(letters, min_size=16, max_size=80)
    fuzz(
        strategies.tuples(tokens, texts, texts, strategies.sampled_from(sorted(ways))),
        examine,
        examples=100,
    )


def test_a_token_is_forgotten_with_who_held_it(monkeypatch):
    token = Token("t0ken-f0r-a-while", "the keyring")
    assert secrecy.struck("a t0ken-f0r-a-while b") == "a ... b"
    del token
    assert secrecy.struck("a t0ken-f0r-a-while b") == "a t0ken-f0r-a-while b"


# What a server repeats


@pytest.fixture
def project(tmp_path, monkeypatch):
    hurry(monkeypatch)
    return projects.make(tmp_path / "project", reference=False)


@pytest.fixture
def zenodo():
    with deposits.Zenodo({TOKEN: "ada"}) as server:
        yield server


@pytest.fixture
def publish(capsys, project, zenodo):
    def run_publish(*more: str) -> Any:
        return run(capsys, project, "--server", zenodo.url, "--yes", "--json", *more)

    return run_publish


@pytest.mark.parametrize("encoding", encodings())
def test_words_of_a_server_that_repeat_the_token_are_left_out(publish, zenodo, encoding):
    written = encodings()[encoding](TOKEN)
    zenodo.fail(
        "POST",
        "/api/deposit/depositions",
        status=400,
        value={"message": f"no: {written}", "errors": [{"field": written, "message": written}]},
    )
    done = publish()
    assert done.code == 1
    assert "the server answers 400 Bad Request (its words are left out" in done.err
    assert written not in done.out + done.err
    check_no_secret(done.out + done.err, TOKEN)


def test_honest_words_of_a_server_are_shown(publish, zenodo):
    errors = [{"field": "metadata.title", "message": "Missing data for required field."}]
    zenodo.fail("POST", "/api/deposit/depositions", status=400, value={"errors": errors})
    assert "metadata.title: Missing data for required field." in publish().err


def test_a_deposit_that_repeats_the_token_leaves_it_nowhere(
    publish, zenodo, project, monkeypatch, contents
):
    honest = zenodo._value

    def repeating(deposit: deposits.Deposit) -> dict[str, Any]:
        value = honest(deposit)
        coded = base64.b64encode(TOKEN.encode()).decode()
        value["links"]["html"] += f"?access_token={TOKEN}"
        if deposit.submitted:
            value["links"]["record_html"] += f"/{coded}"
        value["title"] = value["metadata"]["title"] = f"{TOKEN} {coded}"
        return value

    monkeypatch.setattr(zenodo, "_value", repeating)
    done = publish()
    assert done.code == 0, done.err
    assert done.json["record"] == f"{zenodo.url}/records/1001"
    check_no_secret(done.out + done.err, TOKEN)
    assert TOKEN not in str(contents(project))
    assert base64.b64encode(TOKEN.encode()).decode() not in str(contents(project))


@pytest.mark.parametrize(
    "page",
    [
        "https://elsewhere.example/records/1001",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "//elsewhere.example/x",
        "http://127.0.0.1:1@elsewhere.example/",
        "http://[",
        "",
        None,
        7,
    ],
)
def test_a_page_that_is_not_the_servers_own_is_not_taken(publish, zenodo, monkeypatch, page):
    honest = zenodo._value

    def leading_elsewhere(deposit: deposits.Deposit) -> dict[str, Any]:
        value = honest(deposit)
        value["links"] |= {"html": page, "record_html": page}
        return value

    monkeypatch.setattr(zenodo, "_value", leading_elsewhere)
    done = publish()
    assert done.code == 0, done.err
    assert done.json["record"] == f"{zenodo.url}/records/1001"


def test_a_pull_request_that_repeats_the_token_shows_it_nowhere(publish, monkeypatch):
    with GitHub({HUB_TOKEN: "ada"}, Repository("example/hub", ("ada",))) as hub:
        monkeypatch.setenv("GITHUB_API_URL", hub.url)
        monkeypatch.setenv("GITHUB_TOKEN", HUB_TOKEN)
        value = {"html_url": f"{hub.url}/example/hub/pull/1?token={HUB_TOKEN}"}
        hub.fail("POST", "/repos/example/hub/pulls", status=201, value=value)
        done = publish("--github", "example/hub")
    assert done.code == 0, done.err
    assert done.json["github"] == f"{hub.url}/example/hub/pull/1"
    check_no_secret(done.out + done.err, HUB_TOKEN)
