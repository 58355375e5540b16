"""A data set on disk: ``dataset.json`` (the header), ``manifest.jsonl`` (one row a
sample) and the files that the rows name.

The header is written first, so that the folder says from the start whose it
is; the manifest grows as ``manifest.jsonl.part`` and takes its name when the
last sample is there.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medigan_hub import provenance
from medigan_hub.errors import OutputError
from medigan_hub.files import write_atomically
from medigan_hub.samples import GenerationRequest, SampleBatch
from medigan_hub.writers import Writer

HEADER = "dataset.json"
MANIFEST = "manifest.jsonl"
UNFINISHED = "manifest.jsonl.part"


@dataclass(frozen=True)
class SavedDataset:
    """What came of a job."""

    model: str
    count: int
    seed: int
    output: Path
    manifest: Path
    seconds: float
    """From asking for the first batch to the finished manifest."""

    @property
    def samples_per_second(self) -> float:
        """Samples made and written per second."""
        return self.count / self.seconds


def header(job: GenerationRequest, writer: type[Writer]) -> dict[str, Any]:
    """Return the header of the data set that a job makes in a format."""
    return {**provenance.header(job), "format": writer.format}


def check_folder(
    folder: Path, job: GenerationRequest, writer: type[Writer], *, overwrite: bool
) -> None:
    """Make sure that a job's data set can be written into ``folder``, without touching it.

    The folder may be new, empty, or hold the data set with the very same
    header, whose files come out the same. With ``overwrite`` it may hold any.

    Raises
    ------
    OutputError
        The folder is a file, can't be written, or holds something else.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file; name a folder for the data set")
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise OutputError(f"{folder} can't be written; name another folder or change its rights")
    if job.inputs is not None and job.inputs.lie_in(folder):
        raise OutputError(f"the input images lie in {folder}; name another folder")
    if not folder.exists() or overwrite:
        return
    found = _read_header(folder)
    if found is None:
        if any(not entry.name.startswith(".") for entry in folder.iterdir()):
            raise OutputError(
                f"{folder} is not empty; name another folder, or add --overwrite (overwrite=True)"
            )
    elif found != header(job, writer):
        raise OutputError(
            f"{folder} holds another data set; "
            "name another folder, or replace it with --overwrite (overwrite=True)"
        )


def write(
    batches: Iterator[SampleBatch],
    job: GenerationRequest,
    folder: Path,
    writer: type[Writer],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> SavedDataset:
    """Write the samples of a job; ``progress`` is called with how many are done, of how many.

    Nothing is written before the first batch is there. Files of another data
    set in the folder are removed; those of the same one are replaced one by one.

    Raises
    ------
    OutputError
        The disk is full, or the folder can't be written. What was finished
        stays, listed in ``manifest.jsonl.part``.
    """
    start = time.perf_counter()
    batch = next(batches, None)
    done = 0
    try:
        expected = header(job, writer)
        if _read_header(folder) != expected:
            _clear(folder)
            _write_json(folder / HEADER, expected)
        target = writer(folder, job)
        with (folder / UNFINISHED).open("w", encoding="utf-8") as manifest:
            while batch is not None:
                for index, arrays in batch:
                    row = _row(index, arrays, job, target)
                    manifest.write(json.dumps(row, ensure_ascii=False) + "\n")
                manifest.flush()
                done += len(batch)
                if progress is not None:
                    progress(done, len(job.indices))
                batch = next(batches, None)
        (folder / UNFINISHED).replace(folder / MANIFEST)
    except OSError as error:
        raise OutputError(
            f"{error.filename or folder} can't be written: {error.strerror}; "
            f"{done} of {len(job.indices)} samples are in {folder}"
        ) from error
    return SavedDataset(
        model=job.metadata.name,
        count=done,
        seed=job.seed,
        output=folder,
        manifest=folder / MANIFEST,
        seconds=time.perf_counter() - start,
    )


def _read_header(folder: Path) -> Any:
    """Return the header of the data set in a folder; None where there is none to be read."""
    try:
        return json.loads((folder / HEADER).read_text("utf-8"))
    except (OSError, ValueError):
        return None


def _row(
    index: int, arrays: dict[str, Any], job: GenerationRequest, writer: Writer
) -> dict[str, Any]:
    kinds = {output.name: output.kind for output in job.metadata.outputs}
    images = {name: array for name, array in arrays.items() if kinds.get(name) != "label"}
    files = writer.write(index, images)
    row: dict[str, Any] = {
        "index": index,
        "files": {name: asdict(file) for name, file in files.items()},
    }
    labels = {name: arrays[name].tolist() for name in arrays if name not in images}
    if labels:
        row["labels"] = labels
    if job.inputs is not None:
        row["input"] = job.inputs.name(index)
    return row


def _clear(folder: Path) -> None:
    """Remove the files of the data set that ``folder`` holds, and no others."""
    for name in (MANIFEST, UNFINISHED):
        try:
            rows = (folder / name).read_text("utf-8").splitlines()
        except OSError:
            continue
        # The manifest goes last: if this is interrupted, what is left is still listed.
        for row in rows:
            for path in _paths(row):
                file = (folder / path).resolve()
                if file.is_relative_to(folder.resolve()):
                    file.unlink(missing_ok=True)
        (folder / name).unlink()


def _paths(row: str) -> list[str]:
    """Return the files of a row; a row that was cut off or edited names none."""
    try:
        return [str(file["path"]) for file in json.loads(row)["files"].values()]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


def _write_json(path: Path, document: dict[str, Any]) -> None:
    write_atomically(path, (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode())
