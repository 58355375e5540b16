"""Whether what lies in a folder is this account's own, so that it can be believed.

A cache says which code may run, what weights must be, and which Python runs that code.
So nobody else may have made it, or be able to change it: it belongs to this account,
or to root, who could do anything anyway (a cache that an administrator shares), and
neither all others nor a group with others in it can write it. Windows keeps what lies
in a user's profile to that user by itself, and nothing is looked at.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from medigan_hub.errors import OutputError

ROOT = 0


def check_folder(folder: Path) -> None:
    """Return if a folder is this account's own, or isn't there; a link to it must be, too.

    Raises
    ------
    OutputError
        Others have made it, or can change it.
    """
    if not hasattr(os, "geteuid"):  # Windows
        return
    try:
        found = folder.lstat(), folder.stat()
    except OSError:
        return
    for about in found:
        _check(folder, about)


def check_path(path: Path, within: Path) -> None:
    """Return if each folder on the way from one down to a path is this account's own.

    What lies in a folder that nobody else can enter may have any mode: it can't be reached.

    Raises
    ------
    OutputError
        As for ``check_folder``.
    """
    if not hasattr(os, "geteuid"):
        return
    for part in reversed(path.relative_to(within).parents):
        folder = within / part
        check_folder(folder)
        try:
            about = folder.stat()
        except OSError:
            return
        if about.st_uid == os.geteuid() and not about.st_mode & (stat.S_IXGRP | stat.S_IXOTH):
            return


def opened(path: Path, flags: int, *, owned: bool = True) -> int:
    """Return a descriptor of a regular file that is no link; with ``owned``, one of this account.

    Raises
    ------
    OSError
        It can't be opened.
    OutputError
        It is a link, no file, or others have made it or can change it.
    """
    flags |= getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    # A pipe would wait for ever.
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):  # what O_NOFOLLOW says of a link
            raise OutputError(f"{path} is a link, which is not followed; remove it") from error
        raise
    try:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise OutputError(f"{path} is no file; remove it")
        if owned and hasattr(os, "geteuid"):
            _check(path, about)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check(path: Path, about: os.stat_result) -> None:
    remedy = "MEDIGAN_CACHE names another folder"
    if about.st_uid not in (os.geteuid(), ROOT):
        raise OutputError(
            f"{path} belongs to another account (number {about.st_uid}), who could have put "
            f"anything there; {remedy}"
        )
    if stat.S_ISLNK(about.st_mode):  # which has no mode of its own
        return
    everybody = about.st_mode & stat.S_IWOTH
    if everybody or (about.st_mode & stat.S_IWGRP and not _is_alone(about.st_gid)):
        who = "every account" if everybody else "the accounts of its group"
        raise OutputError(
            f"{path} can be written by {who}, who could have put anything there; look at what it "
            f"holds and keep it to yourself (chmod go-w {path}), or {remedy}"
        )


def _is_alone(group: int) -> bool:
    """Tell whether a group is the one that many systems make for one account alone."""
    import grp
    import pwd

    try:
        account, found = pwd.getpwuid(os.geteuid()), grp.getgrgid(group)
    except KeyError:
        return False
    alone = set(found.gr_mem) <= {account.pw_name}
    return alone and account.pw_gid == group and found.gr_name == account.pw_name
