"""Nothing that the hub starts asks the network for anything unasked, or leaves a file in the home.

Each run has a home of its own, and its system calls are recorded: what it asks of
the network is seen whichever library does it, in whichever process.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from medigan_hub import silence, variables
from support import ROOT, projects

pytestmark = pytest.mark.slow

TRAINING = ROOT / "plugins" / "medigan-model-fastgan-brain-mri" / "training"
MEDIGAN = (sys.executable, "-m", "medigan_hub")
CALLS = "connect,sendto,sendmsg,sendmmsg"
ADDRESS = re.compile(
    r"sa_family=AF_INET6?, sin6?_port=htons\((?P<port>\d+)\).*?"
    r'inet_(?:addr\(|pton\(AF_INET6, )"(?P<host>[^"]+)"'
)
RESOLVERS = re.compile(r'sun_path="[^"]*(resolve|avahi)[^"]*"')
"""Local sockets that names are looked up through."""
LOOPBACK = re.compile(r"127\.|::1$|::ffff:127\.|0\.0\.0\.0$|::$")
NAMES = "53"
"""The port at which names are looked up, also on loopback."""

ONNX = """
import time
from medigan_hub import Hub
assert len(next(iter(Hub().generate("fastgan-brain-mri", 1)))) == 1
time.sleep(13)  # ONNX Runtime reports some ten seconds after it was imported
"""
TRAINED = (
    *("--steps", "1", "--ngf", "2", "--ndf", "4", "--save-every", "1"),
    *("--coarse-steps", "1", "--warm-steps", "1"),
)
WORKER = "tests/runtimes/archive/test_archive.py::test_the_function_is_called_as_medigan_calls_it"
RUNS: dict[str, tuple[tuple[str, ...], ...]] = {
    "onnx": ((sys.executable, "-c", ONNX),),
    "tensorflow": ((*MEDIGAN, "generate", "cdcgan-breast-mass", "-n", "1", "-o", "out"),),
    "torch": ((*MEDIGAN, "generate", "fastgan-brain-mri", "-n", "1", "-o", "out"),),
    "training": ((sys.executable, str(TRAINING / "train.py"), *TRAINED),),
    "archive": (
        (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(ROOT / WORKER)),
    ),
    "check": ((*MEDIGAN, "list"), (*MEDIGAN, "check", "project")),
    "catalogue": (
        (*MEDIGAN, "list"),
        (*MEDIGAN, "search", "brain mri"),
        (*MEDIGAN, "info", "fastgan-brain-mri"),
    ),
}


@dataclass(frozen=True)
class Recorded:
    """What became of some commands."""

    code: int
    output: str
    asked: list[str]
    """Places on the network that were asked."""
    left: list[str]
    """Files that are in the home now, beside the hub's own cache."""


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Recorded]:
    """Return a function that runs commands in a home of their own, and records what they ask."""
    command = ("strace", "-f", "-qq", "--seccomp-bpf", "-e", f"trace={CALLS}", "-e", "signal=none")
    why = "there is no strace"
    if shutil.which(command[0]) is not None:
        tried = subprocess.run(
            [*command, "-o", os.devnull, "true"], capture_output=True, check=False, text=True
        )
        why = tried.stderr if tried.returncode else ""
    if why and os.environ.get("CI") == "true" and sys.platform == "linux":
        pytest.fail(f"what is asked of the network can't be recorded: {why}")
    elif why:
        pytest.skip(why)

    def record(*commands: tuple[str, ...]) -> Recorded:
        folder = tmp_path_factory.mktemp("run")
        home, work, trace = folder / "home", folder / "work", folder / "trace"
        home.mkdir()
        work.mkdir()
        if any("project" in each for each in commands):
            shutil.copytree(project(tmp_path_factory), work / "project")
        code, output = 0, ""
        for each in commands:
            ended = subprocess.run(
                [*command, "-A", "-o", str(trace), *each],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=400,
                cwd=work,
                env={"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"},
            )
            code, output = code or ended.returncode, output + ended.stdout
        files = (path.relative_to(home) for path in home.rglob("*") if not path.is_dir())
        # pip asks rustc for its version, and where rustup brought that, it notes its settings.
        known = [(".cache", "medigan-hub"), (".rustup", "settings.toml")]
        left = [str(path) for path in files if path.parts[:2] not in known]
        return Recorded(code, output, list(asked(trace.read_text(errors="replace"))), left)

    return record


def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return projects.make(tmp_path_factory.mktemp("made") / "project")


def asked(trace: str) -> Iterator[str]:
    for line in trace.splitlines():
        address = ADDRESS.search(line)
        elsewhere = address is not None and (
            LOOPBACK.match(address["host"]) is None or address["port"] == NAMES
        )
        if elsewhere or RESOLVERS.search(line):
            yield line


@pytest.fixture(scope="module")
def runs(recorder: Callable[..., Recorded]) -> Iterator[dict[str, Future[Recorded]]]:
    """What becomes of each run; two at a time, as one waits most of its time."""
    with ThreadPoolExecutor(2) as threads:
        yield {name: threads.submit(recorder, *commands) for name, commands in RUNS.items()}


def test_a_question_to_the_network_would_be_seen(recorder):
    code = """
import socket
for ask in (
    lambda: socket.getaddrinfo("name.invalid", 80),
    lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 9)),
    lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).connect(("2001:db8::1", 9)),
    lambda: socket.socket().connect(("127.0.0.1", 9)),
):
    try:
        ask()
    except OSError:
        pass
open(__import__("os").path.expanduser("~/deviceid"), "w").close()
"""
    found = recorder((sys.executable, "-c", code))
    assert found.code == 0, found.output
    assert any(f"htons({NAMES})" in line for line in found.asked)
    assert any("192.0.2.1" in line for line in found.asked)
    assert any("2001:db8::1" in line for line in found.asked)
    assert not any("htons(9)" in line and "127.0.0.1" in line for line in found.asked)
    assert found.left == ["deviceid"]


@pytest.mark.timeout(900)  # of the first all runs are made
@pytest.mark.parametrize("name", sorted(RUNS, key=lambda name: name == "onnx"))
def test_a_run_asks_nobody_and_leaves_nothing_in_the_home(runs, name):
    found = runs[name].result()
    assert found.code == 0, found.output
    assert found.asked == []
    assert found.left == []


def test_what_is_started_without_the_hub_inherits_the_switches():
    handed_on = variables.for_others()
    assert {name: handed_on.get(name) for name in silence.SWITCHES} == {
        name: os.environ[name] for name in silence.SWITCHES
    }


@pytest.mark.parametrize("name", silence.SWITCHES)
def test_a_switch_is_set_by_importing_the_hub_unless_the_user_has_set_it(name):
    code = f"import medigan_hub, os; print(os.environ[{name!r}])"
    bare = {key: value for key, value in os.environ.items() if key not in silence.SWITCHES}
    for given, expected in (({}, silence.SWITCHES[name]), ({name: "mine"}, "mine")):
        ended = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={**bare, **given},
        )
        assert ended.stdout.strip() == expected
