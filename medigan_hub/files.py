"""Files on disk: where the cache is, and writing that never leaves half a file."""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from medigan_hub import ownership
from medigan_hub.errors import OutputError

PART = ".part"
"""Suffix of an archive that is not finished."""
TEMPORARY = re.compile(r"\..+\.[0-9a-f]{12}\.tmp")
READING = os.O_RDONLY
for _flag in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):  # not every system has all
    READING |= getattr(os, _flag, 0)
CREATING = os.O_WRONLY | os.O_CREAT | os.O_EXCL
for _flag in ("O_CLOEXEC", "O_BINARY"):
    CREATING |= getattr(os, _flag, 0)
NO_LINK = getattr(os, "O_NOFOLLOW", 0)


def cache_folder() -> Path:
    """Return the hub's cache folder: ``MEDIGAN_CACHE``, or the user's own cache.

    It is made, for this account alone, where it isn't there and can be made. Where the
    system knows no home, as in many containers, it lies in the temporary folder.

    Raises
    ------
    OutputError
        ``MEDIGAN_CACHE`` names the home of a user that this machine doesn't have, or
        the folder is another account's, or others can write it.
    """
    folder = _cache_folder()
    with suppress(OSError):  # what is to be written there says why it can't be
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ownership.check_folder(folder)
    return folder


def _cache_folder() -> Path:
    chosen = os.environ.get("MEDIGAN_CACHE")
    try:
        if chosen:
            return Path(chosen).expanduser()
        import platformdirs

        # Of a home that isn't known, it makes a folder here whose name is a tilde.
        if not os.environ.get("XDG_CACHE_HOME"):
            Path.home()
        return Path(platformdirs.user_cache_dir("medigan-hub", appauthor=False))
    except RuntimeError as error:
        if chosen:
            raise OutputError(f"MEDIGAN_CACHE is {chosen}: there is no such user") from error
        import tempfile

        account = os.getuid() if hasattr(os, "getuid") else "user"
        return Path(tempfile.gettempdir()) / f"medigan-hub-{account}"


def read_own(path: Path) -> bytes:
    """Return the content of a file in the cache that is believed.

    Raises
    ------
    OSError
        It is not there, or can't be read.
    OutputError
        It is a link, or others have made it or can change it.
    """
    folder, path = cache_folder().absolute(), path.absolute()
    if path.is_relative_to(folder):
        ownership.check_path(path, folder)
    with os.fdopen(ownership.opened(path, os.O_RDONLY), "rb") as stream:
        return stream.read()


def can_be_made(path: Path) -> bool:
    """Tell whether a file can be made at ``path``, with the folders that it lies in."""
    existing = next(parent for parent in path.absolute().parents if parent.exists())
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


def write_atomically(
    path: Path, content: bytes, *, durably: bool = False, mode: int = 0o666
) -> None:
    """Write ``content`` so that ``path`` appears whole or not at all; see ``replacing``."""
    with replacing(path, durably=durably, mode=mode) as stream:
        stream.write(content)


@contextmanager
def replacing(path: Path, *, durably: bool = False, mode: int = 0o666) -> Iterator[BinaryIO]:
    """Open a file that takes the name ``path`` when the block ends, and is dropped if it raises.

    Missing folders are made. The bytes go to a hidden temporary file in the
    same folder; where the program is killed, that is what stays. ``durably``
    waits until they are on the disk, so that a power cut leaves the old or the
    new file, too. ``mode`` is who may read and write it, less what the system's mask takes away:
    0o600 for this account alone.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        descriptor = os.open(temporary, CREATING, mode)
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            if durably:
                stream.flush()
                os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def check_replaceable(place: Path) -> None:
    """Make sure that a file can be written in a place: what is there, if anything, is a file.

    Raises
    ------
    OutputError
        It is a link, a folder or the like, which nothing of the hub made.
    """
    try:
        mode = place.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFLNK: "link", stat.S_IFDIR: "folder", stat.S_IFIFO: "pipe"}
        kind = kinds.get(stat.S_IFMT(mode), "device")
        raise OutputError(f"{place} is a {kind} in the place of a file; remove it")


def is_leftover(name: str) -> bool:
    """Tell whether a file's name is that of a temporary file of ``write_atomically``.

    >>> is_leftover(".000003.png.0123456789ab.tmp"), is_leftover(".gitignore")
    (True, False)
    """
    return TEMPORARY.fullmatch(name) is not None


def inside(folder: Path, path: str) -> Path | None:
    """Return ``folder / path``, or None where that lies outside the folder, also through links."""
    try:
        found = folder / path
        within = found.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):  # such as a name with a null character
        return None
    return found if within else None


def read_regular(path: Path, most: int) -> bytes:
    """Return the content of a regular file that is no larger than ``most`` bytes.

    Anything else under its name, such as a pipe or a device, is not waited for.

    Raises
    ------
    OSError
        It can't be read, is no regular file, or is larger.
    """
    descriptor = os.open(path, READING)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        with open(descriptor, "rb", closefd=False) as stream:
            content = stream.read(most + 1)
    finally:
        os.close(descriptor)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it has over {most // 2**10} KiB", str(path))
    return content


def open_inside(folder: Path, path: str) -> BinaryIO | None:
    """Open the file ``folder / path`` for reading; None where there is no such file.

    A folder that others made may hold anything: links that lead out of it are
    not followed, pipes and devices not opened, and a file that claims to be
    large and is next to nothing but holes is not taken for one.
    """
    if PurePosixPath(path).as_posix() != path or ".." in PurePosixPath(path).parts:
        return None  # one file has one path, so that nobody can have it read again and again
    try:
        place = (folder / path).resolve()
        # Looked at before it is opened, as opening alone makes some devices act.
        if not place.is_relative_to(folder.resolve()) or not stat.S_ISREG(place.lstat().st_mode):
            return None
        descriptor = os.open(place, READING | NO_LINK)
    except (FileNotFoundError, NotADirectoryError, ValueError, RuntimeError):
        return None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENAMETOOLONG):
            return None
        raise
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or _is_hollow(found):
        os.close(descriptor)
        return None
    return open(descriptor, "rb")  # noqa: PTH123 (a descriptor is no path)


def _is_hollow(found: os.stat_result) -> bool:
    """Tell whether a file is next to nothing but holes, which cost its sender nothing.

    Zeros that a file system saves by compressing are not enough for that.
    """
    blocks = getattr(found, "st_blocks", None)  # Windows has none
    return blocks is not None and found.st_size > 2**30 and blocks * 512 * 1000 < found.st_size


def walk(folder: Path) -> Iterator[tuple[str, bool]]:
    """Yield what is below a folder: the path in it, and whether that is a folder; no link is one.

    However deep the folders lie (``os.walk`` recurses), each before what it holds.
    """
    waiting = [""]
    while waiting:
        where = waiting.pop()
        with os.scandir(folder / where) as entries:
            for entry in entries:
                path = f"{where}/{entry.name}" if where else entry.name
                is_folder = entry.is_dir(follow_symlinks=False)
                if is_folder:
                    waiting.append(path)
                yield path, is_folder
