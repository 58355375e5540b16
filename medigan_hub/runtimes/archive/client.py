"""The hub's side of a worker: starting it, calling it, reading its answers, ending it."""

from __future__ import annotations

import json
import math
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from medigan_hub import variables
from medigan_hub.errors import PluginError, RequestError
from medigan_hub.files import inside
from medigan_hub.metadata import ModelMetadata
from medigan_hub.processes import groups, logs
from medigan_hub.runtimes.archive import arrays
from medigan_hub.runtimes.archive.results import Item, fault

MAX_ANSWER_BYTES = 2**24
"""Bytes that an answer may have; what it holds beside the arrays is short."""
INTERVAL_SECONDS = 0.2
"""Seconds between two looks at whether a silent worker is still there."""
LAST_SECONDS = 5.0
"""Seconds that the last answer of a worker may be on its way."""


class Worker:
    """A process that calls one published function.

    Parameters
    ----------
    python
        The Python of the environment that it runs in.
    folder
        All that is the worker's; it is removed by whoever made it, or by the
        worker when the hub was killed.
    code
        The folder of the published package, below ``folder``; its current folder.
    limit
        Seconds that a call may take.
    """

    def __init__(
        self,
        model: ModelMetadata,
        python: Path,
        folder: Path,
        code: Path,
        *,
        seed: int,
        device: str,
        limit: float,
    ) -> None:
        self._model = model
        self._device = device
        self._log = folder / "log.txt"
        self._limit = limit
        self._owner = os.getpid()
        settings = {
            "folder": str(folder),
            "code": str(code),
            "function": model.archive.function if model.archive else "",
            "seed": str(seed),
            "cuda": device.startswith("cuda"),
        }
        script = str(Path(__file__).with_name("worker.py"))
        with self._log.open("wb") as log:
            self._process = groups.start(
                [str(python), script, json.dumps(settings)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=code,
                env=_variables(python, seed, device),
                guarded=not _waits_for_driver(device),
            )
        self._answers: queue.Queue[bytes] = queue.Queue()
        listener = threading.Thread(
            target=_listen, args=(self._process.stdout, self._answers), daemon=True
        )
        listener.start()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        """End the process, and all that it started."""
        if os.getpid() != self._owner:  # a copy in a process that was forked meanwhile
            return
        groups.end(self._process)
        with suppress(OSError):
            self._stdin.close()

    def call(self, message: Mapping[str, Any], results: Path, count: int) -> list[list[Item]]:
        """Return what the function returns: ``count`` samples, each a list of items.

        Parameters
        ----------
        message
            What ``worker.answer`` takes.
        results
            The folder that the answer's arrays lie in.

        Raises
        ------
        PluginError
            The function fails, or returns what can't be read; or the worker
            ends, or doesn't answer in time.
        """
        with suppress(OSError):  # it has ended, which the missing answer tells
            self._stdin.write(json.dumps(message).encode() + b"\n")
            self._stdin.flush()
        answer = self._parsed(self._answer())
        if answer.get("unavailable"):
            raise RequestError(
                f"the device {self._device} is not available to the published code of "
                f"{self._model.name}; use cpu"
            )
        if "error" in answer:
            raise self._failure(logs.one_line(str(answer["error"])))
        samples = answer.get("samples")
        if not isinstance(samples, list) or not all(isinstance(items, list) for items in samples):
            raise self._failure("broke into the answer that the hub waits for")
        if len(samples) != count:
            raise self._failure(f"returned {len(samples)} samples; expected {count}")
        return [[self._item(item, results) for item in items] for items in samples]

    @property
    def _stdin(self) -> IO[bytes]:
        assert self._process.stdin is not None  # noqa: S101 (for the type checker)
        return self._process.stdin

    def _answer(self) -> bytes:
        end = time.monotonic() + self._limit
        while True:
            ended = self._process.poll() is not None  # first, so that a last answer is not missed
            with suppress(queue.Empty):
                return (
                    self._answers.get(timeout=LAST_SECONDS if ended else INTERVAL_SECONDS)
                    or self._gone()
                )
            if ended:
                return self._gone()
            if time.monotonic() > end:
                raise self._failure(
                    f"takes over {self._limit:g} seconds for a call; "
                    "MEDIGAN_ARCHIVE_TIMEOUT sets how many it may take"
                )

    def _gone(self) -> bytes:
        """Raise the error for a worker that ended, or that sends no more answers."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(groups.GRACE_SECONDS)
        groups.end(self._process)
        code = self._process.returncode
        how = f"its process with exit code {code}"
        if code < 0:
            with suppress(ValueError):
                how = f"its process by {signal.Signals(-code).name}"
        said = logs.lines(self._log)
        # After a crash, this is followed by where it was.
        said = [line for line in said if line.startswith("Fatal Python error")] or said
        raise self._failure(f"ended {how}" + (f": {said[-1]}" if said else ""))

    def _parsed(self, line: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(line)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise self._failure("broke into the answer that the hub waits for")
        return answer

    def _item(self, item: Any, results: Path) -> Item:
        if isinstance(item, dict):
            if isinstance(item.get("value"), (bool, int, float, str)):
                value: Item = item["value"]
                return value
            if isinstance(item.get("array"), str):
                return self._array(inside(results, item["array"]))
        raise self._failure("broke into the answer that the hub waits for")

    def _array(self, path: Path | None) -> np.ndarray:
        try:
            if path is None:
                raise ValueError("not a file in its folder")
            array = arrays.read(path)
        except (OSError, ValueError) as error:
            reason = logs.one_line(str(error))
            raise self._failure(f"left an array that can't be read: {reason}") from error
        if array.dtype.kind not in "buif":
            raise self._failure(f"left an array of {array.dtype}")
        return array

    def _failure(self, what: str) -> PluginError:
        name = self._model.name
        return PluginError(f"{fault(self._model, what)}; {logs.keep(self._log, name)}")


def time_limit() -> float:
    """Return how many seconds a call may take: an hour, or ``MEDIGAN_ARCHIVE_TIMEOUT``.

    Raises
    ------
    RequestError
        That is no number of seconds.
    """
    text = os.environ.get("MEDIGAN_ARCHIVE_TIMEOUT") or "3600"
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not seconds > 0:
        raise RequestError(f"MEDIGAN_ARCHIVE_TIMEOUT is {text!r}; give a number of seconds above 0")
    return seconds


def _listen(stream: IO[bytes], answers: queue.Queue[bytes]) -> None:
    """Hand on the worker's answers, and b"" when there are no more."""
    with stream:
        while (line := stream.readline(MAX_ANSWER_BYTES)).endswith(b"\n"):
            answers.put(line)
        answers.put(line)  # cut short, or none


def _waits_for_driver(device: str) -> bool:
    """Tell whether a GPU may be used whose driver a program of root's is to set up at first use."""
    there = Path("/dev/nvidiactl").exists() and not Path("/dev/nvidia-uvm").exists()
    return device != "cpu" and there


def _variables(python: Path, seed: int, device: str) -> dict[str, str]:
    """Return the environment variables of a worker."""
    kept = variables.for_others(*variables.PROXIES)
    kept |= {
        # A Python that the code starts by its name is to be this one, not the hub's.
        "PATH": os.pathsep.join([str(python.parent), os.environ.get("PATH", os.defpath)]),
        "PYTHONNOUSERSITE": "1",
        "PYTHONHASHSEED": str(seed % 2**32),
        "PYTHONUNBUFFERED": "1",  # so that the log has the last words of one that is killed
        "PYTHONFAULTHANDLER": "1",
    }
    if device == "cpu":
        kept["CUDA_VISIBLE_DEVICES"] = ""
    elif device.startswith("cuda"):
        number = int(device.partition(":")[2] or 0)
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        chosen = str(number)
        if visible is not None:  # the hub's own devices are numbered among these
            chosen = (visible.split(",") + [""] * (number + 1))[number].strip()
        kept["CUDA_VISIBLE_DEVICES"] = chosen
    return kept
