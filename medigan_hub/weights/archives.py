"""Published archives: their files, extracted so that nothing lands outside the cache."""

from __future__ import annotations

import json
import lzma
import os
import re
import secrets
import shutil
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from medigan_hub.errors import OutputError, WeightsError, close_to
from medigan_hub.files import read_own, replacing, write_atomically
from medigan_hub.hashes import hashed, sha256_once
from medigan_hub.locks import locked
from medigan_hub.metadata import ModelMetadata, Weights, WeightsFile
from medigan_hub.weights.bundled import bundled
from medigan_hub.weights.download import SPARE_BYTES, Download, fetch
from medigan_hub.weights.places import Place, bundled_place, place_of

MAX_UNPACKED_BYTES = 20 * 2**30
"""What an archive may unpack to."""
MAX_FILE_BYTES = 4 * 2**30
"""Of one of its files."""
MAX_ENTRIES = 100_000
MAX_RATIO = 200
"""How many times its own size an archive may unpack to ..."""
UNSUSPICIOUS_BYTES = 256 * 2**20
"""... where that is more than so many bytes; below, no ratio does harm."""
MAX_PATH_CHARACTERS, MAX_NAME_BYTES = 1000, 255
"""Characters of a path, and bytes of a name in it, that there may be on every system."""
MAX_LIST_BYTES = 160 * MAX_ENTRIES
"""Of the list of all files."""
RESERVED = re.compile(
    r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|CLOCK\$|(COM|LPT)[0-9\u00b9\u00b2\u00b3])\s*(\..*)?",
    re.IGNORECASE | re.DOTALL,
)
"""Names that are devices of Windows, whatever follows on a dot."""
ELSEWHERE = re.compile(r"[<>:\"|?*]|[. ]$")
"""What no name on Windows has, or what is dropped there."""
LIST = re.compile(rb"(?=PK\x05\x06.{8}(.{4}))", re.DOTALL)
LIST_64 = re.compile(rb"(?=PK\x06\x06.{36}(.{8}))", re.DOTALL)
IN_OTHER = 0xFFFFFFFF
"""How long a list is of which the other one tells."""
HEADER_BYTES = 30
"""Of the header before a file, without its name."""
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
JUNK = re.compile(r"(^|/)(__MACOSX/|\.DS_Store$|\._)")
CODE = "__init__.py"
TEMPORARY = ".tmp-"


@dataclass(frozen=True)
class Listing:
    """What is in an archive that was found to be harmless."""

    root: str
    """Folder that holds the code, with a slash at its end, or nothing for the top."""
    files: tuple[str, ...]
    """Paths in the archive, without junk."""
    folders: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """Paths of the files relative to the root, sorted."""
        inside = (name for name in self.files if name.startswith(self.root))
        return sorted(name[len(self.root) :] for name in inside)


def names(
    model: ModelMetadata, plugin: Path | None = None, file: WeightsFile | None = None
) -> list[str]:
    """Return the paths of the files in a model's archive, relative to the folder of its code.

    The archive is a ``file`` of its weights, by default the main one.

    That folder is the one with ``__init__.py``: the top, the one that the
    metadata names, or the only one at the top. The archive is fetched when it
    is not in the cache; a bundled one lies in the folder of the ``plugin``.

    Raises
    ------
    WeightsError
        The file is no archive, is damaged, or could do harm.
    """
    return _listing(model, _archive(model, plugin, file)).names


