"""Remote weights: downloaded, verified, pinned, extracted and read, from a server on loopback."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
import ssl
import stat
import subprocess
import sys
import threading
import time
import zipfile
from contextlib import suppress
from email.utils import formatdate
from pathlib import Path

import pytest

import medigan_hub
from medigan_hub import HubWarning, NetworkError, OutputError, WeightsError, web, weights
from medigan_hub.metadata import ModelMetadata
from support.agents import PAGE
from support.variants import with_file
from support.zenodo import Fault, Zenodo

RECORD, NAME = "7031758", "00005_DCGAN_MMG_MASS_ROI.zip"
FILE, API = f"/records/{RECORD}/files/{NAME}", f"/api/records/{RECORD}"
CATALOGUE = Path(medigan_hub.__file__).parent / "catalogue"
FETCH = (
    "import json, sys; from medigan_hub import weights; "
    "from medigan_hub.metadata import ModelMetadata; "
    "print(weights.fetch(ModelMetadata.from_document(json.load(sys.stdin))).sha256)"
)


@pytest.fixture
def published():
    """The document of a published model."""
    return json.loads((CATALOGUE / "dcgan-mmg-mass-roi-bcdr.json").read_text())


@pytest.fixture
def model(published):
    return ModelMetadata.from_document(published)


@pytest.fixture
def other(model):
    """Return a function that makes a model with other weights."""

    def change(**changes):
        return with_file(model, **changes)

    return change


@pytest.fixture
def server(monkeypatch):
    with Zenodo() as zenodo:
        monkeypatch.setenv("MEDIGAN_ZENODO_URL", zenodo.url)
        yield zenodo


@pytest.fixture
def waits(monkeypatch):
    """How long the hub would have waited between attempts."""
    seconds = []
    monkeypatch.setattr(web, "pause", seconds.append)
    return seconds


def zipped(files=None, package=""):
    files = files or {"__init__.py": b"", "500.pt": os.urandom(300_000), "images/a.png": b"png"}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(f"{package}{name}", content)
    return stream.getvalue()


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def pinned(cache):
    return json.loads((cache / "weights" / "pins.json").read_text())["files"]


# Download


@pytest.mark.parametrize("old_spelling", [False, True])
def test_a_file_is_downloaded_once_verified_and_pinned(monkeypatch, model, own_cache, old_spelling):
    content = zipped()
    with Zenodo(old_spelling=old_spelling) as server:
        monkeypatch.setenv("MEDIGAN_ZENODO_URL", server.url)
        server.add(RECORD, NAME, content)
        found = weights.fetch(model)
        assert found.path.read_bytes() == content
        assert found.sha256 == sha256(content)
        assert weights.fetch(model) == found
        assert [request.path for request in server.requests] == [API, FILE]
    ((key, pin),) = pinned(own_cache).items()
    assert key == f"https://zenodo.org{FILE}"
    assert (pin["sha256"], pin["size"]) == (found.sha256, len(content))
    assert pin["md5"] == hashlib.md5(content).hexdigest()  # noqa: S324
    assert pin["url"] == f"{server.url}{FILE}"


def test_old_links_are_followed(server, model, other):
    content = zipped()
    server.add(RECORD, NAME, content)
    old = other(url=f"https://zenodo.org/record/{RECORD}/files/{NAME}?download=1")
    found = weights.fetch(old)
    assert found.path.read_bytes() == content
    assert server.asked(f"/record/{RECORD}/files/{NAME}")
    before = len(server.requests)
    assert weights.fetch(model) == found  # the same file, by today's link
    assert len(server.requests) == before


def test_what_the_record_does_not_vouch_for_is_refused(server, model, own_cache):
    server.add(RECORD, NAME, zipped(), checksum="0" * 32)
    with pytest.raises(WeightsError, match=r"refused: its MD5 is not 0{32}, as its record reports"):
        weights.fetch(model)
    server.add(RECORD, NAME, zipped(), checksum="")
    with pytest.raises(WeightsError, match=r"record 7031758 states no checksum of 00005_DCGAN"):
        weights.fetch(model)
    server.add("1", "other.zip", b"")
    with pytest.raises(WeightsError, match=r"has no file 00005_DCGAN.* \(it has other.zip\)"):
        weights.fetch(replace_url(model, f"https://zenodo.org/records/1/files/{NAME}"))
    assert not [path for path in own_cache.rglob("*.zip") if path.is_file()]
    assert not (own_cache / "weights" / "pins.json").exists()


def replace_url(model, url):
    return with_file(model, url=url)


def test_other_content_under_a_pinned_name_is_refused(server, model, own_cache, waits):
    server.add(RECORD, NAME, zipped())
    found = weights.fetch(model)
    server.add(RECORD, NAME, zipped({"500.pt": b"another"}))
    found.path.unlink()
    with pytest.raises(WeightsError, match=r"pinned in .*; if its authors .* weights clear dcgan"):
        weights.fetch(model)
    assert not found.path.exists()
    assert pinned(own_cache)[f"https://zenodo.org{FILE}"]["sha256"] == found.sha256


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_a_checksum_in_the_metadata_decides(server, other, algorithm):
    content = zipped()
    # What the record claims doesn't matter.
    server.add(RECORD, NAME, content, checksum="0" * 32)
    right = other(**{algorithm: hashlib.new(algorithm, content).hexdigest()})
    assert weights.fetch(right).path.read_bytes() == content
    assert weights.fetch(right).path.read_bytes() == content
    assert not server.asked(API)
    assert len(server.asked(FILE)) == 1
    wrong = other(**{algorithm: hashlib.new(algorithm, b"").hexdigest()})
    with pytest.raises(WeightsError, match="as the metadata states"):
        weights.fetch(wrong)


def test_other_servers_need_a_checksum_in_the_metadata(server, other, own_cache):
    server.add(RECORD, NAME, b"content")
    url = f"{server.url}{FILE}?token=SECRET"
    with pytest.raises(WeightsError, match="neither its metadata nor a Zenodo record") as caught:
        weights.fetch(other(url=url))
    assert "SECRET" not in str(caught.value)
    assert not server.requests
    found = weights.fetch(other(url=url, file=None, sha256=sha256(b"content")))
    assert found.path.read_bytes() == b"content"
    assert "SECRET" not in (own_cache / "weights" / "pins.json").read_text()


def test_checksums_are_not_taken_from_a_mirror_that_others_can_change(model, monkeypatch):
    monkeypatch.setenv("MEDIGAN_ZENODO_URL", "http://me:SECRET@mirror.example.org")
    with pytest.raises(NetworkError, match="so name it by https") as caught:
        weights.fetch(model)
    assert "SECRET" not in str(caught.value)
    monkeypatch.setenv("MEDIGAN_ZENODO_URL", "mirror.example.org")
    with pytest.raises(NetworkError, match="must be the address of a mirror"):
        weights.fetch(model)


@pytest.mark.parametrize("target", ["ftp://127.0.0.1/x", "file:///etc/passwd"])
def test_redirects_lead_to_http_alone(server, model, target):
    server.add(RECORD, NAME, zipped())
    server.redirects[FILE] = target
    with pytest.raises(NetworkError, match=r"only https .* is followed"):
        weights.fetch(model)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_https_is_never_left_for_http(server, model, other, tmp_path, monkeypatch, waits):
    server.add(RECORD, NAME, zipped())
    made = (
        "req -x509 -newkey rsa:2048 -nodes -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    )
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(
        [shutil.which("openssl"), *made.split(), *files], check=True, capture_output=True
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with Zenodo(context=context) as secure:
        monkeypatch.setenv("MEDIGAN_ZENODO_URL", secure.url)
        secure.add(RECORD, NAME, zipped())
        secure.redirects[FILE] = f"{server.url}{FILE}"
        with pytest.raises(NetworkError, match="certificate is not trusted"):
            weights.fetch(model)
        assert waits == []
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        with pytest.raises(NetworkError, match="only https"):
            weights.fetch(model)
        del secure.redirects[FILE]
        assert weights.fetch(model).path.is_file()
    assert not server.requests


def test_a_name_that_leads_elsewhere_is_refused(server, other, own_cache):
    url = f"https://zenodo.org/records/{RECORD}/files/..%2F..%2Fevil.zip"
    with pytest.raises(WeightsError, match="can't be one"):
        weights.fetch(other(url=url))
    assert not server.requests


def test_what_is_no_record_is_told(server, model):
    server.add(RECORD, NAME, zipped())
    server.fail(API, Fault(content=b"<record/>"))
    with pytest.raises(NetworkError, match="does not describe a record"):
        weights.fetch(model)


def test_offline_names_what_is_missing_and_the_way_around(server, model, monkeypatch):
    content = zipped()
    server.add(RECORD, NAME, content)
    monkeypatch.setenv("MEDIGAN_OFFLINE", "1")
    with pytest.raises(NetworkError) as caught:
        weights.fetch(model)
    for words in (model.name, NAME, f"medigan weights fetch {model.name}", "import", "OFFLINE"):
        assert words in str(caught.value)
    assert not server.requests
    monkeypatch.delenv("MEDIGAN_OFFLINE")
    path = weights.fetch(model).path
    monkeypatch.setenv("MEDIGAN_OFFLINE", "1")
    assert weights.fetch(model).path == path
    damage(path)
    with pytest.raises(WeightsError, match=f"are damaged.*medigan weights fetch {model.name}"):
        weights.fetch(model)


def damage(path):
    """Change a file but not its size, and its time as any later change does."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    changed = path.stat().st_mtime_ns + 10**9
    path.write_bytes(content)
    os.utime(path, ns=(changed, changed))


