"""Holding a data set against its manifest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby, islice, takewhile
from pathlib import Path
from typing import Any

from medigan_hub.dataset import croissant, description, header, manifest
from medigan_hub.errors import OutputError, named
from medigan_hub.files import PART, is_leftover, open_inside, walk
from medigan_hub.hashes import sha256_inside
from medigan_hub.writers import shards

DESCRIBING = (manifest.MANIFEST, description.README, croissant.CROISSANT)
"""Files beside the header that say what every data set is."""
MAX_KEPT = 100_000
"""Faults of a kind that are kept in memory, and members of a shard."""


def describing(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the files beside the header that say what the data set with this header is."""
    has_labels = document.get("labels") == header.LABELS
    return (*DESCRIBING, header.LABELS) if has_labels else DESCRIBING


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

    def is_full(self) -> bool:
        """Tell whether more is wrong than is worth to be told."""
        return (
            max(len(self.missing), len(self.changed), len(self.extra), len(self.faults)) > MAX_KEPT
        )

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
    count = found and found.document.get("count")
    if found is None or type(count) is not int or not 0 <= count < 2**63:
        raise OutputError(
            f"{folder} holds no data set: it has no {header.HEADER} that can be read; name another "
            f"folder, or mend it with the command that made it and {named('resume', True)}"
        )
    verdict = Verdict(folder, count, finished=bool(found.seal))
    beside = describing(found.document)
    known = {header.HEADER, *beside}
    if not found.is_as_written or (
        found.seal.get(header.HEADER) not in (None, header.digest(found.document))
    ):
        verdict.changed.append(header.HEADER)
    if verdict.finished:
        for name in beside:
            if name in found.seal:
                _check(verdict, name, sha256_inside(folder, name), found.seal[name])
        if set(found.seal) != known:
            verdict.faults.append(f"the seal in {header.HEADER} is not whole")
    else:
        known.add(manifest.UNFINISHED)
    some = takewhile(lambda _: not verdict.is_full(), _rows(verdict, found))
    for archive, rows in groupby(some, key=archive_of):
        if archive is not None:
            _check_archive(verdict, archive, rows, known)
            continue
        for row in rows:
            _check_row(verdict, row, known)
    if verdict.is_full():
        verdict.faults.append(
            f"more than {MAX_KEPT} files are wrong; the others were not looked at"
        )
        return verdict
    if verdict.finished and verdict.listed != verdict.count:
        verdict.faults.append(
            f"{manifest.MANIFEST} lists {verdict.listed} of {verdict.count} samples"
        )
    if manifest.MANIFEST in verdict.missing:  # then nothing tells what is extra
        return verdict
    # A link to a folder is no part of a data set, and is not followed.
    found_extra = (path for path, is_folder in walk(folder) if not is_folder and path not in known)
    # Hidden files in the folder itself are none of its business.
    extra = (
        path for path in found_extra if "/" in path or not path.startswith(".") or is_leftover(path)
    )
    verdict.extra += sorted(islice(extra, MAX_KEPT), key=lambda path: (path.count("/"), path))
    return verdict


def _rows(verdict: Verdict, found: header.Header) -> Iterator[manifest.Row]:
    """Yield the rows of the manifest, and note what is wrong with that of a finished data set."""
    folder, key = verdict.folder, header.digest(found.document)
    if not verdict.finished:
        vouched = is_vouched_for(folder, found.document)
        yield from manifest.ordered_rows(folder, key, vouched=vouched)
        return
    name = manifest.MANIFEST
    stream = open_inside(folder, name)
    if stream is None:
        return
    with stream:
        first = header.first_index(found.document)
        for number, (_, line) in enumerate(manifest.lines(stream), 1):
            row = manifest.decode(line)
            if row is None:
                verdict.faults.append(f"line {number} of {name} is no row of a manifest")
            elif row["index"] != first + number - 1:
                verdict.faults.append(
                    f"line {number} of {name} is of sample {row['index']}, not {first + number - 1}"
                )
            if row is not None:
                yield row


def is_vouched_for(folder: Path, document: Mapping[str, Any]) -> bool:
    """Tell whether the manifest is what it was when the data set with this header was finished.

    The seal says so; where that is damaged, the other descriptions do.
    """
    found = header.read(folder)
    expected = found.seal.get(manifest.MANIFEST) if found and found.document == document else None
    if expected is not None and sha256_inside(folder, manifest.MANIFEST) == expected:
        return True
    try:
        return description.is_of(folder, document) and croissant.is_of(folder, document)
    except (LookupError, TypeError, ValueError, AttributeError):
        return False  # a header that can't be described: no data set was finished with it


def _check(verdict: Verdict, name: str, found: str | None, expected: str) -> None:
    if found is None:
        verdict.missing.append(name)
    elif found != expected:
        verdict.changed.append(name)


def _check_row(verdict: Verdict, row: manifest.Row, known: set[str]) -> None:
    """Hold the files of a sample against its row, and note that they are known."""
    files = {file["path"]: file for file in row["files"].values()}  # arrays may share one
    twice = sorted(known.intersection(files))
    if twice:
        verdict.faults.append(f"{twice[0]} is listed more than once")
        return
    known.update(files)
    sums = {path: sha256_inside(verdict.folder, path) for path in files}
    if not verdict.finished and None in sums.values():
        return  # it was being written; it is to be made yet
    verdict.listed += 1
    for path, file in files.items():
        _check(verdict, path, sums[path], file["sha256"])


def _check_archive(
    verdict: Verdict, archive: str, rows: Iterable[manifest.Row], known: set[str]
) -> None:
    """Hold an archive against the rows of its members, and note that it is known."""
    if archive in known:
        verdict.faults.append(f"{archive} is listed more than once")
        return
    members = members_of(verdict.folder, archive) or members_of(verdict.folder, archive + PART)
    if members is None:
        if verdict.finished:
            verdict.missing.append(archive)
            verdict.listed += sum(1 for _ in rows)
        return
    known.add(archive)
    if not verdict.finished:
        known.add(archive + PART)
    elif not members.is_whole:
        verdict.changed.append(archive)
    left = members.sums
    for row in rows:
        files = {file.get("member", ""): file for file in row["files"].values()}
        sums = {member: left.pop(member, None) for member in files}
        if not verdict.finished and None in sums.values():
            continue
        verdict.listed += 1
        for member, file in files.items():
            _check(verdict, f"{archive}!{member}", sums[member], file["sha256"])
    verdict.extra += [f"{archive}!{member}" for member in left]


@dataclass
class Members:
    """What is in an archive."""

    sums: dict[str, str]
    """SHA-256 by name."""
    is_whole: bool
    """Whether it ends as it should after the last of them."""


def members_of(folder: Path, archive: str) -> Members | None:
    """Return what is in an archive; None where there is none."""
    stream = open_inside(folder, archive)
    if stream is None:
        return None
    with stream:
        sums, end = {}, 0
        for member in islice(shards.members(stream), MAX_KEPT):
            sums[member.name], end = member.sha256, member.end
        return Members(sums, shards.ends(stream, end))


def archive_of(row: manifest.Row) -> str | None:
    """Return the archive that a row's files are in, or None where they are files of their own."""
    return next((file["path"] for file in row["files"].values() if "member" in file), None)
