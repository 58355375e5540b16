"""The process that reads checkpoints: it can do nothing else, and is not believed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import medigan_hub
from medigan_hub import WeightsError, weights

torch = pytest.importorskip("torch")
unix = pytest.mark.skipif(sys.platform == "win32", reason="has no such programs")
linux = pytest.mark.skipif(sys.platform != "linux", reason="has no such filters of calls")

ROOT = str(Path(medigan_hub.__file__).parents[1])


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "honest.pt"
    torch.save({"a": torch.ones(3)}, path)
    return path


@pytest.fixture
def python(tmp_path, monkeypatch):
    """Return a function that sets what the hub takes for Python: a script of the shell."""

    def set_python(content):
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\n{content}\n")
        path.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(path))

    return set_python


@unix
@pytest.mark.parametrize("end", ["kill -SEGV $$", "kill -KILL $$", "kill -XCPU $$", "exit 3"])
def test_a_process_that_ends_otherwise_is_told_in_one_line(python, checkpoint, end):
    python(end)
    with pytest.raises(WeightsError, match=r"honest\.pt is damaged or hostile: .*fetch it again$"):
        weights.read_checkpoint(checkpoint)


@unix
def test_a_process_that_does_not_end_is_ended(tmp_path, python, monkeypatch, checkpoint):
    monkeypatch.setattr("medigan_hub.weights.checkpoints.MAX_WAIT_SECONDS", 1)
    python(f"echo $$ > {tmp_path}/number; exec sleep 60")
    with pytest.raises(WeightsError, match="takes more time or memory"):
        weights.read_checkpoint(checkpoint)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "number").read_text()), 0)


@unix
@pytest.mark.parametrize(
    "answer",
    [
        "",
        "{",
        "[]",
        "1",
        '{"nodes": []}',
        '{"nodes": [], "result": [7], "order": "little"}',
        '{"nodes": [["eval", "1"]], "result": [0], "order": "little"}',
        '{"nodes": [["name", "os.system"]], "result": [0], "order": "little"}',
        '{"nodes": [["bytes in file", 0, 9999, "uint8"]], "result": [0], "order": "little"}',
        '{"nodes": [["bytes in file", -9, 9, "uint8"]], "result": [0], "order": "little"}',
        '{"nodes": [["tuple", [0]]], "result": [0], "order": "little"}',
        '{"nodes": [["array", "O", "=", [1], false, "AAAAAAAA"]], "result": [0], "order": "x"}',
        '{"nodes": [["size", 1.5]], "result": [0], "order": "little"}',
    ],
)
def test_not_even_the_process_is_believed(python, checkpoint, answer):
    python(f"printf '%s' '{answer}'")
    with pytest.raises(WeightsError, match=r"honest\.pt is not a checkpoint") as caught:
        weights.read_checkpoint(checkpoint)
    assert str(caught.value).isprintable()


@unix
def test_the_process_knows_no_secrets(tmp_path, python, monkeypatch, checkpoint):
    monkeypatch.setenv("GITHUB_TOKEN", "sesame")
    monkeypatch.setenv("DATABASE_URL", "sesame")
    python(f"env > {tmp_path}/seen")
    with pytest.raises(WeightsError):
        weights.read_checkpoint(checkpoint)
    seen = (tmp_path / "seen").read_text()
    assert "PATH=" in seen
    assert "sesame" not in seen


def test_the_process_imports_nothing_of_the_folder_it_is_in(tmp_path, monkeypatch, checkpoint):
    marker = tmp_path / "marker"
    for module in ("zipfile", "json", "medigan_hub", "sitecustomize", "usercustomize"):
        (tmp_path / f"{module}.py").write_text(f"open({str(marker)!r}, 'w')\nraise SystemExit(3)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "json.py"))
    assert torch.equal(weights.read_checkpoint(checkpoint)["a"], torch.ones(3))
    assert not marker.exists()


CONFINED = """
import ctypes, os, socket, sys
sys.path.append(sys.argv[1])
from medigan_hub.unpickling.confinement import confine
system = ctypes.CDLL(None)
made, kept = (name.encode() for name in sys.argv[2:])
asked = {
    "open": (system.open, b"/etc/passwd", 0),
    "make": (system.open, made, os.O_CREAT | os.O_WRONLY, 0o600),
    "remove": (system.unlink, kept),
    "rename": (system.rename, kept, made),
    "folder": (system.mkdir, made, 0o700),
    "link": (system.symlink, b"/etc/passwd", made),
    "rights": (system.chmod, kept, 0o777),
    "socket": (system.socket, 2, 1, 0),
    "pair": (system.socketpair, 1, 1, 0, ctypes.byref((ctypes.c_int * 2)())),
    "fork": (system.fork,),
    "run": (system.execv, b"/bin/true", (ctypes.c_char_p * 2)(b"true", None)),
    "signal": (system.kill, os.getppid(), 0),
    "limits": (system.setrlimit, 7, ctypes.byref((ctypes.c_long * 2)(9, 9))),
}
confine(os.getppid(), memory=2**26, seconds=5, written=1000)
for name, (function, *arguments) in asked.items():
    print(name, function(*arguments))
try:
    print(len(bytearray(2**30)))
except MemoryError:
    print("memory")
for action in (lambda: open("/etc/passwd"), socket.socket, os.fork, lambda: os.listdir("/")):
    try:
        print(action())
    except PermissionError:
        print("refused")
"""


@linux
def test_a_confined_process_can_do_nothing_but_compute(tmp_path):
    (tmp_path / "kept").write_text("kept")
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-c",
            CONFINED,
            ROOT,
            str(tmp_path / "made"),
            str(tmp_path / "kept"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    *calls, memory, file, socket, fork, listing = done.stdout.splitlines()
    assert len(calls) == 13
    assert [line.split()[1:] for line in calls] == [["-1"]] * 13
    assert memory == "memory"
    assert [file, socket, fork, listing] == ["refused"] * 4
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


CHILD = """
import os, sys
sys.path.append(sys.argv[1])
from medigan_hub.unpickling.confinement import confine
confine(os.getppid(), memory=2**26, seconds=50, written=1000)
os.write(1, b"ready ")
while True:
    pass
"""
PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-I", "-c", *sys.argv[1:]], stdout=subprocess.PIPE)
child.stdout.read(6)
print(child.pid, flush=True)
child.wait()
"""


@linux
def test_a_confined_process_ends_with_the_one_that_started_it():
    command = [sys.executable, "-c", PARENT, CHILD, ROOT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        number = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 30
    while _runs(number):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _runs(number):
    try:
        status = Path(f"/proc/{number}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"  # ended, and nobody asked how