def test_a_damaged_file_is_downloaded_again(server, model):
    server.add(RECORD, NAME, zipped())
    found = weights.fetch(model)
    damage(found.path)
    assert weights.fetch(model) == found
    assert sha256(found.path.read_bytes()) == found.sha256
    assert len(server.asked(FILE)) == 2


def test_a_file_whose_pin_is_lost_is_verified_and_kept(server, model, own_cache):
    server.add(RECORD, NAME, zipped())
    found = weights.fetch(model)
    (own_cache / "weights" / "pins.json").unlink()
    assert weights.fetch(model) == found
    assert (len(server.asked(API)), len(server.asked(FILE))) == (2, 1)
    (own_cache / "weights" / "pins.json").write_text("{")
    with pytest.raises(WeightsError, match=r"pins.json is damaged"):
        weights.fetch(model)


# Faults of the server


def test_a_busy_server_is_asked_again_when_it_says(server, model, waits):
    content = zipped()
    server.add(RECORD, NAME, content)
    reset = {"X-RateLimit-Reset": str(int(time.time()) + 3600)}
    date = {"Retry-After": formatdate(time.time() + 3600)}
    odd = {"X-RateLimit-Reset": "nan", "Retry-After": "soon"}
    server.fail(API, Fault(status=429, headers={"Retry-After": "7"}), Fault(status=503))
    server.fail(FILE, Fault(status=429, headers=reset), Fault(status=503, headers=date))
    server.fail(FILE, Fault(status=429, headers=odd))
    with pytest.warns(HubWarning, match=r"429 Too Many .*; trying again in 120 seconds"):
        assert weights.fetch(model).path.read_bytes() == content
    assert waits == [7, 2, web.MAX_WAIT_SECONDS, web.MAX_WAIT_SECONDS, 4]


