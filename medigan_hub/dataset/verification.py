"""Holding a data set against its manifest."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from medigan_hub.dataset import croissant, description, header, manifest
from medigan_hub.errors import OutputError
from medigan_hub.files import PART, inside, is_leftover, sha256_of, tar_members

DESCRIBING = (manifest.MANIFEST, description.README, croissant.CROISSANT)
"""Files beside the header that say what a data set is."""


@dataclass
class Verdict:
    """What was found of a data set; paths are relative to its folder."""

    folder: Path
    count: int
    """Samples that it is to have."""
    listed: int = 0
    """Samples that the manifest lists; where it is not finished, those that are all there."""
    finished: bool = False
    missing: list[str] = field(default_factory=list)
    """Files that the manifest names and the folder lacks; in an archive, ``path!member``."""
    changed: list[str] = field(default_factory=list)
    """Files with another content than when they were written."""
    extra: list[str] = field(default_factory=list)
    """Files that do not belong to the data set."""
    faults: list[str] = field(default_factory=list)
    """What else is wrong, in words."""

    @property
    def ok(self) -> bool:
        """Whether the data set is finished, and everything is as it was written."""
        return self.finished and not (self.missing or self.changed or self.extra or self.faults)


def verify(folder: Path) -> Verdict:
    """Hold every file of a data set against its SHA-256.

    Raises
    ------
    OutputError
        The folder holds no data set, or can't be read.
    """
    try:
        return _verify(folder)
    except OSError as error:
        raise OutputError(
            f"{error.filename or folder} can't be read: {error.strerror or error}"
        ) from error


def _verify(folder: Path) -> Verdict:
    if not folder.is_dir():
        raise OutputError(f"there is no folder {folder}; name the folder of a data set")
    found = header.read(folder)
    if found is None or not isinstance(found[0].get("count"), int):
        raise OutputError(f"{folder} holds no data set: it has no {header.HEADER} that can be read")
    document, seal = found
    verdict = Verdict(folder, document["count"], finished=bool(seal))
    known = {header.HEADER}
    for name, expected in seal.items():
        known.add(name)
        own = name == header.HEADER
        _check(verdict, name, header.digest(document) if own else _sha256(folder, name), expected)
    if seal and set(seal) != {header.HEADER, *DESCRIBING}:
        verdict.faults.append(f"the seal in {header.HEADER} is not whole")
    if not seal:
        known |= {*DESCRIBING, manifest.UNFINISHED}
    for archive, rows in groupby(_rows(folder, verdict), key=_archive):
        members = {} if archive is None else _members(folder, archive)
        if members is None:
            if archive is not None and verdict.finished:
                verdict.missing.append(archive)
                verdict.listed += sum(1 for _ in rows)
            continue
        for row in rows:
            known |= {file["path"] for file in _files(row)}
            _check_row(verdict, row, members)
        if archive is not None:
            if not verdict.finished:
                known.add(archive + PART)
            verdict.extra += [f"{archive}!{name}" for name in members]
    if verdict.finished and verdict.listed != verdict.count:
        verdict.faults.append(
            f"{manifest.MANIFEST} lists {verdict.listed} of {verdict.count} samples"
        )
    if manifest.MANIFEST in verdict.missing:  # then nothing tells what is extra
        return verdict
    for where, folders, names in os.walk(folder):
        relative = Path(where).relative_to(folder)
        # A link to a folder is no part of a data set, and is not followed.
        names += [name for name in folders if Path(where, name).is_symlink()]
        if where == str(folder):  # hidden files there are none of its business
            names = [name for name in names if not name.startswith(".") or is_leftover(name)]
        verdict.extra += sorted({(relative / name).as_posix() for name in names} - known)
    return verdict


def _rows(folder: Path, verdict: Verdict) -> Iterator[manifest.Row]:
    """Yield the rows of the manifest, and note what is wrong with that of a finished data set."""
    if not verdict.finished:
        yield from manifest.ordered_rows(folder)
        return
    name = manifest.MANIFEST
    if not (folder / name).exists():
        return
    with (folder / name).open("rb") as stream:
        for number, line in enumerate(stream, 1):
            row = manifest.decode(line)
            if row is None:
                verdict.faults.append(f"line {number} of {name} is no row of a manifest")
                continue
            if row["index"] != number - 1:
                verdict.faults.append(
                    f"line {number} of {name} is of sample {row['index']}, not {number - 1}"
                )
            yield row


def _check(verdict: Verdict, name: str, found: str | None, expected: str) -> None:
    if found is None:
        verdict.missing.append(name)
    elif found != expected:
        verdict.changed.append(name)


def _check_row(verdict: Verdict, row: manifest.Row, members: dict[str, str]) -> None:
    """Hold the files of a sample against its row; ``members`` loses those that it names."""
    pairs: dict[str, tuple[str | None, str]] = {}
    for file in _files(row):
        name = file["path"] if "member" not in file else f"{file['path']}!{file['member']}"
        if name in pairs:  # several arrays may share a file
            continue
        if "member" in file:
            found = members.pop(file["member"], None)
        else:
            found = _sha256(verdict.folder, name)
        pairs[name] = found, file["sha256"]
    if not verdict.finished and any(found is None for found, _ in pairs.values()):
        return  # it was being written; it is to be made yet
    verdict.listed += 1
    for name, (found, expected) in pairs.items():
        _check(verdict, name, found, expected)


def _members(folder: Path, archive: str) -> dict[str, str] | None:
    """Return the SHA-256 of the members of an archive, which may be unfinished; None without it."""
    for path in (inside(folder, archive), inside(folder, archive + PART)):
        if path is not None and path.is_file():
            return {member.name: member.sha256 for member in tar_members(path)}
    return None


def _sha256(folder: Path, name: str) -> str | None:
    path = inside(folder, name)
    return sha256_of(path) if path is not None and path.is_file() else None


def _files(row: manifest.Row) -> list[dict[str, str]]:
    return list(row["files"].values())


def _archive(row: manifest.Row) -> str | None:
    """Return the archive that a row's files are in, or None where they are files of their own."""
    return next((file["path"] for file in _files(row) if "member" in file), None)
