"""Runs a command that is code of others, within bounds, and ends all that it started.

    python -I -S keeper.py SETTINGS COMMAND...

The hub starts this file as a script, on Linux alone, with its settings in JSON. Between
the hub and the command, it is the parent of whatever the command leaves behind, also of
a process that left the command's group and session; none of them outlives it, and it
does not outlive the hub. It ends as the command did.

What the kernel offers is used where it is there, and left out where it is not:

- a Landlock domain, in which the command can neither read the memory and the variables
  of the hub nor trace or (from Linux 6.12) signal it, and writes to some folders alone;
- where it is to be alone, namespaces of its own: no network, no other processes.

Needs the standard library alone.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import struct
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

INTERVAL_SECONDS = 0.2
"""Seconds between two looks at whether the hub is still there."""
GRACE_SECONDS = 2.0
"""Seconds that a command has to clean up after a hub that is gone."""
GIVE_UP_SECONDS = 5.0
"""Seconds after which what can't be ended, being another user's, is left."""
WATCHED = (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")

# linux/sched.h
NEW_MOUNTS, NEW_IPC, NEW_USER, NEW_PIDS, NEW_NET = 1 << 17, 1 << 27, 1 << 28, 1 << 29, 1 << 30
# linux/prctl.h
DEATH_SIGNAL, DROP_CAPABILITY, SUBREAPER, NO_NEW_PRIVILEGES = 1, 24, 36, 38
# linux/capability.h: by which root alone sees into other processes, whatever their domain
OVERSIGHT = (19, 21, 38)
# linux/mount.h
NO_SUID, NO_DEVICES, NO_EXEC, RECURSIVE, PRIVATE = 1 << 1, 1 << 2, 1 << 3, 1 << 14, 1 << 18
# linux/landlock.h: writing to a file, removing (2), making (7), moving elsewhere, truncating
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
WRITE_FILE, REFER, TRUNCATE = 1 << 1, 1 << 13, 1 << 14
WRITE = WRITE_FILE | 0b1_1111_1111 << 4
TCP, ABSTRACT_SOCKETS, SIGNALS = 3, 1, 2

libc = ctypes.CDLL(None, use_errno=True)


def main() -> NoReturn:
    """Run a command, and see that nothing of it outlives the hub; exit as it does."""
    settings, command = json.loads(sys.argv[1]), sys.argv[2:]
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    hub = settings["hub"]
    if settings["alone"]:
        found, status = os.pipe()  # the first process of a namespace can't end by a signal itself
        _leave()
        child = os.fork()
        if child == 0:
            libc.prctl(DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
            _settle()
            ended = _keep(_start(command, settings), lambda: False)
            os.write(status, struct.pack("i", ended))
            os._exit(0)
        _let_go()
        os.close(status)
        ended = _keep(child, lambda: os.getppid() != hub)
        words = os.read(found, 4)
        ended = struct.unpack("i", words)[0] if len(words) == 4 else ended
    else:
        libc.prctl(SUBREAPER, 1, 0, 0, 0)
        child = _start(command, settings)
        ended = _keep(child, lambda: os.getppid() != hub)
        _end_children()
    _end_as(ended)


def _start(command: list[str], settings: dict[str, Any]) -> int:
    """Start the command, and keep nothing open that it was given."""
    child = os.fork()
    if child == 0:
        try:
            if settings["alone"] or settings["guarded"]:
                for number in range(64) if settings["alone"] else OVERSIGHT:
                    libc.prctl(DROP_CAPABILITY, number, 0, 0, 0)
            if settings["guarded"]:
                _guard(settings["writable"])
            signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)
            os.execvp(command[0], command)  # noqa: S606 (the hub makes the arguments)
        except OSError as error:
            os.write(2, f"{command[0]} can't be run: {error.strerror}\n".encode())
        os._exit(127)
    _let_go()
    return child


def _let_go() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nothing, descriptor)
    os.close(nothing)


def _keep(child: int, gone: Callable[[], bool]) -> int:
    """Wait until a process has ended, is to be ended, or the hub is gone; return its status.

    SIGTERM reaches the command itself, as one of the group; SIGINT is the hub's word to
    end everything now.
    """
    end = float("inf")
    while True:
        told = signal.sigtimedwait(WATCHED, INTERVAL_SECONDS)
        status = _reaped(child)
        if status is not None:
            return status
        if end == float("inf") and gone():
            end = time.monotonic() + GRACE_SECONDS
        if (told is not None and told.si_signo == signal.SIGINT) or time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
            return os.waitpid(child, 0)[1]


def _reaped(child: int) -> int | None:
    """Take leave of every process that has ended; return the status of the one, if it has."""
    found = None
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == child:
                found = ended[1]
    return found


def _end_children() -> None:
    """End what the command left behind: orphans, which have come to this process."""
    end = time.monotonic() + GIVE_UP_SECONDS
    while time.monotonic() < end:
        for child in _children():
            with suppress(OSError):
                os.kill(child, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.01)


def _children() -> Iterator[int]:
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, IndexError):
            if int(path.read_bytes().rpartition(b")")[2].split()[1]) == os.getpid():
                yield int(path.parent.name)


def _end_as(status: int) -> NoReturn:
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [-code])
        with suppress(OSError):  # of SIGKILL and SIGSTOP
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code if code >= 0 else 128 - code)


def _leave() -> None:
    """Leave the namespaces of the hub; the next process is the first of a new one."""
    user, group = os.geteuid(), os.getegid()
    _must(libc.unshare(NEW_USER | NEW_PIDS | NEW_MOUNTS | NEW_NET | NEW_IPC))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def _settle() -> None:
    """Show the processes of this namespace alone, and share no memory with others."""
    _must(libc.mount(b"none", b"/", None, RECURSIVE | PRIVATE, None))
    _must(libc.mount(b"proc", b"/proc", b"proc", NO_SUID | NO_DEVICES | NO_EXEC, None))
    if Path("/dev/shm").is_dir():  # noqa: S108 (it is hidden, not used)
        _must(libc.mount(b"tmpfs", b"/dev/shm", b"tmpfs", NO_SUID | NO_DEVICES, b"mode=1777"))


def _guard(writable: Sequence[str] | None) -> None:
    """Put this process into a Landlock domain, where the kernel knows Landlock.

    With ``writable`` it can write to these folders alone, and connect to nothing by TCP.
    """
    version = libc.syscall(CREATE_RULESET, None, 0, 1)
    if version < 2:  # whose domains can't move a file from one folder to another
        return
    scoped = SIGNALS if version >= 6 else 0
    rules: list[tuple[str, int]]
    if writable is None:
        access, tcp, rules = REFER, 0, [("/", REFER)]
    else:
        truncate = TRUNCATE if version >= 3 else 0
        access, tcp = WRITE | REFER | truncate, TCP if version >= 4 else 0
        scoped |= ABSTRACT_SOCKETS if version >= 6 else 0
        rules = [(path, access) for path in (*writable, "/dev/shm")]  # noqa: S108 (of this namespace)
        rules += [(path, WRITE_FILE | truncate) for path in DEVICES]
    about = struct.pack("QQQ", access, tcp, scoped)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = libc.syscall(CREATE_RULESET, about, size, 0)
    _must(min(ruleset, 0))
    for path, allowed in rules:
        with suppress(FileNotFoundError):
            folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
            _must(libc.syscall(ADD_RULE, ruleset, 1, struct.pack("=Qi", allowed, folder), 0))
            os.close(folder)
    # Root may do without; for others, a program that changes the user would get around it.
    if writable is not None or libc.syscall(RESTRICT_SELF, ruleset, 0) != 0:
        _must(libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0))
        _must(libc.syscall(RESTRICT_SELF, ruleset, 0))
    os.close(ruleset)


def _must(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    main()
