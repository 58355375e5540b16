"""What processes of others' code know of the user, and what is left of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from medigan_hub import HubError, variables
from medigan_hub.contribution import building
from medigan_hub.errors import OutputError
from medigan_hub.execution import Execution
from medigan_hub.metadata import ModelMetadata
from medigan_hub.processes import groups
from medigan_hub.runtimes.archive import arrays, permission
from medigan_hub.runtimes.archive.client import Worker
from medigan_hub.runtimes.archive.environments import environment
from medigan_hub.samples import GenerationRequest
from support import archives, projects

MARK = "5ecret"
SECRETS = {
    "GH_PAT": MARK,
    "GITHUB_TOKEN": MARK,
    "ZENODO_API_TOKEN": MARK,
    "DATABASE_URL": f"postgres://me:{MARK}@db.example.org/patients",
    "SMTP_PASS": MARK,
    "SSH_AUTH_SOCK": f"/run/{MARK}/agent",
    "AWS_ACCESS_KEY_ID": MARK,
    "AWS_SESSION_TOKEN": MARK,
    "NVIDIA_API_KEY": MARK,
    "TF_VAR_database": MARK,
    "UV_INDEX_HOSPITAL_PASSWORD": MARK,
    "PIP_INDEX_URL": f"https://me:{MARK}@127.0.0.1:9/simple",
    "PIP_EXTRA_INDEX_URL": f"https://{MARK}@127.0.0.1:9/a https://me:{MARK}/@127.0.0.1:9/b",
    "UV_DEFAULT_INDEX": f"hospital=https://me:{MARK}@127.0.0.1:9/simple?key={MARK}",
    "HTTPS_PROXY": f"http://me:{MARK}@127.0.0.1:9",
    "http_proxy": f"me:{MARK}@127.0.0.1:9",
    "ANYTHING_AT_ALL": MARK,
}
# Looks at its own variables, and at those of every process that it can see.
SPY = """
def spy():
    import os, pathlib
    hits = [name for name, value in os.environ.items() if "5ecret" in value]
    for path in pathlib.Path("/proc").glob("[0-9]*/environ"):
        try:
            hits += [str(path)] if b"5ecret" in path.read_bytes() else []
        except OSError:
            pass
    return " ".join(hits) or "nothing"
"""
# Builds nothing: writes down what it sees.
BACKEND = f"""
{SPY}
import pathlib
def see(*_):
    with open({{seen!r}}, "a") as stream:
        stream.write(spy() + "\\n")
    raise SystemExit("it builds nothing")
