"""Published zip archives: what is in them, and safely out of them."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path, PurePosixPath

from medigan_hub.errors import OutputError, WeightsError, close_to
from medigan_hub.files import replacing
from medigan_hub.metadata import ModelMetadata
from medigan_hub.weights.download import fetch
from medigan_hub.weights.hashes import sha256_once
from medigan_hub.weights.locks import locked
from medigan_hub.weights.places import place_of

LARGEST = 20 * 2**30
"""Bytes that all files of an archive may have, unpacked."""
LARGEST_MEMBER = 4 * 2**30
"""Bytes that one of them may have."""
MOST_MEMBERS = 200_000
JUNK = ("__MACOSX", ".DS_Store", "__pycache__")
PIECE = 2**20


class _Archive:
    """An archive that was looked through: every member of it is a plain file with a safe path."""

    def __init__(self, path: Path, model: ModelMetadata) -> None:
        self.path = path
        self.model = model
        with self.opened() as archive:
            infos = archive.infolist()
        self.members = {info.filename: info for info in self._checked(infos)}
        self.root = self._root()

    @contextmanager
    def opened(self) -> Iterator[zipfile.ZipFile]:
        """Open the archive; what is wrong with it is said in words."""
        try:
            with zipfile.ZipFile(self.path) as archive:
                yield archive
        except (
            *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError),
            *(NotImplementedError, RuntimeError, UnicodeError, ValueError),
        ) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise self._refusal(f"is no zip archive that can be read ({reason})") from error

    def relative(self, name: str) -> str | None:
        """Return a member's path as seen from the folder of the code; None outside of it."""
        return name[len(self.root) :] if name.startswith(self.root) else None

    def write(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path) -> None:
        """Write a member to a file, and no more bytes than it says that it has."""
        done = 0
        with archive.open(info) as source, replacing(target) as stream:
            while piece := source.read(PIECE):
                done += len(piece)
                if done > info.file_size:
                    raise self._refusal(f"is refused: {info.filename} has more than it says")
                stream.write(piece)
        if done != info.file_size:
            raise self._refusal(f"is damaged: {info.filename} ends after {done} bytes")

    def _checked(self, infos: list[zipfile.ZipInfo]) -> Iterator[zipfile.ZipInfo]:
        total, seen = 0, set[str]()
        if len(infos) > MOST_MEMBERS:
            raise self._refusal(f"is refused: it has {len(infos)} files")
        for info in infos:
            fault = _fault(info)
            folded = info.filename.rstrip("/").casefold()
            if fault is None and folded in seen:
                fault = "stands there twice"
            seen.add(folded)
            if fault is not None:
                raise self._refusal(f"is refused: {info.filename[:200]!r} in it {fault}")
            total += info.file_size
            if total > LARGEST:
                raise self._refusal(f"is refused: it unpacks to over {LARGEST / 2**30:g} GiB")
            if not info.is_dir() and not set(JUNK) & set(PurePosixPath(info.filename).parts):
                yield info

    def _root(self) -> str:
        """Return the folder of the package: at the top, named in the metadata, or the only one."""
        named = self.model.archive.package if self.model.archive is not None else ""
        for folder in ("", f"{named}/"):
            if f"{folder}__init__.py" in self.members:
                return folder
        tops = {name.split("/")[0] for name in self.members if name.count("/") == 1}
        found = [top for top in sorted(tops) if f"{top}/__init__.py" in self.members]
        if len(found) == 1:
            return f"{found[0]}/"
        inside = bool(named) and all(name.startswith(f"{named}/") for name in self.members)
        return f"{named}/" if inside else ""

    def _refusal(self, what: str) -> WeightsError:
        return WeightsError(
            f"the archive of {self.model.name}, {self.path}, {what}; tell its authors"
        )


def names(model: ModelMetadata) -> list[str]:
    """Return the files in a model's archive, relative to the folder that holds its code.

    Raises
    ------
    NetworkError, WeightsError, OutputError
        The archive can't be had (see ``fetch``), or is not safe to unpack.
    """
    archive = _of(model)
    found = map(archive.relative, archive.members)
    return sorted(name for name in found if name)