def test_a_server_that_stays_busy_is_given_up(server, model, waits):
    server.add(RECORD, NAME, zipped())
    server.fail(FILE, *[Fault(status=500)] * 9)
    with pytest.raises(NetworkError, match="the server answers 500"):
        weights.fetch(model)
    assert waits == [1, 2, 4, 8]


def test_an_error_that_will_not_pass_is_not_tried_again(server, model, waits):
    with pytest.raises(NetworkError, match="the server answers 404 Not Found"):
        weights.fetch(model)
    assert waits == []


BY_HAND = rf"download http://127.0.0.1:\d+{FILE} in a browser .* weights import dcgan\S+ FILE$"


@pytest.mark.parametrize("path", [API, FILE])
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(status=403), "answers 403 Forbidden, and refuses programs for now; try again later"),
        (Fault(status=403, content=PAGE), "refuses programs for now"),
        (Fault(status=429), "429 Too Many Requests, and refuses programs for now; try again later"),
        (Fault(content=PAGE), "the server shows a page in place of the file; try again later"),
        (Fault(content=b"\xef\xbb\xbf\r\n<HTML>"), "shows a page in place of the file"),
    ],
)
def test_a_server_that_refuses_programs_leaves_the_browser(
    server, model, waits, own_cache, path, fault, words
):
    server.add(RECORD, NAME, zipped())
    server.fail(path, *[fault] * 9)
    with pytest.raises(NetworkError, match=BY_HAND) as caught:
        weights.fetch(model)
    assert words in str(caught.value)
    assert waits == ([1, 2, 4, 8] if fault.status == 429 else [])
    assert not (own_cache / "weights" / "pins.json").exists()
    assert not [path for path in own_cache.rglob(f"{NAME}*") if path.is_file()]