build_wheel = build_sdist = get_requires_for_build_wheel = see
prepare_metadata_for_build_wheel = get_requires_for_build_sdist = see
"""
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""


@pytest.fixture
def secrets(monkeypatch):
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def seen(tmp_path):
    """A file that a build backend writes to, and the two files of that project."""
    path = tmp_path / "seen.txt"
    files = {
        "pyproject.toml": PYPROJECT,
        "backend.py": BACKEND.format(seen=str(path)),
        "PKG-INFO": "Metadata-Version: 2.1\nName: spy\nVersion: 1.0\n",
    }
    return path, files


def without_marks(path):
    lines = path.read_text().splitlines()
    assert lines, "it ran"
    return set(lines) == {"nothing"}


def test_variables_for_others_hold_no_secret_however_it_is_written(secrets):
    for found in (variables.for_others(*variables.PROXIES), variables.for_installers()):
        assert MARK not in json.dumps(found)
    settings = variables.for_installers()
    assert settings["PIP_INDEX_URL"] == "https://127.0.0.1:9/simple"
    assert settings["HTTPS_PROXY"] == "http://127.0.0.1:9"
    assert settings["http_proxy"] == "127.0.0.1:9"
    # The user's own pip may need them.
    assert MARK in variables.for_installers(passwords=True)["PIP_INDEX_URL"]
    assert "GITHUB_TOKEN" not in variables.for_installers(passwords=True)


@pytest.mark.parametrize(
    ("value", "bare"),
    [
        ("https://a:b@x/s", "https://x/s"),
        ("https://a:b@c@x/s", "https://x/s"),
        ("https://a,b:c,d@x/s", "https://x/s"),
        ("https://x/s,https://a:b@y/t", "https://x/s,https://y/t"),
        ("https://x/s?token=b", "https://x/s"),
        ("https://a:b/c@x/s", ""),
        ("https://[::1/ https://a:b@x", " https://x"),
        ("/with@at /other", "/with@at /other"),
    ],
)
def test_a_password_is_taken_out_of_every_form_of_a_url(value, bare):
    assert variables.without_password(value) == bare


def test_paths_of_an_installer_hold_in_any_folder(tmp_path, monkeypatch):
    (tmp_path / "wheels").mkdir()
    (tmp_path / "1").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIP_FIND_LINKS", "wheels https://index.example.org/x")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    found = variables.for_installers()
    assert found["PIP_FIND_LINKS"] == f"{tmp_path / 'wheels'} https://index.example.org/x"
    assert found["PIP_NO_INDEX"] == "1"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems show no such files")
def test_what_is_built_and_the_model_see_no_secrets(tmp_path):
    project = projects.make(tmp_path / "project", reference=False)
    path = tmp_path / "seen.txt"
    (project / "backend.py").write_text(
        f"{SPY}\nfrom hatchling.build import *\n"
        f"with open({str(path)!r}, 'a') as stream: stream.write(spy() + '\\n')\n"
    )
    projects.change(
        project,
        "pyproject.toml",
        ('build-backend = "hatchling.build"', 'build-backend = "backend"\nbackend-path = ["."]'),
    )
    projects.change(
        project,
        f"{projects.PACKAGE}/__init__.py",
        ("import numpy as np\n", f"{SPY}\nassert spy() == 'nothing', spy()\nimport numpy as np\n"),
    )
    done = subprocess.run(
        [sys.executable, "-m", "medigan_hub", "check", str(project), "--json"],
        capture_output=True,
        text=True,
        env={**os.environ, **SECRETS},
    )
    report = json.loads(done.stdout)
    statuses = {finding["check"]: finding for finding in report["findings"]}
    assert statuses["model loads"]["status"] == "passed", statuses["model loads"]
    assert without_marks(path)


def test_a_dependency_that_is_built_sees_no_secrets(secrets, seen, tmp_path, monkeypatch):
    path, files = seen
    links = archives.stub_index(tmp_path / "links")
    with tarfile.open(links / "spy-1.0.tar.gz", "w:gz") as archive:
        for name, content in files.items():
            (tmp_path / name).write_text(content)
            archive.add(tmp_path / name, f"spy-1.0/{name}")
    for name, value in archives.without_network(links).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(HubError, match="no environment could be made"):
        environment(["spy"])
    assert without_marks(path)


def test_published_code_sees_no_secrets(secrets, tmp_path):
    code = tmp_path / "code"
    code.mkdir()
    (code / "__init__.py").write_text(f"{SPY}\ndef generate(**_): return [spy()]\n")
    model = SimpleNamespace(name="toy", archive=SimpleNamespace(function="generate"))
    with Worker(
        model, Path(sys.executable), tmp_path, code, seed=0, device="cpu", limit=60
    ) as worker:
        message = {"arguments": {}, "tensors": {}, "seed": "0", "results": str(tmp_path / "r")}
        assert worker.call(message, tmp_path / "r", 1) == [["nothing"]]


# What is left


def test_a_build_that_never_ends_or_never_stops_talking_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(building, "LIMIT_SECONDS", 3.0)
    monkeypatch.setattr(building, "MAX_PRINTED_BYTES", 2**16)
    for code, words in (
        ("import time; time.sleep(60)", "takes over 3 seconds"),
        ("while True: print('x' * 10**4)", "prints over 0 MiB"),
    ):
        (tmp_path / "pyproject.toml").write_text(PYPROJECT)
        (tmp_path / "backend.py").write_text(code)
        with pytest.raises(HubError, match=words):
            building.build(tmp_path, tmp_path / "dist")


DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    daemon = os.fork()
    if daemon == 0:
        os.closerange(0, 3)
        time.sleep(60)
    print(daemon, flush=True)
    os._exit(0)
os.wait()
{then}
"""


