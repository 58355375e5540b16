"""What a model does when it runs: watched from outside, with bounds on time, memory and output."""

from __future__ import annotations

import json
import os
import queue
import shutil
import site
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING

from medigan_hub import weights
from medigan_hub.contribution.checking import fence, probe
from medigan_hub.contribution.checking.package import Package
from medigan_hub.contribution.checking.report import FAILED, PASSED, SKIPPED, Finding
from medigan_hub.errors import HubError, require
from medigan_hub.files import cache_folder
from medigan_hub.metadata import ModelMetadata
from medigan_hub.runtimes.archive import environments, groups, logs
from medigan_hub.runtimes.archive.client import SECRET

if TYPE_CHECKING:
    import psutil

TIMEOUT = 300.0
"""Seconds that a check may take."""
MEMORY = 8.0
"""GiB."""
CHATTY = 2**16
"""Bytes that a model may print; frameworks have a few words to say."""
LOUD = 2**26
"""Bytes after which it is ended."""
KEPT = 2**16
"""Bytes of its last words that are kept."""
INTERVAL = 0.05
"""Seconds between two looks."""
QUIET = "model is quiet"
FETCHED = "remote weights can be had"
NAMES = (*(name for name, *_ in probe.CHECKS), fence.WRITES, fence.ASKS)


def findings(
    package: Package,
    scratch: Path,
    *,
    ready: bool,
    timeout: float,
    memory: float,
    allow_archive_code: bool,
    say: Callable[[str], None],
) -> list[Finding]:
    """Run the model of a package and return what all checks of it find.

    Parameters
    ----------
    scratch
        Where the model may write; removed by the caller.
    ready
        Whether the files were found such that there is something to run.
    """
    found: list[Finding] = []
    model = package.model
    if not ready or model is None:
        return _skipped(NAMES, "what comes before it must pass first")
    fault = _prepared(model, allow_archive_code, say)
    if model.weights.source == "remote":
        found.append(Finding(FETCHED, FAILED, *fault) if fault else Finding(FETCHED, PASSED))
    if fault:
        return [*found, *_skipped(NAMES, "the weights can't be had")]
    before = _snapshot(package.site)
    run = Run(package, model, scratch, timeout, memory, allow_archive_code, say)
    found += run.findings()
    changed = sorted(
        name for name, stat in _snapshot(package.site).items() if before.get(name) != stat
    )
    if changed:
        found = [each for each in found if (each.check, each.status) != (fence.WRITES, PASSED)]
        remedy = "write nothing into the package: it may be shared, and read-only"
        found.append(
            Finding(fence.WRITES, FAILED, f"the model changed {', '.join(changed[:5])}", remedy)
        )
    return found


def _prepared(
    model: ModelMetadata, allow_archive_code: bool, say: Callable[[str], None]
) -> tuple[str, str] | None:
    """Fetch what the model needs from the network, which it won't have; or say what is wrong."""
    try:
        if model.weights.source == "remote":
            say(FETCHED)
            weights.fetch(model)
        if model.runtimes[0] == "archive" and model.archive is not None and allow_archive_code:
            environments.environment(model.archive.dependencies, say)
    except HubError as error:
        return str(error), "see that url, record and checksums in metadata.json are right"
    return None


