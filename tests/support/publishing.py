"""The command that publishes, run here or in a process of its own, with its slow parts replaced.

``COMMAND`` and arguments run the command with a check that passes and
a build in the same process; what is built is built for real.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from medigan_hub import cli, web
from medigan_hub.contribution import building
from medigan_hub.contribution.building import Built
from medigan_hub.contribution.publishing import gate
from support import TESTS

TOKEN = "tok3n-5ecret-0f-the-user"  # noqa: S105 (of no server)
SERVE = "--serve"
HUB_TOKEN = "ghp-5ecret-0f-the-user"  # noqa: S105

_START = (
    f"import sys; sys.path.insert(0, {str(TESTS)!r}); from support.publishing import main; main()"
)
COMMAND = (sys.executable, "-W", "error", "-c", _START)
ENVIRONMENT = {
    "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    "MEDIGAN_DEPOSIT_TOKEN": TOKEN,
}


class Run(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def build_here(project: Path, output: Path) -> Built:
    """Build a package without a process for it."""
    from hatchling.builders.sdist import SdistBuilder
    from hatchling.builders.wheel import WheelBuilder

    output.mkdir(parents=True, exist_ok=True)
    sdist = next(SdistBuilder(str(project)).build(directory=str(output)))
    wheel = next(WheelBuilder(str(project)).build(directory=str(output), versions=["standard"]))
    return Built(Path(sdist), Path(wheel))


def pass_check(project: Path, **_: Any) -> None:
    """Pass the check."""


def hurry(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Replace what is slow, and return the list of the waits that were left out."""
    waits: list[float] = []
    monkeypatch.setattr(web, "pause", waits.append)
    monkeypatch.setattr(gate, "check", pass_check)
    monkeypatch.setattr(building, "build", build_here)
    for name in ("ZENODO_API_TOKEN", "ZENODO_SANDBOX_API_TOKEN", "GITHUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return waits


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> Run:
    """Run the command in this process."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        cli.main(["publish", *map(str, arguments)])
    out, err = capsys.readouterr()
    return Run(int(end.value.code or 0), out, err)


def start(*arguments: object, **environment: str) -> subprocess.Popen[str]:
    """Start the command in a process of its own."""
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        env={**os.environ, **ENVIRONMENT, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class Launcher:
    """Starts the command many times, each in a process of its own.

    The processes are copies of one that has all modules loaded, which is what
    takes long about a start.
    """

    def __enter__(self) -> Launcher:
        self._process = subprocess.Popen(
            [*COMMAND, SERVE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **ENVIRONMENT},
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def run(
        self,
        arguments: list[str],
        environment: dict[str, str],
        log: Path,
        started: Callable[[int], object] = lambda number: None,
    ) -> int:
        """Run the command, and return how it ended; ``started`` is told the process's number.

        What it says on standard error is in the file ``log``.
        """
        order = {"arguments": arguments, "environment": environment, "log": str(log)}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        started(int(self._process.stdout.readline()))
        return int(self._process.stdout.readline())


def _serve() -> None:
    import hatchling.builders.sdist
    import hatchling.builders.wheel  # noqa: F401
    import keyring.backends.null  # noqa: F401

    from medigan_hub.contribution.publishing import deposits, steps  # noqa: F401

    deposits.client_library()
    for line in sys.stdin:
        order = json.loads(line)
        number = os.fork()
        if number == 0:
            code = 70
            try:
                os.environ.update(order["environment"])
                sink = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
                os.dup2(os.open(os.devnull, os.O_RDWR), 0)
                os.dup2(os.open(os.devnull, os.O_RDWR), 1)
                os.dup2(sink, 2)
                cli.main(["publish", *order["arguments"]])
            except SystemExit as end:
                code = int(end.code or 0)
            finally:
                os._exit(code)
        print(number, flush=True)  # noqa: T201 (to who launches)
        print(os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]), flush=True)  # noqa: T201


def main() -> None:
    """Run the command, or launch it many times, as the arguments of this process say."""
    gate.check = pass_check
    building.build = build_here
    web.pause = lambda seconds: None
    if sys.argv[1:] == [SERVE]:
        _serve()
    else:
        cli.main(["publish", *sys.argv[1:]])
