"""The cache: what others put there is not believed, and locks hold where they can, or are told."""

from __future__ import annotations

import errno
import fcntl
import grp
import hashlib
import http.server
import json
import os
import pwd
import stat
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

import medigan_hub
from medigan_hub import HubWarning, OutputError, hashes, locks, ownership, weights
from medigan_hub.cli import main
from medigan_hub.files import cache_folder, read_own
from medigan_hub.locks import locked, only_one
from medigan_hub.metadata import ModelMetadata
from medigan_hub.runtimes.archive import environments, permission
from medigan_hub.samples import GenerationRequest
from support.zenodo import Zenodo

OTHER = 12345
"""Number of an account that nobody has."""
RECORD, NAME = "7031758", "00005_DCGAN_MMG_MASS_ROI.zip"
CATALOGUE = Path(medigan_hub.__file__).parent / "catalogue"
FETCH = """
import errno, fcntl, json, sys
from medigan_hub import weights
from medigan_hub.metadata import ModelMetadata
def flock(*_):
    raise OSError(errno.ENOLCK, "No locks available")
fcntl.flock = flock
print(weights.fetch(ModelMetadata.from_document(json.load(sys.stdin))).sha256)
"""

is_root = hasattr(os, "geteuid") and os.geteuid() == 0
by_root = pytest.mark.skipif(not is_root, reason="root alone can give a file away")


@pytest.fixture
def model():
    document = json.loads((CATALOGUE / "dcgan-mmg-mass-roi-bcdr.json").read_text())
    return ModelMetadata.from_document(document)


@pytest.fixture
def server(monkeypatch):
    with Zenodo() as zenodo:
        monkeypatch.setenv("MEDIGAN_ZENODO_URL", zenodo.url)
        yield zenodo


@pytest.fixture(params=["given away", "seen by another"])
def foreign(request, monkeypatch):
    """Return a function that makes a file or folder another account's, or this account another."""

    def give_away(path: Path) -> None:
        if request.param == "given away":
            if not is_root:
                pytest.skip("root alone can give a file away")
            os.chown(path, OTHER, OTHER, follow_symlinks=False)
        else:
            monkeypatch.setattr(ownership, "ROOT", -1)
            monkeypatch.setattr(os, "geteuid", lambda: OTHER)

    return give_away


# Whose it is


@pytest.mark.parametrize("command", [["list"], ["weights", "list"], ["info", "5"]])
def test_a_cache_that_another_account_made_is_refused_in_one_line(
    own_cache, foreign, capsys, command
):
    own_cache.mkdir()
    foreign(own_cache)
    with pytest.raises(SystemExit) as ended:
        main(command)
    out, err = capsys.readouterr()
    assert (ended.value.code, out) == (1, "")
    assert err.startswith(f"error: {own_cache} belongs to another account")
    assert "MEDIGAN_CACHE" in err
    assert err.count("\n") == 1


def test_a_permission_that_another_account_gave_is_none(own_cache, foreign, model):
    own_cache.mkdir()
    (own_cache / "allowed-archives.json").write_text(json.dumps({"0" * 64: {}}))
    request = GenerationRequest(model, indices=range(1), seed=1)
    permission.check(model, model.main_file, request, "0" * 64)  # as long as it is one's own
    foreign(own_cache)
    with pytest.raises(OutputError, match="belongs to another account"):
        permission.check(model, model.main_file, request, "0" * 64)


def test_a_python_that_another_account_left_is_not_run(own_cache, foreign, monkeypatch):
    monkeypatch.setattr(environments, "_commands", lambda *_: [])  # all was there
    own_cache.mkdir()
    foreign(own_cache)
    with pytest.raises(OutputError, match="belongs to another account"):
        environments.environment(["numpy"])
    assert list(own_cache.iterdir()) == []


def test_weights_that_another_account_pinned_are_not_taken(own_cache, server, model, foreign):
    server.add(RECORD, NAME, b"content")
    weights.fetch(model)
    foreign(own_cache / "weights")
    own_cache.chmod(0o755)
    with pytest.raises(OutputError, match="belongs to another account"):
        weights.fetch(model)


@by_root
def test_a_state_file_of_another_account_is_not_read(own_cache):
    path = cache_folder() / "pins.json"
    path.write_bytes(b"{}")
    assert read_own(path) == b"{}"
    os.chown(path, OTHER, OTHER)
    with pytest.raises(OutputError, match=r"pins.json belongs to another account \(number 12345\)"):
        read_own(path)


