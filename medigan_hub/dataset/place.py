"""The folder that a data set goes into: whose it is, and whether it may be written."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

from medigan_hub.dataset import clearing, description, growing, header, manifest
from medigan_hub.dataset.growing import First, Smaller
from medigan_hub.dataset.verification import DESCRIBING
from medigan_hub.errors import OutputError, named
from medigan_hub.files import can_be_made, check_replaceable
from medigan_hub.samples import GenerationRequest
from medigan_hub.writers import Arrangement

GO_ON = f"go on with {named('resume', True)}"
OWN = (header.HEADER, *DESCRIBING, header.LABELS, manifest.UNFINISHED)
"""Files of a data set beside its samples."""


def check_folder(
    folder: Path,
    request: GenerationRequest,
    arrangement: Arrangement,
    *,
    overwrite: bool,
    resume: bool,
    first: First | None = None,
) -> None:
    """Make sure that a job's data set can be written into ``folder``, without touching it.

    The folder may be new, empty, or hold the finished data set with the very
    same header, whose files come out the same. With ``resume`` that need not
    be finished, and its header may be damaged, or it may be that of the ``first``
    samples alone (see ``growing``); with ``overwrite`` it may be any
    data set of the hub. As long as a request is not ready, what its weights
    decide is taken to be as it is there.

    Raises
    ------
    OutputError
        The folder is a file, can't be written, or holds something else.
    """
    check_place(folder)
    arrangement = as_found(folder, arrangement, overwrite=overwrite)
    wanted = header.header(request, arrangement)
    try:
        if any(images.lie_in(folder) for images in request.inputs.values()):
            raise OutputError(f"the input images lie in {folder}; name another folder")
        if not folder.exists():
            return
        found = header.read(folder)
        if found is not None:
            wanted |= {key: found.document.get(key) for key in _not_known(request)}
        holder = owner(folder, wanted)
        if holder is None:
            if request.is_ready or not _has_rows(folder):
                _check_empty(folder)
            return
        for name in OWN:
            check_replaceable(folder / name)
        if wanted["labels"] and not holder.get("labels") and (folder / header.LABELS).exists():
            raise OutputError(
                f"{folder / header.LABELS} is none of the data set in that folder, and one would "
                "be written there; move it away"
            )
    except (OSError, ValueError) as error:
        raise _unusable(folder, error) from error
    if holder["format"] == header.CACHE:
        raise OutputError(f"{folder} is the cache of a data loader; name another folder")
    if overwrite:
        clearing.check_clearable(folder, holder)
        return
    if holder != wanted:
        found_smaller = smaller(folder, request, arrangement, first or request.first)
        if found_smaller is None:
            raise _another(folder, holder, wanted)
        if not resume:
            raise OutputError(
                f"{folder} holds the first {holder['count']} of these {wanted['count']} samples; "
                f"{GO_ON}, name another folder, or begin again with {named('overwrite', True)}"
            )
        return
    if not (found and found.seal and found.document == wanted) and not resume:
        raise OutputError(
            f"{folder} holds an unfinished data set of this very job; {GO_ON}, "
            f"or begin again with {named('overwrite', True)}"
        )


def smaller(
    folder: Path, request: GenerationRequest, arrangement: Arrangement, first: First
) -> Smaller | None:
    """Return the data set in ``folder`` if it is that of the first samples of a job; else None."""
    found = header.read(folder)
    if found is None:
        return None
    unknown = {key: found.document.get(key) for key in _not_known(request)}
    return growing.find(folder, found.document, request, arrangement, first, unknown)


def as_found(folder: Path, arrangement: Arrangement, *, overwrite: bool) -> Arrangement:
    """Return an arrangement with what nobody asked for as it is in the folder that is gone on with.

    A data set that has grown has the shards that it began with.
    """
    found = None if overwrite else header.read(folder)
    return arrangement if found is None else arrangement.as_in(found.document)


def _another(folder: Path, holder: dict[str, Any], wanted: dict[str, Any]) -> OutputError:
    """Say that a folder holds another data set, and how it differs."""
    if growing.is_larger(holder, wanted):
        return OutputError(
            f"{folder} holds {holder['count']} samples, and {wanted['count']} were asked for: a "
            f"data set grows, and does not shrink; name another folder, or replace it with "
            f"{named('overwrite', True)}"
        )
    # More samples alone would not make another one of it.
    others = {key: value for key, value in wanted.items() if key not in ("count", "indices")}
    held = {key: value for key, value in holder.items() if key not in ("count", "indices")}
    changes = header.differences(held, others) or header.differences(holder, wanted)
    return OutputError(
        f"{folder} holds another data set: {', '.join(changes[:3])}; "
        f"name another folder, or replace it with {named('overwrite', True)}"
    )


def _not_known(request: GenerationRequest) -> list[str]:
    """Return the keys of the header that are known once a request is ready."""
    if request.is_ready:
        return []
    published = not request.inputs and any(entry.files for entry in request.metadata.inputs)
    unknown = {"weights_sha256": request.weights_sha256 is None, "inputs": published}
    return [key for key, is_unknown in unknown.items() if is_unknown]


def owner(folder: Path, wanted: dict[str, Any]) -> dict[str, Any] | None:
    """Return the header of the data set that a folder holds, or None where it holds none.

    Where that is damaged, or lost, the folder still holds the data set with the
    header ``wanted`` if its README or its unfinished manifest was written for it.
    """
    found = header.read(folder)
    if found is not None and found.document == wanted:
        return wanted
    if manifest.is_of(folder, header.digest(wanted)) or description.is_of(folder, wanted):
        return wanted
    return found.document if found is not None else None


def _check_empty(folder: Path) -> None:
    """Make sure that a folder without a data set holds nothing but hidden files."""
    if any(not entry.name.startswith(".") for entry in folder.iterdir()):
        remedy = "name another folder"
        if _has_rows(folder):
            again = f"mend it with the command that made it and {named('resume', True)}"
            remedy = f"{again}, {remedy}, or remove it"
        raise OutputError(
            f"{folder} is not empty, and has no {header.HEADER} of the hub that can be read; "
            f"{remedy}"
        )


def _has_rows(folder: Path) -> bool:
    """Tell whether a folder lists samples, whoever's they are."""
    rows = (manifest.rows(folder, name) for name in (manifest.MANIFEST, manifest.UNFINISHED))
    return next(chain.from_iterable(rows), None) is not None


