"""The process in which a model runs for the gate, with bounds on time, memory and output.

Whatever it does, there is an end: an answer that can be used, or a reason why not.
"""

from __future__ import annotations

import json
import os
import queue
import site
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from medigan_hub import variables
from medigan_hub.contribution.checking import frames, probe
from medigan_hub.errors import PluginError, RequestError, require
from medigan_hub.processes import groups, logs

if TYPE_CHECKING:
    import psutil

CHATTY_BYTES = 2**16
"""Bytes that a model may print; frameworks have a few words to say."""
MAX_PRINTED_BYTES = 2**26
"""Bytes that it may print in one check, after which it is ended."""
KEPT_BYTES = 2**16
"""Bytes of its last words that are kept."""
INTERVAL_SECONDS = 0.05
"""Seconds between two looks."""
START_SECONDS = 120.0
"""Seconds that its Python may take to start."""
LAST_SECONDS = 2.0
"""Seconds that the last answer of a process may be on its way."""
SMALL_BYTES = 2**20
"""Bytes that an answer may have which is no samples."""


class Ended(Exception):  # noqa: N818 (what was to be done fails by it)
    """The run is over before its time; the arguments say why, and what to do."""


class Refused(RequestError):  # noqa: N818 (as its base)
    """The model refuses a value."""


