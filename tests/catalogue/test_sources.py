"""Documents from beyond the hub: the folders and URLs that MEDIGAN_CATALOGUE names."""

from __future__ import annotations

import gzip
import http.server
import json
import os
import socket
import threading
import warnings
from contextlib import suppress

import pytest

from medigan_hub import Hub, HubWarning, PluginError
from support.agents import PAGE, is_turned_away


@pytest.fixture
def lab(document):
    """A document of a model that only some laboratory knows."""
    return document | {"name": "lab-model", "plugin": "medigan-model-lab"}


@pytest.fixture
def catalogue(monkeypatch):
    """Return a function that sets MEDIGAN_CATALOGUE."""

    def name(*places):
        monkeypatch.setenv("MEDIGAN_CATALOGUE", os.pathsep.join(map(str, places)))

    return name


@pytest.fixture
def server():
    """A server on loopback that answers with ``pages`` and ``redirects``, by path."""
    pages: dict[str, tuple[int, bytes]] = {}
    redirects: dict[str, str] = {}
    headers: dict[str, str] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, body = pages.get(self.path, (404, b"nothing"))
            if is_turned_away(dict(self.headers)):
                status, body = 403, PAGE
            if self.path in redirects:
                status = 302
            self.send_response(status, "\x1b[31mwords of its own")
            if self.path in redirects:
                self.send_header("Location", redirects[self.path])
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(ConnectionError):  # who has seen enough hangs up
                self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.pages = pages
    running.redirects = redirects
    running.headers = headers
    running.url = f"http://127.0.0.1:{running.server_address[1]}"
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    def stop():
        if thread.is_alive():
            running.shutdown()
            running.server_close()
            thread.join()

    running.stop = stop
    yield running
    stop()


def write(folder, document, name="model"):
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(document))
    return path


def test_a_folder_of_documents_extends_the_catalogue(tmp_path, catalogue, lab):
    path = write(tmp_path / "models", lab)
    catalogue(tmp_path / "models")
    hub = Hub()
    entry = hub.model("lab-model")
    assert (entry.plugin, entry.origin) == (None, str(path))
    assert [m.entry.metadata.name for m in hub.search("lab-model")] == ["lab-model"]
    with pytest.raises(PluginError, match="lab-model is not installed: medigan install lab-model"):
        hub.generate("lab-model", 1)


def test_a_file_may_hold_several_documents(tmp_path, catalogue, lab):
    write(tmp_path, [lab, lab | {"name": "lab-other"}])
    catalogue(tmp_path / "model.json")
    assert {"lab-model", "lab-other"} <= {entry.metadata.name for entry in Hub().models()}


def test_an_invalid_document_is_reported_with_path_and_reason_and_skipped(tmp_path, catalogue, lab):
    write(tmp_path / "models", lab)
    bad = write(tmp_path / "models", lab | {"name": "bad-model", "task": "magic"}, "bad")
    (tmp_path / "models" / "worse.json").write_text("{")
    catalogue(tmp_path / "models", tmp_path / "nothing")
    with pytest.warns(HubWarning) as caught:
        names = {entry.metadata.name for entry in Hub().models()}
    assert "lab-model" in names
    assert "bad-model" not in names
    messages = [str(warning.message) for warning in caught]
    assert any(f'{bad} is not valid: task: "magic"' in message for message in messages)
    assert any("worse.json is not JSON" in message for message in messages)
    assert any("nothing is no folder of documents" in message for message in messages)
    assert len(messages) == 3


@pytest.mark.filterwarnings("ignore:the figures of:medigan_hub.errors.HubNote")
@pytest.mark.parametrize(
    "number", ["1e999", "1" + "0" * 400, "9" * 20, "NaN", '"\\ud800"', "[" * 100_000]
)
def test_a_value_that_would_break_others_is_refused(tmp_path, catalogue, lab, number):
    path = write(tmp_path / "models", lab | {"year": "HERE"})
    path.write_text(path.read_text().replace('"HERE"', number))
    catalogue(tmp_path / "models")
    with pytest.warns(HubWarning, match="is not JSON that can be used"):
        assert Hub().search("mass", rank_by="FID")