def extract(
    model: ModelMetadata, name: str, plugin: Path | None = None, file: WeightsFile | None = None
) -> Path:
    """Return one file of a model's archive, extracted into the cache.

    The archive is a ``file`` of its weights, by default the main one. The name is
    one of ``names``. The file is extracted once, and again where the copy is
    damaged. A bundled archive lies in the folder of the ``plugin``.

    Raises
    ------
    WeightsError
        There is no such file, or the archive is damaged or could do harm.
    OutputError
        The cache can't be written.
    """
    archive = _archive(model, plugin, file)
    listing = _listing(model, archive)
    if name not in listing.names:
        close = close_to(name, listing.names) or [each for each in listing.names if each != CODE]
        raise WeightsError(
            f"the archive of {model.name} holds no {name}; it has {', '.join(close[:5]) or 'none'}"
        )
    place = _place(model, archive, file)
    folder = place.members / archive.sha256
    target, memory = folder / "files" / name, folder / "sums" / name
    if _is_whole(target, memory):
        return target
    with _in_words(model, folder), locked(place.lock):
        if not _is_whole(target, memory):
            with _opened(archive.path) as opened, replacing(target) as stream:
                sha256 = _copy(opened, listing.root + name, stream, archive.path)
            write_atomically(memory, sha256.encode())
    return target


def located(
    model: ModelMetadata, folder: Path, weights: Weights, name: str | None = None
) -> dict[str, Path]:
    """Return the files of a set of weights by their roles, verified.

    Bundled ones lie in the plugin's ``folder``. Of an archive it is the member
    ``name``, by default the one that the metadata names; a file that is no
    archive is returned itself.

    Raises
    ------
    NetworkError, WeightsError, OutputError
        As ``bundled``, ``fetch`` and ``extract``.
    """
    found = {}
    for file in weights.files:
        member = file.member if name is None else name
        if member is None:
            found[file.role] = _archive(model, folder, file).path
        else:
            found[file.role] = extract(model, member, folder, file)
    return found


def unpack(
    model: ModelMetadata, plugin: Path | None = None, file: WeightsFile | None = None
) -> Path:
    """Return the folder with the code of a model's archive, all of which is unpacked in the cache.

    The archive is a ``file`` of its weights, by default the main one. The folder is
    there whole or not at all. What was changed since is unpacked anew. A bundled
    archive lies in the folder of the ``plugin``.

    Raises
    ------
    NetworkError, WeightsError, OutputError
        As ``extract``.
    """
    archive = _archive(model, plugin, file)
    listing = _listing(model, archive)
    place = _place(model, archive, file)
    folder = place.unpacked / archive.sha256
    memory = folder.with_suffix(".json")
    if not _is_intact(folder, memory):
        with _in_words(model, folder), locked(place.lock):
            if not _is_intact(folder, memory):
                _unpack(archive.path, listing, folder, memory)
    return folder / listing.root


def _archive(model: ModelMetadata, plugin: Path | None, file: WeightsFile | None) -> Download:
    """Return a model's archive, verified: from the cache, or from its plugin's package."""
    file = file or model.main_file
    if plugin is None or file.is_remote:
        return fetch(model, file)
    return Download(bundled(model, plugin, file), file.sha256 or "")


def _place(model: ModelMetadata, archive: Download, file: WeightsFile | None) -> Place:
    """Return where in the cache goes what an archive holds."""
    file = file or model.main_file
    return place_of(model, file) if file.is_remote else bundled_place(archive.path)