def test_a_link_is_no_state_file_and_a_pipe_is_not_waited_for(own_cache, tmp_path):
    (tmp_path / "elsewhere").write_bytes(b"{}")
    path = cache_folder() / "pins.json"
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match="is a link, which is not followed"):
        read_own(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(OutputError, match="is no file"):
        read_own(path)


def test_what_an_administrator_shares_is_read(own_cache, server, model, monkeypatch):
    server.add(RECORD, NAME, b"content")
    found = weights.fetch(model)
    own_cache.chmod(0o755)
    monkeypatch.setattr(ownership, "ROOT", os.geteuid())
    monkeypatch.setattr(os, "geteuid", lambda: OTHER)
    server.stop()
    assert weights.fetch(model) == found


@by_root
def test_a_link_to_a_cache_is_followed_if_it_is_ones_own(own_cache, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    own_cache.symlink_to(tmp_path / "elsewhere")
    assert cache_folder() == own_cache
    os.chown(own_cache, OTHER, OTHER, follow_symlinks=False)
    with pytest.raises(OutputError, match="belongs to another account"):
        cache_folder()


# Who can write it


def test_a_cache_is_made_for_this_account_alone(own_cache):
    before = os.umask(0)
    try:
        cache_folder()
    finally:
        os.umask(before)
    assert stat.S_IMODE(own_cache.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o707, 0o703])
def test_a_cache_that_every_account_can_write_is_refused(own_cache, mode):
    own_cache.mkdir()
    own_cache.chmod(mode)
    with pytest.raises(OutputError, match=rf"every account.*\(chmod go-w {own_cache}\)"):
        cache_folder()


@pytest.mark.parametrize(
    ("group", "members", "fits"), [("ada", [], True), ("ada", ["bob"], False), ("lab", [], False)]
)
def test_a_group_may_write_a_cache_if_it_is_this_accounts_alone(
    own_cache, monkeypatch, group, members, fits
):
    own_cache.mkdir()
    own_cache.chmod(0o775)
    account = SimpleNamespace(pw_name="ada", pw_gid=own_cache.stat().st_gid)
    monkeypatch.setattr(pwd, "getpwuid", lambda _: account)
    monkeypatch.setattr(grp, "getgrgid", lambda _: SimpleNamespace(gr_name=group, gr_mem=members))
    if fits:
        assert cache_folder() == own_cache
        return
    with pytest.raises(OutputError, match="can be written by the accounts of its group"):
        cache_folder()


def test_a_folder_in_a_cache_that_others_can_enter_and_write_is_refused(own_cache):
    folder = cache_folder() / "weights"
    folder.mkdir()
    (folder / "pins.json").write_bytes(b"{}")
    folder.chmod(0o777)
    assert read_own(folder / "pins.json") == b"{}"  # nobody comes there
    own_cache.chmod(0o755)
    with pytest.raises(OutputError, match="weights can be written by every account"):
        read_own(folder / "pins.json")


# Without a home


def nowhere(monkeypatch, tmp_path):
    def unknown(_):
        raise KeyError("no such account")

    for name in ("HOME", "XDG_CACHE_HOME", "MEDIGAN_CACHE", "USERPROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def test_without_a_home_the_cache_is_a_private_folder_of_the_temporary_one(monkeypatch, tmp_path):
    nowhere(monkeypatch, tmp_path)
    folder = cache_folder()
    assert folder == tmp_path / f"medigan-hub-{os.getuid()}"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_folder_in_the_temporary_one_is_not_taken_from_others(monkeypatch, tmp_path, foreign):
    nowhere(monkeypatch, tmp_path)
    (tmp_path / f"medigan-hub-{os.getuid()}").mkdir()
    foreign(tmp_path / f"medigan-hub-{os.getuid()}")
    with pytest.raises(OutputError, match="belongs to another account"):
        cache_folder()


@by_root
def test_an_account_without_name_and_home_can_list_models():
    with tempfile.TemporaryDirectory() as folder:  # tmp_path lies where only this account comes
        os.chmod(folder, 0o1777)  # noqa: PTH101, S103 (as of the system's own)
        list_models({"PATH": os.environ["PATH"], "TMPDIR": folder})
        assert [path.name for path in Path(folder).iterdir()] == [f"medigan-hub-{OTHER}"]


def list_models(environment):
    try:
        command = [sys.executable, "-c", "import medigan_hub"]
        able = subprocess.run(command, user=OTHER, env=environment).returncode == 0
    except PermissionError:
        able = False
    if not able:
        pytest.skip("other accounts can't enter the folder of this project or of its Python")
    done = subprocess.run(
        [sys.executable, "-m", "medigan_hub", "list"],
        user=OTHER,
        group=OTHER,
        extra_groups=[],
        env=environment,
        cwd="/",
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "dcgan-mmg-mass-roi-bcdr" in done.stdout


# Locks


@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe", "folder"])
@pytest.mark.parametrize("lock", [lambda path: locked(path), lambda path: only_one(path.parent)])
def test_a_lock_that_is_something_else_makes_and_changes_nothing(tmp_path, kind, lock):
    victim = tmp_path / "victim"
    path = tmp_path / "folder" / locks.LOCK
    path.parent.mkdir()
    if kind == "link":
        victim.write_text("precious")
    if kind.endswith("link"):
        path.symlink_to(victim)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises((OutputError, IsADirectoryError)), lock(path):
        pass
    assert victim.exists() == (kind == "link")
    assert not victim.exists() or victim.read_text() == "precious"


def test_a_lock_that_another_account_made_is_refused(tmp_path, foreign):
    path = tmp_path / "lock"
    path.touch()
    foreign(path)
    with pytest.raises(OutputError, match="belongs to another account"), locked(path):
        pass


def as_nfs_does(monkeypatch):
    """Let only what is open for writing be locked."""
    flock = fcntl.flock

    def strict(descriptor: int, operation: int) -> None:
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", strict)


def test_a_data_set_is_locked_where_only_open_for_writing_can_be(tmp_path, monkeypatch):
    as_nfs_does(monkeypatch)
    folder = tmp_path / "out"
    with (
        only_one(folder),
        pytest.raises(OutputError, match="another process is writing into"),
        only_one(folder),
    ):
        pass
    assert list(folder.iterdir()) == []
    with only_one(folder):  # and once it is free, again
        pass


def test_a_folder_that_is_moved_away_while_it_is_locked_takes_its_lock_along(tmp_path):
    folder = tmp_path / "out"
    with only_one(folder):
        folder.rename(tmp_path / "moved")
        with only_one(folder):
            assert (folder / locks.LOCK).exists()
    assert list(folder.iterdir()) == []


def test_where_nothing_open_can_be_removed_or_inherited_there_are_locks_all_the_same(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(locks, "WINDOWS", True)
    folder = tmp_path / "out"
    for _ in range(2):
        with (
            only_one(folder),
            pytest.raises(OutputError, match="another process is writing into"),
            only_one(folder),
        ):
            pass
        assert [path.name for path in folder.iterdir()] == [locks.LOCK]
    with locked(tmp_path / "lock") as inherited:
        assert inherited == ()


@pytest.fixture
def no_locks(monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", flock)
    monkeypatch.setattr(locks, "_warned", False)


def test_where_there_are_no_locks_one_warning_says_so(no_locks, tmp_path):
    def lock_both() -> None:
        for name in ("a", "b"):
            with only_one(tmp_path / name), locked(tmp_path / "lock") as held:
                assert held == ()

    with pytest.warns(HubWarning, match="is on a file system without locks") as caught:
        lock_both()
    assert len(caught) == 1


@contextmanager
def slow_server(content: bytes, together: int):
    """Serve a file of which the second half comes once so many have asked for it."""
    barrier = threading.Barrier(together)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            barrier.wait(60)
            self.wfile.write(content[len(content) // 2 :])

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as found:
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{found.server_address[1]}/x.bin"
        found.shutdown()
        thread.join()


def test_without_locks_two_downloads_of_a_file_do_not_spoil_each_other(model, own_cache):
    content = os.urandom(2_000_000)
    with slow_server(content, together=2) as url:
        document = json.loads(json.dumps(model.document))
        document["weights"][0]["files"][0] |= {
            "url": url,
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", FETCH],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(2)
        ]
        for process in processes:
            process.stdin.write(json.dumps(document))
            process.stdin.flush()
            process.stdin.close()
            process.stdin = None
        for process in processes:
            out, err = process.communicate(timeout=120)
            assert out.strip() == document["weights"][0]["files"][0]["sha256"], err
            assert err.count("without locks") == 1
    (folder,) = [path for path in (own_cache / "weights").iterdir() if path.is_dir()]
    (kept,) = [path for path in folder.iterdir() if path.suffix != ".lock"]
    assert kept.read_bytes() == content


# Changes that don't show


@pytest.mark.parametrize("in_place", [True, False])
def test_a_file_replaced_with_the_same_size_and_time_is_found_out(tmp_path, in_place):
    path = tmp_path / "file"
    path.write_bytes(b"right")
    time.sleep(2 * hashes.TICK_NS / 1e9)  # for it to be remembered
    before = path.stat()
    assert hashes.sha256_once(path) == hashlib.sha256(b"right").hexdigest()
    if in_place:
        with path.open("r+b") as stream:
            stream.write(b"wrong")
    else:
        (tmp_path / "other").write_bytes(b"wrong")
        os.utime(tmp_path / "other", ns=(before.st_atime_ns, before.st_mtime_ns))
        (tmp_path / "other").replace(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (5, before.st_mtime_ns)
    assert hashes.sha256_once(path) == hashlib.sha256(b"wrong").hexdigest()


def test_weights_replaced_with_the_same_size_and_time_are_fetched_again(server, model, capsys):
    server.add(RECORD, NAME, b"right")
    path = weights.fetch(model).path
    time.sleep(2 * hashes.TICK_NS / 1e9)
    weights.fetch(model)
    before = path.stat()
    path.write_bytes(b"wrong")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(SystemExit):
        main(["weights", "list", "--json"])
    found = {each["model"]: each["state"] for each in json.loads(capsys.readouterr().out)}
    assert found[model.name] == "damaged"
    assert weights.fetch(model).path.read_bytes() == b"right"