@pytest.mark.parametrize("value", [1, "text", None, [[]]])
def test_what_is_no_document_at_all_is_skipped(tmp_path, catalogue, value):
    write(tmp_path / "models", value)
    catalogue(tmp_path / "models")
    with pytest.warns(HubWarning, match="is not valid"):
        assert Hub().models()


def test_a_url_gives_documents_and_names_others(server, catalogue, lab):
    server.pages["/list.json"] = 200, json.dumps([lab, "more/other.json"]).encode()
    server.pages["/more/other.json"] = 200, json.dumps(lab | {"name": "lab-other"}).encode()
    catalogue(f"{server.url}/list.json")
    hub = Hub()
    assert hub.model("lab-model").origin == f"{server.url}/list.json[0]"
    assert hub.model("lab-other").origin == f"{server.url}/more/other.json"


def test_an_index_leads_to_documents_alone(server, catalogue, lab):
    # Neither to a file of this machine, nor to another index, nor in a circle.
    server.pages["/list.json"] = (
        200,
        json.dumps(["file:///etc/hostname", "list.json", lab]).encode(),
    )
    catalogue(f"{server.url}/list.json")
    with pytest.warns(HubWarning) as caught:
        hub = Hub()
    assert hub.model("lab-model")
    messages = " ".join(str(warning.message) for warning in caught)
    assert "can't be fetched: it is no http or https URL" in messages
    assert messages.count("must be of type object") == 2


def test_an_unreachable_url_falls_back_to_its_copy_with_a_warning(server, catalogue, lab):
    server.pages["/list.json"] = 200, json.dumps(lab).encode()
    catalogue(f"{server.url}/list.json")
    assert Hub().model("lab-model")
    server.stop()
    with pytest.warns(
        HubWarning, match=r"can't be fetched: .* can't be reached; the copy of \d{4}"
    ):
        assert Hub().model("lab-model")


@pytest.mark.parametrize("answer", [(500, b"[]"), (404, b""), (200, b"<html>log in first</html>")])
def test_a_useless_answer_does_not_replace_the_copy(server, catalogue, lab, answer):
    server.pages["/list.json"] = 200, json.dumps(lab).encode()
    catalogue(f"{server.url}/list.json")
    Hub()
    server.pages["/list.json"] = answer
    for _ in range(2):
        with pytest.warns(HubWarning, match="the copy of .* is used") as caught:
            assert Hub().model("lab-model")
        assert "words of its own" not in str(caught[0].message)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((403, b""), "403 Forbidden, and refuses programs for now"),
        ((200, PAGE), "the server shows a page in place of the file"),
    ],
)
def test_a_server_that_refuses_programs_leaves_the_browser(
    server, catalogue, lab, tmp_path, answer, words
):
    server.pages["/list.json"] = answer
    catalogue(f"{server.url}/list.json")
    with pytest.warns(HubWarning) as caught:
        Hub()
    (message,) = (str(each.message) for each in caught)
    assert words in message
    assert message.endswith("download it in a browser, and name the file in MEDIGAN_CATALOGUE")
    catalogue(write(tmp_path, lab))
    assert Hub().model("lab-model")


def test_a_changed_document_is_seen_at_once(server, catalogue, lab):
    server.pages["/list.json"] = 200, json.dumps(lab).encode()
    catalogue(f"{server.url}/list.json")
    Hub()
    server.pages["/list.json"] = 200, json.dumps(lab | {"title": "Changed"}).encode()
    assert Hub().model("lab-model").metadata.title == "Changed"