def extract(model: ModelMetadata, name: str) -> Path:
    """Return one file of a model's archive, extracted into the cache.

    Parameters
    ----------
    name
        Its path, relative to the folder that holds the archive's code.

    Raises
    ------
    WeightsError
        The archive has no such file, or is not safe to unpack.
    NetworkError, OutputError
        As for ``fetch``.
    """
    archive = _of(model)
    info = archive.members.get(archive.root + name)
    if info is None:
        close = close_to(name, names(model)) or names(model)[:3]
        raise WeightsError(
            f"the archive of {model.name} holds no {name}; it has {', '.join(close) or 'nothing'}"
        )
    place = place_of(model)
    target = place.members / sha256_once(archive.path)[:16] / info.filename
    if not _is_whole(target, info):
        with _in_words(target), locked(place.lock), archive.opened() as opened:
            if not _is_whole(target, info):
                archive.write(opened, info, target)
    return target


def unpack(model: ModelMetadata) -> Path:
    """Return the folder that holds the code of a model's archive, all of it unpacked in the cache.

    Raises
    ------
    NetworkError, WeightsError, OutputError
        As for ``extract``.
    """
    archive = _of(model)
    place = place_of(model)
    folder = place.unpacked / sha256_once(archive.path)[:16]
    with _in_words(folder), locked(place.lock):
        if not _is_unpacked(folder, archive):
            _remove(folder)
            temporary = folder.with_name(f".{folder.name}.{secrets.token_hex(6)}.tmp")
            try:
                with archive.opened() as opened:
                    for info in archive.members.values():
                        archive.write(opened, info, temporary / info.filename)
                temporary.rename(folder)
            finally:
                _remove(temporary)
    return folder / archive.root.rstrip("/")


def _of(model: ModelMetadata) -> _Archive:
    path = fetch(model).path
    about = path.stat()
    return _looked_through(path, about.st_size, about.st_mtime_ns, _Key(model))


class _Key:
    """A model by its name, since its document has no hash."""

    def __init__(self, model: ModelMetadata) -> None:
        self.model = model
        self._value = (model.name, model.version, model.archive and model.archive.package)

    def __hash__(self) -> int:
        return hash(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self._value == other._value


@lru_cache(maxsize=8)
def _looked_through(path: Path, size: int, modified: int, key: _Key) -> _Archive:
    """Look an archive through, once for each state that it is found in."""
    return _Archive(path, key.model)


def _fault(info: zipfile.ZipInfo) -> str | None:
    """Say why a member is not safe to unpack, or nothing."""
    name = info.orig_filename
    path = PurePosixPath(name)
    kind = stat.S_IFMT(info.external_attr >> 16)
    if not name or "\\" in name or ":" in name or any(ord(c) < 32 or ord(c) == 127 for c in name):
        return "has a name that can't be one here"
    if path.is_absolute() or ".." in path.parts or any(len(p.encode()) > 255 for p in path.parts):
        return "leads out of its folder"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link, or no plain file"
    if info.flag_bits & 0x1:
        return "is encrypted"
    if info.file_size > LARGEST_MEMBER:
        return f"unpacks to over {LARGEST_MEMBER / 2**30:g} GiB"
    # Deflate can't shrink anything by more than this.
    if info.file_size > 1100 * max(info.compress_size, 1024):
        return "unpacks to far more than it can hold"
    return None


_checksums: dict[tuple[Path, int, int], int] = {}


def _is_whole(path: Path, info: zipfile.ZipInfo) -> bool:
    """Tell whether a member was extracted as it is in the archive: by size and CRC-32."""
    try:
        about = path.lstat()
        if not stat.S_ISREG(about.st_mode) or about.st_size != info.file_size:
            return False
        key = (path, about.st_size, about.st_mtime_ns)
        if key not in _checksums:
            value = 0
            with path.open("rb") as stream:
                while piece := stream.read(PIECE):
                    value = zlib.crc32(piece, value)
            _checksums[key] = value
        return _checksums[key] == info.CRC
    except FileNotFoundError:
        return False


def _is_unpacked(folder: Path, archive: _Archive) -> bool:
    """Tell whether a folder holds every member of an archive as it is there, and nothing else."""
    if not folder.is_dir():
        return False
    found = {path.relative_to(folder).as_posix() for path in _files_below(folder)}
    return found == set(archive.members) and all(
        _is_whole(folder / name, info) for name, info in archive.members.items()
    )


def _files_below(folder: Path) -> Iterator[Path]:
    for place, _, files in os.walk(folder):
        for name in files:
            yield Path(place, name)


def _remove(folder: Path) -> None:
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)


@contextmanager
def _in_words(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{target} can't be written: {error.strerror or error}; "
            "MEDIGAN_CACHE names another folder"
        ) from error
