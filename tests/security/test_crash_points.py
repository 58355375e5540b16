"""A job is killed once before every file operation, and mended: nothing is lost, nothing is wrong.

A usual run takes a sample of the operations. ``MEDIGAN_CRASH_POINTS=all`` takes all of them.
"""

from __future__ import annotations

import builtins
import functools
import io
import os
import shutil
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medigan_hub import Hub, OutputError
from support import in_shards

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="a job is killed in a process of its own"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),  # of Python 3.12 and later
]

ALL = os.environ.get("MEDIGAN_CRASH_POINTS") == "all"
SAMPLE = 6
"""Operations of a job that a usual run kills it before."""
FORMATS = ("png", "npz", "nifti", "dicom", "webdataset")
KILLED = 99
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
CHANGES = (
    "os.link",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.symlink",
    "os.truncate",
)


class Killer:
    """Counts what a process does to the files of a folder, and ends it before a given operation.

    As by a power cut, but for what the system holds in memory: nothing is
    flushed, closed or removed. Before a write, half of it is done.
    """

    def __init__(self, folder: Path, at: int | None) -> None:
        self.done = 0
        self._folder = str(folder)
        self._at = at

    def install(self) -> None:
        sys.addaudithook(self._audit)
        opening = io.open

        @functools.wraps(opening)
        def opened(file: Any, mode: str = "r", *more: Any, **options: Any) -> Any:
            if "b" not in mode or not set(mode) & set("wax+") or not self._is_ours(file):
                return opening(file, mode, *more, **options)
            raw = Raw(file, mode.replace("b", ""))
            raw.killer = self
            return io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)

        io.open = builtins.open = opened

    def count(self, half: Callable[[], object] = lambda: None) -> None:
        if self.done == self._at:
            half()
            os._exit(KILLED)
        self.done += 1

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        ours = bool(arguments) and self._is_ours(arguments[0])
        if ours and (event in CHANGES or (event == "open" and arguments[2] & WRITING)):
            self.count()

    def _is_ours(self, path: object) -> bool:
        return isinstance(path, (str, Path)) and str(path).startswith(self._folder)


class Raw(io.FileIO):
    killer: Killer

    def write(self, content: Any) -> int:
        self.killer.count(lambda: super(Raw, self).write(content[: len(content) // 2]))
        return super().write(content)

    def truncate(self, size: int | None = None) -> int:
        self.killer.count()
        return super().truncate(size)


def run(task: Callable[[], object], folder: Path, at: int | None = None) -> int | None:
    """Do a task in a process that is killed at an operation; return how many there were.

    None where it was killed.
    """
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            killer = Killer(folder, at)
            killer.install()
            task()
            os.write(tell, str(killer.done).encode())
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(tell)
    with os.fdopen(told) as stream:
        words = stream.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, KILLED)
    return int(words) if code == 0 else None


@pytest.fixture
def save(labelled):
    """Return what makes five samples of an image, a mask and a label; a shard holds two."""
    hub = Hub()
    list(hub.generate("toy-noise", 1))
    return in_shards(functools.partial(hub.save, "toy-noise", 5, batch_size=2), 2)


def points(count: int, seed: str) -> range:
    """Return the operations to kill before; different formats have different ones."""
    step = 1 if ALL else max(1, count // SAMPLE)
    return range(len(seed) % step, count, step)


def go_through(
    task: Callable[[], object],
    mend: Callable[[], object],
    folder: Path,
    before: Path | None,
    name: str,
    check: Callable[[], None],
) -> int:
    """Kill a task before its operations, each time beginning with the folder ``before``."""

    def begin() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        if before is not None:
            shutil.copytree(before, folder)

    begin()
    count = run(task, folder)
    assert count
    check()
    killed = 0
    for at in points(count, name):
        begin()
        killed += run(task, folder, at) is None
        mend()
        check()
    # On another thread, an operation more or less may come before the last ones.
    assert killed >= len(points(count, name)) - 3
    return killed


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_job_that_is_killed_before_any_file_operation_is_resumed_byte_for_byte(
    save, tmp_path, contents, capsys, format_name
):
    folder, whole = tmp_path / "out", tmp_path / "whole"
    save(whole, format=format_name)
    expected = contents(whole)

    def check():
        assert contents(folder) == expected

    resume = functools.partial(save, folder, format=format_name, resume=True)
    killed = go_through(
        functools.partial(save, folder, format=format_name),
        resume,
        folder,
        None,
        format_name,
        check,
    )
    tell(capsys, f"{format_name}, a new job", killed)


@pytest.mark.parametrize("format_name", FORMATS if ALL else ("png", "webdataset"))
@pytest.mark.parametrize("what", ["resumed", "mended", "made again", "replaced", "grown"])
def test_so_is_one_that_is_killed_while_it_is(save, tmp_path, contents, capsys, what, format_name):
    folder, whole, before = tmp_path / "out", tmp_path / "whole", tmp_path / "before"
    save(whole, format=format_name)
    expected = contents(whole)
    if what == "resumed":
        start = functools.partial(save, before, format=format_name)
        count = run(start, before)
        shutil.rmtree(before)
        assert run(start, before, count // 2) is None
    elif what == "replaced":
        save(before, format=format_name, seed=1)
    elif what == "grown":
        sharded = {"shard_size": 2} if format_name == "webdataset" else {}
        Hub().save("toy-noise", 3, before, batch_size=2, format=format_name, **sharded)
    else:
        save(before, format=format_name)
    if what == "mended":
        largest = max((path for path in before.rglob("*.*") if path.parent != before), key=str)
        largest.write_bytes(largest.read_bytes()[:-600])

    def check():
        assert contents(folder) == expected

    def mend():
        try:
            save(folder, format=format_name, resume=True)
        except OutputError as error:
            if what != "replaced" or "holds another data set" not in str(error):
                raise
            save(folder, format=format_name, overwrite=True)

    flags = {"made again": {}, "replaced": {"overwrite": True}}.get(what, {"resume": True})
    task = functools.partial(save, folder, format=format_name, **flags)
    killed = go_through(task, mend, folder, before, format_name, check)
    tell(capsys, f"{format_name}, {what}", killed)


def tell(capsys, words: str, count: int) -> None:
    if ALL:
        with capsys.disabled():
            sys.stdout.write(f"\n{words}: killed {count} times\n")