def check_place(folder: Path) -> None:
    """Make sure that ``folder`` is one that can be written, or that can be made.

    Raises
    ------
    OutputError
        It is a file, or can't be written.
    """
    try:
        _check_place(folder)
    except (OSError, ValueError) as error:
        raise _unusable(folder, error) from error


def _unusable(folder: Path, error: Exception) -> OutputError:
    reason = getattr(error, "strerror", None) or error
    return OutputError(f"{folder} can't be used: {reason}; name another folder")


def _check_place(folder: Path) -> None:
    if "\0" in str(folder):
        raise ValueError("its name holds a null character")
    if folder.is_symlink() and not folder.exists():
        raise OutputError(f"{folder} is a link to what is not there; name another folder")
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file; name a folder for the data set")
    if not can_be_made(folder / "any"):
        raise OutputError(f"{folder} can't be written; name another folder or change its rights")


def identity(folder: Path) -> tuple[int, int] | None:
    """Return what tells a folder from another one that has its name; None where there is none."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def check_there(folder: Path, expected: tuple[int, int] | None) -> None:
    """Make sure that the folder which is being written is still the one that has its name."""
    if expected is not None and identity(folder) != expected:
        raise OutputError(
            f"{folder} was moved, removed or replaced while it was written; put it back where it "
            f"was and {GO_ON}, or begin again"
        )