def _unpack(path: Path, listing: Listing, folder: Path, memory: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    for leftover in folder.parent.glob(f"{TEMPORARY}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    memory.unlink(missing_ok=True)
    temporary = folder.with_name(f"{TEMPORARY}{secrets.token_hex(6)}")
    try:
        temporary.mkdir()
        sums = {}
        with _opened(path) as opened:
            for name in listing.folders:
                (temporary / name).mkdir(parents=True, exist_ok=True)
            for name in listing.files:
                (temporary / name).parent.mkdir(parents=True, exist_ok=True)
                with (temporary / name).open("xb") as stream:
                    sums[name] = _copy(opened, name, stream, path)
        if folder.exists():
            folder.rename(f"{temporary}.old")
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(f"{temporary}.old", ignore_errors=True)
    write_atomically(memory, json.dumps(sums).encode())


def _is_intact(folder: Path, memory: Path) -> bool:
    """Tell whether a folder holds what was unpacked into it, and nothing else."""
    sums = _remembered(memory)
    if sums is None:
        return False
    found = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }
    return found == set(sums) and all(
        not (folder / name).is_symlink() and sha256_once(folder / name) == sha256
        for name, sha256 in sums.items()
    )


def _remembered(memory: Path) -> Mapping[str, str] | None:
    try:
        sums = json.loads(read_own(memory))
    except (OSError, ValueError, RecursionError):
        return None
    return sums if isinstance(sums, dict) else None


def _is_whole(target: Path, memory: Path) -> bool:
    """Tell whether an extracted file is what was extracted."""
    try:
        if target.is_symlink() or not target.is_file():
            return False
        return sha256_once(target) == read_own(memory).decode()
    except (OSError, ValueError):
        return False


def _listing(model: ModelMetadata, archive: Download) -> Listing:
    package = model.archive.package if model.archive is not None else ""
    return _read(archive.path, archive.sha256, package)


@lru_cache(maxsize=64)
def _read(path: Path, sha256: str, package: str) -> Listing:
    """Return what is in an archive; ``sha256`` is that of what the path holds now."""
    with _opened(path) as archive:
        entries = archive.infolist()
        _check(entries, path)
    kept = [entry for entry in entries if not JUNK.search(entry.filename)]
    files = tuple(entry.filename for entry in kept if not entry.is_dir())
    folders = tuple(entry.filename for entry in kept if entry.is_dir())
    return Listing(_root(files, package), files, folders)


def _root(files: tuple[str, ...], package: str) -> str:
    if CODE in files:
        return ""
    tops = {name.partition("/")[0] for name in files if "/" in name}
    with_code = [top for top in tops if f"{top}/{CODE}" in files]
    if package in with_code:
        return f"{package}/"
    if len(with_code) == 1:
        return f"{with_code[0]}/"
    # Weights without code, in a folder of their own.
    alone = len(tops) == 1 and all("/" in name for name in files)
    return f"{tops.pop()}/" if alone else ""


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive; what is wrong with it, also later, is said in one line."""
    faults = (
        zipfile.BadZipFile,
        EOFError,
        NotImplementedError,
        OverflowError,
        RuntimeError,
        ValueError,
        struct.error,
        zlib.error,
        lzma.LZMAError,
    )
    try:
        _check_list(path)
        with zipfile.ZipFile(path) as archive:
            if any(entry.header_offset < 0 for entry in archive.infolist()):
                raise zipfile.BadZipFile("files in it begin before it does")
            yield archive
    except faults as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise WeightsError(
            f"{path} is no zip archive that can be read: {reason}; tell the authors of the model"
        ) from error


def _check_list(path: Path) -> None:
    """Refuse a list of files that would take long to read alone."""
    with path.open("rb") as stream:
        stream.seek(-min(path.stat().st_size, 2**16 + 100), os.SEEK_END)
        tail = stream.read()
    # Each place that may be taken for the archive's end says how long the list is.
    found = [*LIST.finditer(tail), *LIST_64.finditer(tail)]
    if any(MAX_LIST_BYTES < int.from_bytes(each[1], "little") != IN_OTHER for each in found):
        raise _refused(path, f"its list of files has over {MAX_LIST_BYTES} bytes")


def _check(entries: list[zipfile.ZipInfo], path: Path) -> None:
    """Refuse an archive that could do harm when it is extracted.

    Raises
    ------
    WeightsError
        It has links, encrypted files, paths that lead elsewhere or can't exist
        side by side, or it is suspiciously large.
    """
    for entry in entries:
        fault = _fault(entry)
        if fault:
            raise _refused(path, f"{_shown(entry)} {fault}")
    _check_paths(entries, path)
    total = sum(entry.file_size for entry in entries)
    if len(entries) > MAX_ENTRIES:
        raise _refused(path, f"it has {len(entries)} files, and {MAX_ENTRIES} are the most")
    if total > MAX_UNPACKED_BYTES:
        raise _refused(
            path,
            f"it unpacks to {total / 2**30:.1f} GiB, and {MAX_UNPACKED_BYTES / 2**30:g} GiB are "
            "the most",
        )
    if total > UNSUSPICIOUS_BYTES and total > MAX_RATIO * path.stat().st_size:
        raise _refused(path, f"it unpacks to over {MAX_RATIO} times its size")
    _check_places(entries, path)


def _check_places(entries: list[zipfile.ZipInfo], path: Path) -> None:
    """Refuse files that share bytes of the archive, by which few bytes become very many."""
    end = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.header_offset < end:
            raise _refused(path, f"{_shown(entry)} shares bytes with another file")
        end = entry.header_offset + HEADER_BYTES + entry.compress_size


def _shown(entry: zipfile.ZipInfo) -> str:
    """Return the name of an entry, or the beginning of a long one."""
    name = entry.orig_filename
    return repr(name if len(name) <= 100 else f"{name[:100]}\u2026")


def _fault(entry: zipfile.ZipInfo) -> str | None:
    """Return what is wrong with one entry by itself."""
    name = entry.orig_filename
    parts = name.removesuffix("/").split("/")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if "\\" in name or re.match("[A-Za-z]:", name) or any(part in ("", "..") for part in parts):
        return "leads out of its folder, or could"
    if "." in parts or any(unicodedata.category(character) == "Cc" for character in name):
        return "is no plain path"
    if kind == stat.S_IFLNK:
        return "is a link"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is neither a file nor a folder"
    if len(name) > MAX_PATH_CHARACTERS or any(
        len(part.encode()) > MAX_NAME_BYTES for part in parts
    ):
        return "is too long for a path"
    if any(RESERVED.fullmatch(part) or ELSEWHERE.search(part) for part in parts):
        return "is no name on Windows"
    if entry.flag_bits & 0x41:
        return "is encrypted"
    if entry.compress_type not in METHODS:
        return "is compressed in another way than by deflate"
    if entry.file_size > MAX_FILE_BYTES:
        return f"has over {MAX_FILE_BYTES / 2**30:g} GiB"
    return None


def _check_paths(entries: list[zipfile.ZipInfo], path: Path) -> None:
    """Refuse paths of which one would replace another, on any system."""
    seen: dict[str, str] = {}
    for entry in entries:
        folded = _folded(entry.filename)
        if folded in seen:
            raise _refused(
                path, f"{seen[folded]!r} and {entry.filename!r} would be the same file somewhere"
            )
        seen[folded] = entry.filename
    files = {_folded(entry.filename) for entry in entries if not entry.is_dir()}
    for folded, name in seen.items():
        parts = folded.split("/")
        if any("/".join(parts[:count]) in files for count in range(1, len(parts))):
            raise _refused(path, f"{name!r} lies in what is a file")


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name.removesuffix("/")).casefold()


def _refused(path: Path, reason: str) -> WeightsError:
    return WeightsError(f"{path} is not extracted: {reason}; tell the authors of the model")


def _copy(archive: zipfile.ZipFile, name: str, stream: BinaryIO, path: Path) -> str:
    """Extract a file into a stream, and return its SHA-256."""
    expected = archive.getinfo(name).file_size
    _check_room(expected, path)
    with archive.open(name) as source:
        size, (sha256,) = hashed(source, "sha256", most=expected + 1, target=stream)
    if size > expected:
        raise _refused(path, f"{name!r} is larger than it says")
    if size < expected:
        raise _refused(path, f"{name!r} is not complete")
    return sha256


def _check_room(size: int, path: Path) -> None:
    free = shutil.disk_usage(path.parent).free
    if size + SPARE_BYTES > free:
        raise OutputError(
            f"{path.name} unpacks to {size / 2**20:.0f} MiB and more, and {path.parent} has "
            f"{free / 2**20:.0f} MiB free; make room, or name another folder with MEDIGAN_CACHE"
        )


@contextmanager
def _in_words(model: ModelMetadata, folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"the archive of {model.name} can't be extracted into {folder}: "
            f"{error.strerror or error}; MEDIGAN_CACHE names another folder"
        ) from error