def test_what_calls_itself_a_page_is_none_of_the_files(server, other, own_cache):
    content = b"a page of any kind"
    server.add(RECORD, NAME, content)
    server.fail(FILE, Fault(headers={"Content-Type": "text/html; charset=utf-8"}))
    # Whoever took the checksum may have been shown the page, too.
    model = other(sha256=sha256(content))
    with pytest.raises(NetworkError, match="shows a page in place of the file"):
        weights.fetch(model)
    assert not (own_cache / "weights" / "pins.json").exists()


def test_a_page_does_not_take_the_place_of_what_is_there(server, model, own_cache, waits):
    content = zipped()
    server.add(RECORD, NAME, content)
    server.fail(FILE, Fault(drop_after=100_000), Fault(status=403))
    with pytest.raises(NetworkError, match="403"):
        weights.fetch(model)
    server.ranges = False
    server.fail(FILE, Fault(content=PAGE))
    with pytest.raises(NetworkError, match="shows a page"):
        weights.fetch(model)
    server.ranges = True
    assert weights.fetch(model).path.read_bytes() == content
    assert server.asked(FILE)[-1].headers["Range"] == "bytes=100000-"


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_download_goes_on_or_begins_anew(monkeypatch, model, waits, ranges):
    content = zipped()
    with Zenodo(ranges=ranges) as server:
        monkeypatch.setenv("MEDIGAN_ZENODO_URL", server.url)
        server.add(RECORD, NAME, content)
        server.fail(FILE, Fault(drop_after=100_000), Fault(drop_after=1000))
        assert weights.fetch(model).path.read_bytes() == content
        ranges = [request.headers.get("Range") for request in server.asked(FILE)]
        assert ranges[:2] == [None, "bytes=100000-"]
    assert len(waits) == 2


def test_a_shortened_answer_goes_on_where_it_ended(server, model, waits):
    content = zipped()
    server.add(RECORD, NAME, content)
    server.fail(FILE, Fault(content=content[:50_000]))
    assert weights.fetch(model).path.read_bytes() == content
    assert server.asked(FILE)[1].headers["Range"] == "bytes=50000-"