class Failed(PluginError):  # noqa: N818 (as its base)
    """The model fails; beside the message there is what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


class Runner:
    """One process of the probe.

    Parameters
    ----------
    site_packages
        The folder that the package is installed in.
    home
        A folder that is the process's own; it may write there and into the other.
    cache
        The cache that it gets for the hub's.
    timeout
        Seconds between ``begin`` and the last answer.
    memory
        GiB that it may use, with all that it started.
    """

    def __init__(
        self,
        model: str,
        site_packages: Path,
        home: Path,
        cache: Path,
        *,
        timeout: float,
        memory: float,
        allow_archive_code: bool,
    ) -> None:
        require("psutil", extra="contribute", purpose="watching a model that runs")
        self._timeout = timeout
        self._memory = memory
        self._site = site_packages
        self._number = 0
        self._words = b""
        self._exchanging: threading.Thread | None = None
        self.printed = 0
        """Bytes."""
        settings = {
            "model": model,
            "allow_archive_code": allow_archive_code,
            "writable": [str(home)],
        }
        self._process = groups.start(
            [sys.executable, "-m", probe.__name__, json.dumps(settings)],
            alone=True,
            # Into the package, too: that is a copy, and what is changed there is told.
            writable=[home, site_packages],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=home,
            env=_variables(site_packages, home, cache),
        )
        self._hearing = threading.Thread(
            target=self._hear, args=(self._process.stderr,), daemon=True
        )
        self._hearing.start()
        self.begin()

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *_: object) -> None:
        """End the process, and all that it started."""
        import psutil

        started = _tree(self._process.pid)
        groups.end(self._process, grace=0)
        for each in started:  # also those that left the group, on other systems than Linux
            with suppress(psutil.NoSuchProcess):
                each.kill()
        self._hearing.join(groups.GRACE_SECONDS)
        if self._exchanging is not None:  # what it waited for is gone
            self._exchanging.join(groups.GRACE_SECONDS)
        if self._exchanging is None or not self._exchanging.is_alive():
            for stream in (self._process.stdin, self._process.stdout):
                with suppress(OSError):
                    stream.close()  # type: ignore[union-attr]

    def begin(self) -> None:
        """Give it the whole time from now on, and let it print as much as before."""
        self._limit = time.monotonic() + self._timeout
        self._loud = self.printed + MAX_PRINTED_BYTES

    def load(self) -> None:
        """Import the plugin; raises as ``generate``."""
        self._limit = time.monotonic() + START_SECONDS
        self._done({"task": "start"})  # in which no code runs but the hub's
        self.begin()
        self._done({"task": "load"})

    def report(self) -> Any:
        """Return what the fence saw; raises as ``generate``."""
        return self._done({"task": "report"})[0]

    def generate(
        self,
        count: int,
        batch_size: int,
        seed: int,
        conditions: Mapping[str, Any],
        inputs: Mapping[str, np.ndarray],
        most: int,
    ) -> list[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """Return the batches that the model makes: indices, and arrays by their names.

        Parameters
        ----------
        most
            Bytes that they may have together.

        Raises
        ------
        Failed
            The model fails.
        Refused
            It refuses a value.
        Ended
            The process ends, exceeds its bounds or answers what is no answer.
        """
        task = {
            "task": "generate",
            "count": count,
            "batch_size": batch_size,
            "seed": seed,
            "conditions": dict(conditions),
            "inputs": list(inputs),
        }
        names, arrays = self._done(task, list(inputs.values()), most)
        left = iter(arrays)
        try:
            made = [(next(left), {str(name): next(left) for name in each}) for each in names]
            if next(left, None) is not None:
                raise TypeError
        except (TypeError, StopIteration) as error:
            raise _broken("another number of arrays than of names") from error
        return made

    def last_line(self) -> str:
        """Return the last line that it printed."""
        lines = self._words.decode("utf-8", "replace").splitlines()
        said = [words for line in lines if (words := logs.one_line(line))]
        return said[-1] if said else "it said nothing"

    def _done(
        self, task: dict[str, Any], arrays: Sequence[np.ndarray] = (), most: int = SMALL_BYTES
    ) -> tuple[Any, list[np.ndarray]]:
        self._number += 1
        words, made = self._answer({**task, "number": self._number}, arrays, most)
        if not isinstance(words, dict) or words.get("number") != self._number:
            raise _broken("an answer to what was not asked")
        for kind in ("refused", "failed"):
            if kind in words:
                text, remedy = (self._cleaned(words.get(key)) for key in (kind, "remedy"))
                raise Refused(text) if kind == "refused" else Failed(text, remedy)
        return words.get("answer"), made

    def _cleaned(self, text: Any) -> str:
        """Return a message without the folder that the package lies in for a while."""
        return str(text).replace(f"{self._site}{os.sep}", "")[: probe.MAX_CHARACTERS]

    def _answer(
        self, task: Any, arrays: Sequence[np.ndarray], most: int
    ) -> tuple[Any, list[np.ndarray]]:
        found: queue.Queue[tuple[Any, list[np.ndarray]] | Exception] = queue.Queue()
        # In a thread that nobody waits for: what holds the other end may never let go.
        self._exchanging = threading.Thread(
            target=self._exchange, args=(task, arrays, most, found), daemon=True
        )
        self._exchanging.start()
        while True:
            ended = self._process.poll() is not None  # first, so that a last answer counts
            try:
                answer = found.get(timeout=LAST_SECONDS if ended else INTERVAL_SECONDS)
            except queue.Empty:
                if ended:
                    raise self._gone() from None
                self._check_bounds()
                continue
            if isinstance(answer, EOFError):
                raise self._gone()
            if isinstance(answer, Exception):
                raise _broken(str(answer))
            return answer

    def _exchange(
        self,
        task: Any,
        arrays: Sequence[np.ndarray],
        most: int,
        found: queue.Queue[tuple[Any, list[np.ndarray]] | Exception],
    ) -> None:
        assert self._process.stdin is not None  # noqa: S101 (for the type checker)
        assert self._process.stdout is not None  # noqa: S101 (as above)
        try:
            with suppress(OSError):  # it reads no more, which the missing answer tells
                frames.write(self._process.stdin, task, arrays)
            found.put(frames.read(self._process.stdout, most))
        except OSError:
            found.put(EOFError())
        except Exception as error:
            found.put(error)

    def _check_bounds(self) -> None:
        if time.monotonic() > self._limit:
            raise Ended(
                f"it takes over {self._timeout:g} seconds",
                "make it faster, or raise the timeout",
            )
        if _memory_of(self._process.pid) / 2**30 > self._memory:
            raise Ended(
                f"it uses over {self._memory:g} GiB of memory",
                "let the memory depend on the batch alone, or raise the bound on memory",
            )
        if self.printed > self._loud:
            raise Ended(f"it prints over {size(MAX_PRINTED_BYTES)}", "print nothing")

    def _gone(self) -> Ended:
        try:
            code = self._process.wait(LAST_SECONDS)
        except subprocess.TimeoutExpired:
            return Ended("it answers no more", "see what the model does there")
        self._hearing.join(groups.GRACE_SECONDS)
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        words = f"its process ended {how}: {self.last_line()}"
        return Ended(words, "see what the model does there")

    def _hear(self, stream: IO[bytes]) -> None:
        with suppress(OSError, ValueError), stream:
            while part := stream.read1(2**16):  # type: ignore[attr-defined]
                self.printed += len(part)
                self._words = (self._words + part)[-KEPT_BYTES:]


def size(count: int) -> str:
    """Return a number of bytes in words."""
    return f"{count / 2**20:.1f} MiB" if count >= 2**20 else f"{count / 2**10:.0f} KiB"


def _broken(what: str) -> Ended:
    return Ended(
        f"what it answers is no answer ({what})",
        "let no code but the hub's write to the descriptors that it did not open",
    )


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
    return sum(_resident(_tree(pid)))


def _resident(processes: Sequence[psutil.Process]) -> Iterator[int]:
    import psutil

    for each in processes:
        with suppress(psutil.NoSuchProcess):
            yield each.memory_info().rss


def _variables(site_packages: Path, home: Path, cache: Path) -> dict[str, str]:
    kept = variables.for_others(
        *variables.PYTHON, "MEDIGAN_ARCHIVE_PYTHON", "MEDIGAN_ARCHIVE_TIMEOUT"
    )
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
        "MEDIGAN_CACHE": str(cache),
        "MEDIGAN_OFFLINE": "1",
        "MEDIGAN_CATALOGUE": "",
    }
