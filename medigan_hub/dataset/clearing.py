"""Removing a data set that is overwritten, and nothing else."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

from medigan_hub.dataset import header, manifest
from medigan_hub.dataset.verification import archive_of, describing, is_vouched_for, members_of
from medigan_hub.errors import HubWarning, OutputError
from medigan_hub.files import PART, is_leftover, walk
from medigan_hub.hashes import sha256_inside
from medigan_hub.writers.arrangement import CLASSES

MADE = re.compile(r"(?:[a-z][a-z0-9_]*/)?([0-9]{1,18})(?:\.[A-Za-z0-9]+)+")
"""Paths of files with samples: the number of the sample, or of the shard, in a folder or none."""
IN_CLASSES = re.compile(r"(?:[^/\x00-\x1f.~][^/\x00-\x1f]*/){1,3}([0-9]{1,18})(?:\.[A-Za-z0-9]+)+")
"""The same where classes have folders: of the split, of the array, of the class."""


def check_clearable(folder: Path, owner: Mapping[str, Any]) -> None:
    """Make sure that a data set lists no files but such as the hub makes."""
    made = IN_CLASSES if owner.get("layout") == CLASSES else MADE
    for name in (manifest.MANIFEST, manifest.UNFINISHED):
        for row in _rows(folder, name, owner):
            for file in row["files"].values():
                number = made.fullmatch(file["path"])
                if number is None or ("member" not in file and int(number[1]) != row["index"]):
                    raise OutputError(
                        f"{folder} holds a data set that lists {file['path'][:80]!r}, which no "
                        "format of the hub makes; name another folder, or remove that one"
                    )


def _rows(folder: Path, name: str, owner: Mapping[str, Any]) -> Iterator[manifest.Row]:
    """Yield those rows of a data set's manifest that are as they were written."""
    vouched = is_vouched_for(folder, owner)
    return manifest.whole_rows(folder, name, header.digest(owner), vouched=vouched)


def clear(folder: Path, owner: Mapping[str, Any]) -> None:
    """Remove the data set that ``folder`` holds, whose header is ``owner``, and no other files.

    What its manifest lists is removed if it is what was written; it is left,
    with a warning, if somebody changed it.
    """
    changed: list[str] = []
    for name in (manifest.MANIFEST, manifest.UNFINISHED):
        emptied: set[Path] = set()
        # The manifest goes last: if this is interrupted, what is left is still listed.
        for path, whole in _listed_files(folder, _rows(folder, name, owner)):
            place = folder / path
            if whole:
                place.unlink()
                emptied |= {folder / parent for parent in PurePosixPath(path).parents[:-1]}
            elif place.exists():
                changed.append(path)
        for place in sorted(emptied, reverse=True):  # what lies in a folder before the folder
            with suppress(OSError):  # it holds other things as well
                place.rmdir()
        (folder / name).unlink(missing_ok=True)
    for name in set(describing(owner)) - {manifest.MANIFEST}:
        (folder / name).unlink(missing_ok=True)
    if changed:
        warnings.warn(
            f"{len(changed)} files in {folder} are not as the data set that is overwritten says, "
            f"and were left, such as {changed[0]}",
            HubWarning,
            stacklevel=2,
        )


def _listed_files(folder: Path, rows: Iterator[manifest.Row]) -> Iterator[tuple[str, bool]]:
    """Yield the files of a data set, and whether each is there with what was written into it."""
    for archive, group in groupby(rows, key=archive_of):
        if archive is None:
            for row in group:
                for file in row["files"].values():
                    yield file["path"], sha256_inside(folder, file["path"]) == file["sha256"]
            continue
        listed = {
            (file.get("member"), file["sha256"]) for row in group for file in row["files"].values()
        }
        for path in (archive, archive + PART):
            members = members_of(folder, path)
            if members is not None:
                whole = members.is_whole or path != archive
                yield path, whole and members.sums.items() <= listed


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files that a program left behind which was killed."""
    for path, is_folder in list(walk(folder)):
        if not is_folder and is_leftover(PurePosixPath(path).name):
            (folder / path).unlink(missing_ok=True)