def is_there(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such means")
@pytest.mark.parametrize("then", ["", "os._exit(3)", "os.kill(os.getpid(), 9)", "time.sleep(60)"])
def test_a_daemon_ends_with_what_started_it(then):
    process = groups.start([sys.executable, "-c", DAEMON.format(then=then)], stdout=subprocess.PIPE)
    with process.stdout:
        pid = int(process.stdout.readline())
        if "sleep" in then:
            assert is_there(pid)
            groups.end(process, grace=0.1)
        else:
            assert process.wait(30) == {"": 0, "os._exit(3)": 3}.get(then, -9)
    assert not is_there(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such means")
def test_a_daemon_ends_with_a_hub_that_is_killed():
    hub = (
        "import sys, time\nfrom medigan_hub.processes import groups\n"
        "groups.start([sys.executable, '-c', sys.argv[1]])\ntime.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hub, DAEMON.format(then="time.sleep(60)")], stdout=subprocess.PIPE
    ) as process:
        pid = int(process.stdout.readline())
        assert is_there(pid)
        process.kill()
    end = time.monotonic() + 30
    while is_there(pid) and time.monotonic() < end:
        time.sleep(0.05)
    assert not is_there(pid)


def test_a_program_that_is_not_there_is_told_in_one_line(tmp_path):
    with pytest.raises(HubError, match="can't be run"):
        groups.start([str(tmp_path / "no-such-program")])


# Arrays that come back


def npy(text, content=b""):
    header = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + content


@pytest.mark.parametrize(
    "content",
    [
        npy("{'descr': '|u1', 'fortran_order': False, 'shape': (10**15,), }"),
        npy("{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000000,), }", b"x"),
        npy("{'descr': '|u1', 'fortran_order': False, 'shape': (-1,), }"),
        npy("{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }", b"xxxx"),
        npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", b"x" * 8),
        npy("{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (1,), }", b"x" * 8),
        npy("{'descr': '|V0', 'fortran_order': False, 'shape': (1000000000000000,), }"),
        npy("(" * 100),
        b"\x93NUMPY\x09\x00",
        b"",
    ],
)
def test_an_array_whose_header_lies_is_refused(content, tmp_path):
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(ValueError, match=r"it is|it holds|its size"):
        arrays.read(tmp_path / "x.npy")


def test_an_honest_array_is_read_as_numpy_reads_it(tmp_path):
    for array in (np.arange(6.0).reshape(2, 3), np.asfortranarray(np.eye(3)), np.array(7, "u1")):
        np.save(tmp_path / "x.npy", array)
        found = arrays.read(tmp_path / "x.npy")
        np.testing.assert_array_equal(found, np.load(tmp_path / "x.npy"))
        assert found.dtype == array.dtype


# The permission to run published code

DIGEST = "0" * 64


@pytest.fixture
def planted(own_cache):
    own_cache.mkdir(mode=0o700)
    path = own_cache / "allowed-archives.json"
    path.write_text(json.dumps({DIGEST: {}}))
    path.chmod(0o600)
    assert permission.is_given(DIGEST)
    return path


def test_a_permission_that_anybody_may_write_is_none(planted):
    planted.chmod(0o666)
    assert not permission.is_given(DIGEST)
    planted.chmod(0o600)
    planted.parent.chmod(0o777)
    with pytest.raises(OutputError, match="can be written by every account"):
        permission.is_given(DIGEST)


def test_a_permission_behind_a_link_or_a_pipe_is_none(planted):
    target = planted.with_name("elsewhere.json")
    planted.rename(target)
    planted.symlink_to(target)
    assert not permission.is_given(DIGEST)
    planted.unlink()
    os.mkfifo(planted)
    assert not permission.is_given(DIGEST)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="root alone can")
def test_a_permission_of_another_account_is_none(planted):
    os.chown(planted, 12345, 12345)
    assert not permission.is_given(DIGEST)


def test_a_permission_is_kept_for_the_user_alone(document, own_cache):
    own_cache.mkdir(mode=0o700)
    model = ModelMetadata.from_document(document)
    request = GenerationRequest(model, range(1), 0, execution=Execution(allow_archive_code=True))
    permission.check(model, model.main_file, request, DIGEST)
    assert (own_cache / "allowed-archives.json").stat().st_mode & 0o077 == 0
    assert permission.is_given(DIGEST)
