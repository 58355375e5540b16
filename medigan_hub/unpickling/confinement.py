"""Giving up, for the rest of a process's life, all that reading an open file doesn't need.

On Linux (x86-64 and ARM64) the kernel holds it: of the system's calls those in
``CALLS`` alone are left, all others fail, so that no file is opened, made, removed or
renamed, no socket is made, no process is started, watched or signalled; and there are
limits of memory, of time of the processor and of what is written. On other Unix systems
there are those limits, as far as the system keeps them (macOS keeps no limit of
memory), and Python's own audit events refuse the rest; that holds for what Python code
asks for. On Windows there are the audit events alone. Everywhere the process that
started this one ends it where it takes too long.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

CALLS = {
    # name: (number on x86-64, number on ARM64)
    "read": (0, 63),
    "pread64": (17, 67),
    "write": (1, 64),
    "lseek": (8, 62),
    "close": (3, 57),
    "fstat": (5, 80),
    "newfstatat": (262, 79),  # which is how fstat is asked for by some versions of glibc
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "brk": (12, 214),
    "futex": (202, 98),
    "sched_yield": (24, 124),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "restart_syscall": (219, 128),
    "clock_gettime": (228, 113),
    "getrandom": (318, 278),
    "getpid": (39, 172),
    "gettid": (186, 178),
    "exit": (60, 93),
    "exit_group": (231, 94),
}
MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
"""What the kernel calls a machine, and which of the two numbers is its."""

REFUSED = ("open", "socket.", "subprocess.", "os.", "shutil.", "ctypes.", "import", "mmap.", "pty.")
"""How the audit events begin of what a confined process may not do."""

_SET_PARENT_DEATH, _NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 1, 38, 22, 2
_LOAD, _EQUALS, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _FAIL = 0x7FFF0000, 0x00050001  # the latter with EPERM


def confine(parent: int, *, memory: int, seconds: int, written: int) -> None:
    """Confine this process.

    Parameters
    ----------
    parent
        Number of the process that started this one, with which it ends.
    memory
        Bytes that it may take beyond those that it has.
    seconds
        Time of the processor.
    written
        Bytes that a file may have which it writes.
    """
    _limit(memory, seconds, written)
    if sys.platform == "linux":
        _end_with(parent)
        _filter()
    sys.addaudithook(_refuse)


def _limit(memory: int, seconds: int, written: int) -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    limits = {
        "RLIMIT_CPU": seconds,
        "RLIMIT_FSIZE": written,
        "RLIMIT_CORE": 0,
        "RLIMIT_NPROC": 0,
        "RLIMIT_AS": _size() + memory,
    }
    for name, value in limits.items():
        # Which of them a system has, and which values it takes, differs.
        with suppress(AttributeError, ValueError, OSError):
            resource.setrlimit(getattr(resource, name), (value, value))


def _size() -> int:
    """Return the bytes of addresses that this process has."""
    with suppress(OSError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        return pages * os.sysconf("SC_PAGE_SIZE")
    return 2**30


def _end_with(parent: int) -> None:
    """Let this process end with the one that started it."""
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before
        os._exit(1)


def _filter() -> None:
    """Leave the calls that are listed; an old kernel without filters stays as it is."""
    if platform.machine() not in MACHINES or sys.maxsize < 2**32:
        return
    machine, which = MACHINES[platform.machine()]
    numbers = [found[which] for found in CALLS.values()]
    steps = [
        (_LOAD, 0, 0, 4),  # for which machine the call is
        (_EQUALS, 1, 0, machine),
        (_RETURN, 0, 0, _FAIL),
        (_LOAD, 0, 0, 0),  # the number of the call
        *((_EQUALS, len(numbers) - place, 0, number) for place, number in enumerate(numbers)),
        (_RETURN, 0, 0, _FAIL),
        (_RETURN, 0, 0, _ALLOW),
    ]

    class Step(ctypes.Structure):
        _fields_ = (
            ("code", ctypes.c_uint16),
            ("yes", ctypes.c_uint8),
            ("no", ctypes.c_uint8),
            ("value", ctypes.c_uint32),
        )

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_uint16), ("steps", ctypes.POINTER(Step)))

    program = Program(len(steps), (Step * len(steps))(*(Step(*step) for step in steps)))
    system = ctypes.CDLL(None)
    system.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    system.prctl(_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0)


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event.startswith(REFUSED):
        raise PermissionError(f"a confined process asks for {event}")