def test_offline_the_copy_is_used_and_nothing_is_asked(server, catalogue, lab, monkeypatch):
    server.pages["/list.json"] = 200, json.dumps(lab).encode()
    catalogue(f"{server.url}/list.json")
    Hub()
    monkeypatch.setenv("MEDIGAN_OFFLINE", "1")
    server.pages.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Hub().model("lab-model")
    catalogue(f"{server.url}/other.json")
    with pytest.warns(HubWarning, match="MEDIGAN_OFFLINE forbids the network; its models are left"):
        Hub()


def test_a_server_that_does_not_answer_is_not_waited_for(catalogue, monkeypatch):
    monkeypatch.setattr("medigan_hub.web.TIMEOUT_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        catalogue(f"http://127.0.0.1:{silent.getsockname()[1]}/list.json")
        with pytest.warns(
            HubWarning, match="no answer within 0.1 seconds; its models are left out"
        ):
            assert Hub().models()


def test_an_answer_that_is_too_large_or_too_slow_is_given_up(server, catalogue, lab, monkeypatch):
    server.pages["/list.json"] = 200, json.dumps(lab).encode()
    catalogue(f"{server.url}/list.json")
    monkeypatch.setattr("medigan_hub.web.MAX_ANSWER_BYTES", 100)
    with pytest.warns(HubWarning, match="it has over 0 MiB; its models are left out"):
        Hub()
    monkeypatch.setattr("medigan_hub.web.MAX_ANSWER_BYTES", 2**20)
    monkeypatch.setattr("medigan_hub.web.DEADLINE_SECONDS", -1)
    with pytest.warns(HubWarning, match="it takes over -1 seconds; its models are left out"):
        Hub()


def test_a_compressed_answer_is_read_and_bounded_by_what_it_holds(server, catalogue, lab):
    server.headers["Content-Encoding"] = "gzip"
    server.pages["/list.json"] = 200, gzip.compress(json.dumps(lab).encode())
    catalogue(f"{server.url}/list.json")
    assert Hub().model("lab-model")
    server.pages["/list.json"] = 200, gzip.compress(b" " * 2**25)  # 32 MiB in 32 KiB
    with pytest.warns(HubWarning, match="it has over 16 MiB; the copy of .* is used"):
        assert Hub().model("lab-model")


def test_relative_urls_follow_a_redirect(server, catalogue, lab):
    server.redirects["/old"] = "/new/list.json"
    server.pages["/new/list.json"] = 200, b'["model.json"]'
    server.pages["/new/model.json"] = 200, json.dumps(lab).encode()
    catalogue(f"{server.url}/old")
    assert Hub().model("lab-model")


@pytest.mark.parametrize(
    "other", ["http://[::1", "http://a..b/", "http://h:x/", "http://h/\u20ac\n"]
)
def test_a_bad_url_in_an_index_or_redirect_is_left_out_alone(server, catalogue, lab, other):
    server.pages["/list.json"] = 200, json.dumps([other, "there", lab]).encode()
    server.redirects["/there"] = "http://[::1"
    catalogue(f"{server.url}/list.json")
    with pytest.warns(HubWarning, match="its models are left out"):
        assert Hub().model("lab-model")


@pytest.mark.parametrize(
    "place",
    ["http://[", "http://[zz]/x", "~nobody-has-this-name/x", "x" * 300, "http://", "file:/x"],
)
def test_a_place_that_cannot_be_is_a_warning(catalogue, tmp_path, lab, place):
    write(tmp_path / "models", lab)
    catalogue(place, tmp_path / "models")
    with pytest.warns(HubWarning):
        assert Hub().model("lab-model")


def test_what_is_no_file_is_not_read(tmp_path, catalogue, lab):
    write(tmp_path / "models", lab)
    os.mkfifo(tmp_path / "models" / "pipe.json")  # reading it would wait for ever
    catalogue(tmp_path / "models")
    assert Hub().model("lab-model")


@pytest.mark.parametrize("damage", ["{", "\xff", ""])
def test_a_damaged_copy_is_as_none(server, catalogue, lab, own_cache, monkeypatch, damage):
    server.pages["/list.json"] = 200, json.dumps(lab).encode()
    catalogue(f"{server.url}/list.json")
    Hub()
    (copy,) = (own_cache / "catalogue").iterdir()
    copy.write_text(damage, "latin-1")
    monkeypatch.setenv("MEDIGAN_OFFLINE", "1")
    with pytest.warns(HubWarning, match="its models are left out"):
        assert Hub().model("5")
    monkeypatch.delenv("MEDIGAN_OFFLINE")
    assert Hub().model("lab-model")


@pytest.mark.parametrize("no", ["0", "no", "off", "False", ""])
def test_offline_can_be_said_to_be_off(server, catalogue, lab, monkeypatch, no):
    monkeypatch.setenv("MEDIGAN_OFFLINE", no)
    server.pages["/list.json"] = 200, json.dumps(lab).encode()
    catalogue(f"{server.url}/list.json")
    assert Hub().model("lab-model")


@pytest.mark.parametrize(
    "place",
    [
        "http://127.0.0.1:1/list.json?sig=key:SECRET",
        "http://127.0.0.1:1/list.json?se=2024-01-01T00:00:00Z&sig=SECRET",
        "HTTP://me:SECRET@127.0.0.1:1/x",
        "ftp://me:SECRET@127.0.0.1/x",
        "https:/me:SECRET@127.0.0.1/x",
        "http://me:se/SECRET@127.0.0.1:1/",
        "http://me:sec?SECRET@127.0.0.1/",
        "http://me:SECRET#x@127.0.0.1/",
        "http://12:34/SECRET@127.0.0.1/",
    ],
)
def test_no_secret_of_a_url_is_ever_shown(catalogue, place):
    catalogue(place)
    with pytest.warns(HubWarning) as caught:
        Hub()
    assert not any("SECRET" in str(warning.message) for warning in caught)


def test_a_url_without_a_copy_is_a_warning_that_keeps_its_secrets(catalogue):
    catalogue("http://me:secret@127.0.0.1:1/list.json?token=hidden")
    with pytest.warns(HubWarning, match="its models are left out") as caught:
        assert Hub().models()
    (message,) = [str(warning.message) for warning in caught]
    assert message.startswith("http://127.0.0.1:1/list.json can't be fetched")
    assert "secret" not in message
    assert "hidden" not in message


def test_a_url_and_folders_stand_side_by_side(server, tmp_path, catalogue, lab):
    server.pages["/list.json"] = 200, json.dumps(lab).encode()
    write(tmp_path / "a", lab | {"name": "lab-a"})
    write(tmp_path / "b", lab | {"name": "lab-b"})
    catalogue(tmp_path / "a", f"{server.url}/list.json", tmp_path / "b")
    assert {"lab-a", "lab-model", "lab-b"} <= {entry.metadata.name for entry in Hub().models()}


# One list of what is known and what is installed


def test_an_installed_plugins_own_document_wins(tmp_path, catalogue, lab, install):
    write(tmp_path / "models", lab | {"title": "Known"})
    catalogue(tmp_path / "models")
    install("lab-model", document=lab | {"title": "Installed"}, distribution="medigan-model-lab")
    entry = Hub().model("lab-model")
    assert (entry.metadata.title, entry.origin) == ("Installed", "medigan-model-lab")
    assert entry.plugin is not None


def test_a_plugin_of_a_published_model_takes_its_place(install, document):
    published = document | {"name": "my-dcgan", "medigan_id": "00005_DCGAN_MMG_MASS_ROI"}
    install("my-dcgan", document=published)
    entries = Hub().models()
    ids = [e.metadata.medigan_id for e in entries if e.metadata.medigan_id]
    assert len(ids) == len(set(ids)) == 23
    assert Hub().model("5").metadata.name == "my-dcgan"


def test_two_plugins_of_one_published_model_are_told(install, document):
    published = document | {"medigan_id": "00005_DCGAN_MMG_MASS_ROI"}
    install("toy-a", document=published | {"name": "toy-a"})
    install("toy-b", document=published | {"name": "toy-b"})
    with pytest.warns(HubWarning, match="toy-a and toy-b are both installed as 00005_DCGAN"):
        hub = Hub()
    assert hub.model("5").metadata.name == "toy-a"
    assert hub.model("toy-b").plugin is not None


@pytest.mark.parametrize(
    ("installed", "known", "older"),
    [
        ("1.0.0", "1.0.1", True),
        ("1.9.0", "1.10.0", True),
        ("1.0.0-rc1", "1.0.0", True),
        ("1.0.0rc1", "1.0.0", True),
        ("1.0.0-rc1", "1.0.0-rc2", True),
        ("1.0.0-odd", "1.0.0", True),
        ("1.0.0", "1.0.0-odd", False),
        ("1.0.1", "1.0.0", False),
        ("1.0.0", "1.0.0", False),
        ("1.0.0", "1.0.0-rc1", False),
    ],
)
def test_a_plugin_that_is_behind_the_catalogue_is_told(
    tmp_path, catalogue, lab, install, installed, known, older
):
    write(tmp_path / "models", lab | {"version": known})
    catalogue(tmp_path / "models")
    install("lab-model", document=lab | {"version": installed}, distribution="medigan-model-lab")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert Hub().model("lab-model").metadata.version == installed
    messages = [str(warning.message) for warning in caught]
    if older:
        (message,) = messages
        assert f"medigan-model-lab has version {installed} of lab-model, and {known}" in message
        assert message.endswith("medigan install lab-model --upgrade")
    else:
        assert messages == []


def test_of_two_documents_the_newer_version_is_taken(tmp_path, catalogue, lab):
    write(tmp_path / "a", lab)
    write(tmp_path / "b", lab | {"version": "1.1.0"})
    catalogue(tmp_path / "a", tmp_path / "b")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Hub().model("lab-model").metadata.version == "1.1.0"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"title": "Another"}, "version 1.0.0 in .*a.* is taken"),
        ({"version": "0.9.0"}, "version 1.0.0 in .*a.* is taken"),
        ({"name": "lab-new", "version": "9.0.0"}, "lab-model in .*a.* has its name or medigan id"),
        (
            {"plugin": "another", "version": "9.0.0"},
            "lab-model in .*a.* has its name or medigan id",
        ),
        ({"medigan_id": "00100_NEW", "version": "9.0.0"}, "has its name or medigan id already"),
        ({"name": "lab-new", "medigan_id": "00100_NEW"}, "has its name or medigan id already"),
    ],
)
def test_a_document_that_contradicts_another_is_told_and_left_out(
    tmp_path, catalogue, lab, change, reason
):
    lab["medigan_id"] = "00100_LAB"
    write(tmp_path / "a", lab)
    write(tmp_path / "b", lab | change)
    write(tmp_path / "c", lab)  # the very same says nothing new
    catalogue(tmp_path / "a", tmp_path / "b", tmp_path / "c")
    with pytest.warns(HubWarning, match=f"is left out: .*{reason}") as caught:
        hub = Hub()
    assert len(caught) == 1
    assert hub.model("100").metadata.title == lab["title"]


def test_a_known_model_whose_plugin_is_broken_says_so(tmp_path, catalogue, lab, install):
    write(tmp_path / "models", lab)
    catalogue(tmp_path / "models")
    install("lab-model", document="{", distribution="medigan-model-lab")
    with pytest.warns(HubWarning, match="lab-model .* is not usable"):
        hub = Hub()
    assert hub.model("lab-model").plugin is None
    with pytest.raises(PluginError, match=r"is not usable: .* is not JSON"):
        hub.generate("lab-model", 1)