def test_a_beginning_of_another_file_is_not_gone_on_with(server, model, waits, own_cache):
    content = zipped()
    server.add(RECORD, NAME, content)
    part = own_cache / "weights" / f"zenodo-{RECORD}" / f".{NAME}.part"
    part.parent.mkdir(parents=True)
    for beginning in (b"x" * 1000, b"x" * len(content), b"x" * (len(content) + 1)):
        part.write_bytes(beginning)
        assert weights.fetch(model).path.read_bytes() == content
        assert not part.exists()
        weights.fetch(model).path.unlink()
    part.write_bytes(content)
    before = len(server.asked(FILE))
    assert weights.fetch(model).path.read_bytes() == content
    assert len(server.asked(FILE)) == before


def test_a_server_that_hangs_is_not_waited_for(server, model, waits, monkeypatch):
    content = zipped()
    server.add(RECORD, NAME, content)
    monkeypatch.setattr(web, "TIMEOUT_SECONDS", 0.3)
    server.fail(FILE, Fault(hang=True), Fault(hang_after=1000))
    assert weights.fetch(model).path.read_bytes() == content
    assert len(waits) == 2
    assert [request.headers.get("Range") for request in server.asked(FILE)][:2] == [None, None]


def test_more_than_fits_is_refused(server, model, monkeypatch, other):
    content = zipped()
    server.add(RECORD, NAME, content)
    monkeypatch.setattr("medigan_hub.weights.download.MAX_FILE_BYTES", 1000)
    with pytest.raises(WeightsError, match="is refused: it has over"):
        weights.fetch(model)
    monkeypatch.undo()
    monkeypatch.setenv("MEDIGAN_ZENODO_URL", server.url)
    free = shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: free)
    with pytest.raises(OutputError, match=r"needs 64 MiB, and .* has 0 MiB free; make room"):
        weights.fetch(model)


def test_a_cache_that_is_no_folder_is_told(server, model, own_cache):
    own_cache.write_text("a file")
    with pytest.raises(OutputError, match="MEDIGAN_CACHE names another folder"):
        weights.fetch(model)


# Processes and threads


def start_fetching(published):
    process = subprocess.Popen(
        [sys.executable, "-c", FETCH],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdin.write(json.dumps(published))
    process.stdin.close()
    process.stdin = None
    return process


def test_two_processes_and_more_threads_download_a_file_once(server, published, model):
    content = zipped()
    server.add(RECORD, NAME, content)
    processes = [start_fetching(published) for _ in range(2)]
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(weights.fetch(model).sha256)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for process in processes:
        out, err = process.communicate()
        assert (out.strip(), err) == (sha256(content), "")  # and no bar in a pipe
    assert found == [sha256(content)] * 4
    assert len(server.asked(FILE)) == 1


def test_a_terminal_is_told_how_far_it_is_and_what_is_waited_for(server, published):
    pty = pytest.importorskip("pty")
    server.add(RECORD, NAME, zipped())
    server.fail(FILE, Fault(status=429, headers={"Retry-After": "1"}))
    own, terminal = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-c", FETCH],
            input=json.dumps(published),
            stdout=subprocess.PIPE,
            stderr=terminal,
            text=True,
            check=True,
            env={**os.environ, "COLUMNS": "300", "TERM": "xterm"},
        )
        os.set_blocking(own, False)
        shown = b""
        with suppress(BlockingIOError):  # once nothing is left
            while True:
                shown += os.read(own, 2**20)
        shown = shown.decode()
    finally:
        os.close(own)
        os.close(terminal)
    assert len(done.stdout.strip()) == 64
    assert "refuses programs for now; trying again in 1 seconds" in shown
    assert NAME in shown


