"""Files on disk: where the cache is, and writing that never leaves half a file."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import stat
import tarfile
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

from medigan_hub import ownership
from medigan_hub.errors import HubWarning, OutputError

PART = ".part"
"""Suffix of an archive that is not finished."""
LOCK = ".medigan.lock"
"""Name of the file that lies in a folder while a data set is written into it."""
TEMPORARY = re.compile(r"\..+\.[0-9a-f]{12}\.tmp")

_warned = False
"""Whether this process has said that a file system has no locks."""


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


def write_atomically(path: Path, content: bytes, *, durably: bool = False) -> None:
    """Write ``content`` so that ``path`` appears whole or not at all; see ``replacing``."""
    with replacing(path, durably=durably) as stream:
        stream.write(content)


@contextmanager
def replacing(path: Path, *, durably: bool = False) -> Iterator[BinaryIO]:
    """Open a file that takes the name ``path`` when the block ends, and is dropped if it raises.

    Missing folders are made. The bytes go to a hidden temporary file in the
    same folder; where the program is killed, that is what stays. ``durably``
    waits until they are on the disk, so that a power cut leaves the old or the
    new file, too.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        with temporary.open("xb") as stream:
            yield stream
            if durably:
                stream.flush()
                os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Keep other processes from writing a data set into ``folder``; missing folders are made.

    Meanwhile a hidden file lies there, since some file systems lock only what is open
    for writing. Where the system or the file system has no locks, nothing is kept out.

    Raises
    ------
    OutputError
        Another process is at it.
    """

    def busy() -> NoReturn:
        raise OutputError(
            f"another process is writing into {folder}; wait for it, or name another folder"
        )

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK
    while True:
        descriptor = ownership.opened(path, os.O_RDWR | os.O_CREAT, owned=False)
        with _holding(descriptor, folder, busy):
            if not _is_at(path, descriptor):  # who held it has removed it since it was opened
                continue
            try:
                yield
            finally:
                if _is_at(path, descriptor):  # and the folder was not replaced by another
                    path.unlink(missing_ok=True)
            return


@contextmanager
def locked(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[tuple[int, ...]]:
    """Wait until no other process or thread holds the lock file ``path``; missing folders are made.

    ``waiting`` is called where there is somebody to wait for. Yields what a
    child process must inherit to hold the lock for as long as it runs. Where
    the system or the file system has no locks, that is empty, and nothing is
    waited for.

    Raises
    ------
    OutputError
        The lock file is a link, or another account's.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = ownership.opened(path, os.O_RDWR | os.O_CREAT)
    with _holding(descriptor, path.parent, waiting) as held:
        yield (descriptor,) if held else ()


@contextmanager
def _holding(descriptor: int, folder: Path, waiting: Callable[[], None]) -> Iterator[bool]:
    """Lock an open file, and close it in the end; tell whether there are locks at all."""
    try:
        import fcntl
    except ImportError:  # Windows
        try:
            yield False
        finally:
            os.close(descriptor)
        return
    held = True
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            held = False
            _warn_of_no_locks(folder, error)
        yield held
    finally:
        with suppress(OSError):  # a process that was forked meanwhile would hold it on
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except OSError:
        return False


def _warn_of_no_locks(folder: Path, error: OSError) -> None:
    global _warned
    if _warned:
        return
    _warned = True
    warnings.warn(
        f"{folder} is on a file system without locks ({error.strerror}); let no two processes of "
        "the hub write there at a time, or name another folder",
        HubWarning,
        stacklevel=2,
    )


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
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
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


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, read piece by piece."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(2**20):
            digest.update(piece)
    return digest.hexdigest()


@dataclass(frozen=True)
class Member:
    """A file in a tar archive."""

    name: str
    sha256: str
    end: int
    """Where what follows it in the archive begins, in bytes."""


def tar_members(path: Path) -> Generator[Member]:
    """Yield the files in a tar archive, as far as it is whole; nothing is extracted."""
    with path.open("rb") as stream, suppress(tarfile.TarError):
        archive = tarfile.open(fileobj=stream, mode="r:")  # noqa: SIM115 (closed with its stream)
        while (info := archive.next()) is not None:
            vars(archive)["members"] = []  # of which it would keep every one
            if not info.isreg():  # a link, which leads to another member, or to none
                return
            content = archive.extractfile(info)
            if content is None or content.seek(0, os.SEEK_END) != info.size:
                return
            content.seek(0)
            digest = hashlib.sha256()
            while piece := content.read(2**20):
                digest.update(piece)
            blocks = -(-info.size // tarfile.BLOCKSIZE)
            end = info.offset_data + blocks * tarfile.BLOCKSIZE
            yield Member(info.name, digest.hexdigest(), end)