class Run:
    """One run of the probe."""

    def __init__(
        self,
        package: Package,
        model: ModelMetadata,
        scratch: Path,
        timeout: float,
        memory: float,
        allow_archive_code: bool,
        say: Callable[[str], None],
    ) -> None:
        require("psutil", extra="contribute", purpose="watching a model that runs")
        self._timeout = timeout
        self._memory = memory
        self._say = say
        self._found: list[Finding] = []
        self._answers: queue.Queue[bytes] = queue.Queue()
        self._printed = 0
        self._words = b""
        home = scratch / "home"
        home.mkdir()
        settings = {
            "model": model.name,
            "allow_archive_code": allow_archive_code,
            "writable": [str(home), str(cache_folder().absolute())],
        }
        command = [sys.executable, "-m", probe.__name__, json.dumps(settings)]
        self._process = groups.start(
            [*_without_network(), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=home,
            env=_variables(package.site, home),
        )
        threads = (
            threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True),
            threading.Thread(target=self._hear, args=(self._process.stderr,), daemon=True),
        )
        for thread in threads:
            thread.start()
        self._hearing = threads[1]

    def findings(self) -> list[Finding]:
        """Wait for the end, and return what was found."""
        import psutil

        try:
            current, reason = self._watch()
        finally:
            started = _tree(self._process.pid)
            groups.end(self._process)
            for each in started:  # also those that left the group
                with suppress(psutil.NoSuchProcess):
                    each.kill()
        self._hearing.join(groups.GRACE)
        if reason is not None:
            self._found.append(Finding(current, FAILED, *reason))
        done = {each.check for each in self._found}
        self._found += _skipped(
            (name for name in NAMES if name not in done), "the run ended before"
        )
        if self._printed > CHATTY:
            words = f"the model prints {_size(self._printed)}, such as: {self._last_line()}"
            remedy = "print nothing; Python's logging is for what a developer may want to know"
            self._found.append(Finding(QUIET, FAILED, words, remedy))
        else:
            self._found.append(Finding(QUIET, PASSED))
        return self._found

    def _watch(self) -> tuple[str, tuple[str, str] | None]:
        """Follow the run; return what it was at in the end, and why that was no good end."""
        current = NAMES[0]
        limit = time.monotonic() + self._timeout
        while True:
            try:
                line = self._answers.get(timeout=INTERVAL)
            except queue.Empty:
                reason = self._beyond_bounds(limit)
                if reason:
                    return current, reason
                continue
            if not line:
                return current, self._gone(current)
            answer = json.loads(line)
            if "status" in answer:
                self._found.append(Finding(**answer))
            else:
                current = answer["check"]
                self._say(current)
                limit = time.monotonic() + self._timeout

    def _beyond_bounds(self, limit: float) -> tuple[str, str] | None:
        if time.monotonic() > limit:
            return (
                f"it takes over {self._timeout:g} seconds",
                "make it faster, or allow more with --timeout",
            )
        used = _memory_of(self._process.pid) / 2**30
        if used > self._memory:
            return (
                f"it uses over {self._memory:g} GiB of memory",
                "let the memory depend on the batch alone, or allow more with --memory",
            )
        if self._printed > LOUD:
            return f"it prints over {_size(LOUD)}", "print nothing"
        return None

    def _gone(self, current: str) -> tuple[str, str] | None:
        code = self._process.wait()
        last = NAMES[-1]
        if code == 0 and (current == last or any(e.status == FAILED for e in self._found)):
            return None
        self._hearing.join(groups.GRACE)
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        return f"its process ended {how}: {self._last_line()}", "see what the model does there"

    def _last_line(self) -> str:
        lines = self._words.decode("utf-8", "replace").splitlines()
        said = [words for line in lines if (words := logs.one_line(line))]
        return said[-1] if said else "it said nothing"

    def _listen(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                self._answers.put(line)
        self._answers.put(b"")

    def _hear(self, stream: IO[bytes]) -> None:
        with stream:
            while part := stream.read1(2**16):  # type: ignore[attr-defined]
                self._printed += len(part)
                self._words = (self._words + part)[-KEPT:]


def _skipped(names: Iterable[str], why: str) -> list[Finding]:
    return [Finding(name, SKIPPED, why) for name in names]


def _tree(pid: int) -> list[psutil.Process]:
    """Return a process and all that it started, as far as they are there."""
    import psutil

    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _memory_of(pid: int) -> int:
    """Return the bytes of memory that a process and its descendants use."""
    import psutil

    total = 0
    for each in _tree(pid):
        with suppress(psutil.NoSuchProcess):
            total += each.memory_info().rss
    return total


@cache
def _without_network() -> tuple[str, ...]:
    """Return what starts a command without a network, where the system can do that."""
    command = ("unshare", "--map-root-user", "--net")
    if sys.platform != "linux" or shutil.which(command[0]) is None:
        return ()
    try:
        result = subprocess.run([*command, "true"], capture_output=True, timeout=10, check=False)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return ()
    return command if result.returncode == 0 else ()


def _variables(site_packages: Path, home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not SECRET.fullmatch(name)}
    paths = [str(site_packages), *filter(None, [os.environ.get("PYTHONPATH")])]
    return kept | {
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUSERBASE": site.getuserbase(),  # which depends on the home otherwise
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONFAULTHANDLER": "1",
        "PYTHONSAFEPATH": "1",
        "HOME": str(home),
        "TMPDIR": str(home),
        "XDG_CACHE_HOME": str(home),
        "TORCHINDUCTOR_CACHE_DIR": str(home),  # which PyTorch sets for its children
        "MEDIGAN_CACHE": str(cache_folder().absolute()),
        "MEDIGAN_OFFLINE": "1",
        "MEDIGAN_CATALOGUE": "",
    }


def _snapshot(folder: Path) -> Mapping[str, tuple[int, int]]:
    """Return size and time of change of every file in a folder."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def _size(count: int) -> str:
    return f"{count / 2**20:.1f} MiB" if count >= 2**20 else f"{count / 2**10:.0f} KiB"
