"""Finishing a data set: its rows put in order, what is there looked at, and all of it sealed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from medigan_hub.dataset import croissant, description, header, labels, manifest
from medigan_hub.dataset.place import GO_ON
from medigan_hub.dataset.verification import archive_of, describing
from medigan_hub.errors import OutputError
from medigan_hub.files import inside, open_inside
from medigan_hub.writers import shards


def finish(folder: Path, document: dict[str, Any], indices: range) -> None:
    """Put the rows in order, describe the data set to tools, and seal it."""
    key = header.digest(document)
    header.write(folder, document)  # without a seal that it may have had before
    lost: list[str] = []
    rows = manifest.ordered_rows(folder, key, (manifest.UNFINISHED,))
    kept = manifest.rewrite(folder, key, _looked_at(folder, rows, lost))
    (folder / manifest.MANIFEST).unlink(missing_ok=True)
    if lost:
        some = f"{lost[0]} is" if len(lost) == 1 else f"{len(lost)} files are"
        raise OutputError(
            f"{some} missing from {folder}, or not of the size that was written"
            + (f", such as {lost[0]}" if len(lost) > 1 else "")
            + f": something else was at work in it; {GO_ON}"
        )
    if kept != [indices]:
        raise OutputError(f"the manifest in {folder} was changed while it was written; {GO_ON}")
    manifest.finish(folder)
    labels.write(folder, document)
    description.write(folder, document)
    croissant.write(folder, document)
    header.seal(folder, document, describing(document))
    (folder / manifest.UNFINISHED).unlink()


def _looked_at(
    folder: Path, rows: Iterator[manifest.Row], lost: list[str]
) -> Iterator[manifest.Row]:
    """Yield the rows of samples that are there as they were stored, and note which files are not.

    That takes no reading: what was written, or kept, had the right content.
    """
    within = cache(lambda parent: inside(folder, parent) is not None)

    def is_there(path: str, size: int | None) -> bool:
        return within(path.rpartition("/")[0]) and _has_size(folder, path, size)

    for archive, group in groupby(rows, key=archive_of):
        total, sized = len(shards.END), True
        for row in group:
            files = {(file["path"], file.get("member")): file for file in row["files"].values()}
            if archive is None:
                gone = [path for (path, _), f in files.items() if not is_there(path, f.get("size"))]
                if gone:
                    lost += gone
                    continue
            sizes = [file["size"] for file in files.values() if "size" in file]
            total += sum(map(shards.space, sizes))
            sized &= len(sizes) == len(files)
            yield row
        if archive is not None and not is_there(archive, total if sized else None):
            lost.append(archive)


def _has_size(folder: Path, path: str, size: int | None) -> bool:
    try:
        found = (folder / path).lstat()
    except OSError:
        return False
    if stat.S_ISLNK(found.st_mode):
        stream = open_inside(folder, path)
        if stream is None:
            return False
        with stream:
            found = os.fstat(stream.fileno())
    return stat.S_ISREG(found.st_mode) and size in (None, found.st_size)