def test_a_killed_download_is_gone_on_with(server, published, model, own_cache):
    content = zipped()
    server.add(RECORD, NAME, content)
    server.fail(FILE, Fault(hang_after=100_000))
    process = start_fetching(published)
    folder = own_cache / "weights" / f"zenodo-{RECORD}"
    part = folder / f".{NAME}.part"
    deadline = time.monotonic() + 60
    while not (part.is_file() and part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    done = part.stat().st_size
    assert {path.name for path in folder.iterdir()} == {part.name, f".{NAME}.lock"}
    assert weights.fetch(model).path.read_bytes() == content
    assert server.asked(FILE)[1].headers["Range"] == f"bytes={done}-"


# Archives


@pytest.fixture
def publish(server, model):
    """Return a function that publishes an archive in place of the model's."""

    def publish_archive(content):
        server.add(RECORD, NAME, content)
        return model

    return publish_archive


@pytest.mark.parametrize("package", ["", "00005_DCGAN_MMG_MASS_ROI/", "another/"])
def test_members_are_named_from_the_folder_of_the_code(publish, package):
    files = {"__init__.py": b"", "500.pt": b"parameters", "images/a.png": b"png"}
    files |= {".DS_Store": b"", "images/._a.png": b""}
    model = publish(zipped(files, package))
    assert weights.names(model) == ["500.pt", "__init__.py", "images/a.png"]
    assert weights.extract(model, "images/a.png").read_bytes() == b"png"
    assert located(model).read_bytes() == b"parameters"
    assert located(model, "__init__.py").read_bytes() == b""
    folder = weights.unpack(model)
    assert {path.name for path in folder.iterdir()} == {"__init__.py", "500.pt", "images"}


def located(model, name=None):
    return weights.located(model, Path(), model.weights[0], name)["network"]


def test_a_file_that_is_no_archive_is_located_itself(publish, server, model, other):
    publish(b"parameters")
    assert located(other(member=None)).read_bytes() == b"parameters"
    with pytest.raises(WeightsError, match=r"is no zip archive that can be read: File is not a"):
        located(model)


def test_a_member_that_is_not_there_offers_the_close_ones(publish):
    model = publish(zipped())
    with pytest.raises(WeightsError, match=r"holds no 5OO.pt; it has 500.pt$"):
        weights.extract(model, "5OO.pt")
    with pytest.raises(WeightsError, match=r"holds no \.\./x; it has"):
        weights.extract(model, "../x")


def test_a_damaged_member_is_extracted_again(publish):
    model = publish(zipped())
    path = weights.extract(model, "500.pt")
    before, modified = path.read_bytes(), path.stat().st_mtime_ns
    assert weights.extract(model, "500.pt").stat().st_mtime_ns == modified
    damage(path)
    assert weights.extract(model, "500.pt").read_bytes() == before
    path.unlink()
    path.symlink_to("/etc/passwd")
    assert weights.extract(model, "500.pt").read_bytes() == before


def test_an_unpacked_archive_that_was_changed_is_unpacked_again(publish, contents):
    model = publish(zipped())
    folder = weights.unpack(model)
    before = contents(folder)
    state = folder.stat().st_ino
    assert weights.unpack(model).stat().st_ino == state
    for change in (
        lambda: damage(folder / "500.pt"),
        lambda: (folder / "__init__.py").unlink(),
        lambda: (folder / "numpy.py").write_text("raise SystemExit"),
        lambda: (folder / "link").symlink_to("/"),
        lambda: shutil.rmtree(folder),
    ):
        change()
        assert contents(weights.unpack(model)) == before
    assert len(list(folder.parent.iterdir())) == 2  # the folder, and what is known of it


def entry(name, mode=0, **attributes):
    found = zipfile.ZipInfo(name)
    found.external_attr = mode << 16
    for attribute, value in attributes.items():
        setattr(found, attribute, value)
    return found


def raw(*entries):
    """Write a zip archive with exactly these entries."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for info in entries:
            archive.writestr(info, b"evil")
    return stream.getvalue()


def encrypted():
    content = bytearray(raw(entry("500.pt")))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: raw(entry("../evil.txt")), "leads out"),
        (lambda: raw(entry("a/../../evil.txt")), "leads out"),
        (lambda: raw(entry("/tmp/evil.txt")), "leads out"),  # noqa: S108
        (lambda: raw(entry("C:/evil.txt")), "leads out"),
        (lambda: raw(entry("a\\evil.txt")), "leads out"),
        (lambda: raw(entry("a//evil.txt")), "leads out"),
        (lambda: raw(entry("evil\x1b.txt")), "is no plain path"),
        (lambda: raw(entry("./evil.txt")), "is no plain path"),
        (lambda: raw(entry("evil.txt", stat.S_IFLNK | 0o777)), "is a link"),
        (lambda: raw(entry("evil.txt", stat.S_IFIFO | 0o777)), "is neither a file nor a folder"),
        (lambda: raw(entry("evil.txt"), entry("evil.txt")), "would be the same file"),
        (lambda: raw(entry("evil.txt"), entry("Evil.txt")), "would be the same file"),
        (lambda: raw(entry("caf\u00e9"), entry("cafe\u0301")), "would be the same file"),
        (lambda: raw(entry("evil.txt"), entry("evil.txt/a")), "lies in what is a file"),
        (encrypted, "is encrypted"),
        (lambda: zipped()[:-30], "is no zip archive"),
        (lambda: zipped()[50_000:], "is no zip archive"),
        (lambda: b"", "is no zip archive"),
    ],
)
@pytest.mark.parametrize("call", [weights.unpack, lambda model: weights.extract(model, "500.pt")])
def test_a_harmful_archive_leaves_nothing(publish, tmp_path, make, reason, call):
    model = publish(make())
    weights.fetch(model)
    before = {path for path in tmp_path.rglob("*") if path.name != "pins.lock"}
    with pytest.raises(WeightsError, match=reason) as caught:
        call(model)
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert {path for path in tmp_path.rglob("*") if path.name != "pins.lock"} == before
    assert not list(tmp_path.parent.glob("evil*"))


def flip(content, marker):
    """Damage what is stored without compression."""
    position = content.index(marker)
    return content[:position] + b"!" + content[position + 1 :]


def test_a_file_that_is_not_what_the_archive_says_is_not_kept(publish, own_cache):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("500.pt", b"parameters")
    model = publish(flip(stream.getvalue(), b"parameters"))
    for call in (weights.unpack, lambda model: weights.extract(model, "500.pt")):
        with pytest.raises(WeightsError, match="Bad CRC-32"):
            call(model)
    assert not [path for path in own_cache.rglob("*") if path.name in ("500.pt",)]
    assert not list(own_cache.rglob("*.tmp"))


@pytest.mark.parametrize(
    ("bound", "value", "reason"),
    [
        ("MAX_UNPACKED_BYTES", 10_000, "GiB are the most"),
        ("MAX_FILE_BYTES", 10_000, "has over"),
        ("MAX_ENTRIES", 2, "3 files, and 2 are the most"),
        ("UNSUSPICIOUS_BYTES", 1000, "it unpacks to over 200 times its size"),
    ],
)
def test_a_bomb_is_refused(publish, monkeypatch, bound, value, reason):
    files = {"__init__.py": b"", "500.pt": bytes(10_000_000), "a": b""}
    monkeypatch.setattr(f"medigan_hub.weights.archives.{bound}", value)
    with pytest.raises(WeightsError, match=reason):
        weights.unpack(publish(zipped(files)))


def test_a_file_that_is_larger_than_it_says_is_refused(publish, own_cache):
    content = bytearray(zipped({"500.pt": bytes(100_000)}))
    central = content.index(b"PK\x01\x02")
    for position in (22, central + 24):
        content[position : position + 4] = (10).to_bytes(4, "little")
    with pytest.raises(WeightsError):
        weights.unpack(publish(bytes(content)))
    assert not list(own_cache.rglob("500.pt"))


def test_importing_the_hub_loads_none_of_this():
    code = (
        "import sys, medigan_hub.weights; "
        "print(*({'torch', 'requests', 'pooch', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
