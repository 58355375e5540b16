"""Writing a data set: generation, encoding and storing side by side, and going on later."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import stat
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain, groupby
from pathlib import Path, PurePosixPath
from types import FrameType
from typing import Any, TypeAlias

import numpy as np

from medigan_hub import provenance, writers
from medigan_hub.dataset import croissant, description, header, manifest
from medigan_hub.dataset.verification import (
    DESCRIBING,
    archive_of,
    is_vouched_for,
    members_of,
)
from medigan_hub.errors import HubError, HubWarning, Interrupted, OutputError, RequestError
from medigan_hub.files import PART, check_replaceable, inside, is_leftover, open_inside, walk
from medigan_hub.hashes import sha256_inside
from medigan_hub.locks import only_one
from medigan_hub.samples import GenerationRequest, SampleBatch
from medigan_hub.writers import EncodedFile, Writer, shards

ENCODERS = 4
"""Threads that encode samples."""
GO_ON = "go on with --resume (resume=True)"
OWN = (header.HEADER, *DESCRIBING, manifest.UNFINISHED)
"""Files of a data set beside its samples."""
MADE = re.compile(r"(?:[a-z][a-z0-9_]*/)?([0-9]{1,18})(?:\.[A-Za-z0-9]+)+")
"""Paths of files with samples: the number of the sample, or of the shard, in a folder or none."""

Produce: TypeAlias = Callable[[GenerationRequest], Iterator[SampleBatch]]


@dataclass(frozen=True)
class SavedDataset:
    """What came of a job."""

    model: str
    count: int
    """Samples in the data set."""
    made: int
    """Samples that this run made; fewer than ``count`` where it went on with an earlier one."""
    seed: int
    output: Path
    manifest: Path
    seconds: float
    """From asking for the first batch, once the network is loaded, to the finished data set."""

    @property
    def samples_per_second(self) -> float:
        """Samples made and written per second."""
        return self.made / self.seconds


def check_folder(
    folder: Path, request: GenerationRequest, writer: type[Writer], *, overwrite: bool, resume: bool
) -> None:
    """Make sure that a job's data set can be written into ``folder``, without touching it.

    The folder may be new, empty, or hold the finished data set with the very
    same header, whose files come out the same. With ``resume`` that need not
    be finished, and its header may be damaged; with ``overwrite`` it may be any
    data set of the hub.

    Raises
    ------
    OutputError
        The folder is a file, can't be written, or holds something else.
    """
    wanted = header.header(request, writer.format)
    try:
        _check_place(folder)
        if any(images.lie_in(folder) for images in request.inputs.values()):
            raise OutputError(f"the input images lie in {folder}; name another folder")
        if not folder.exists():
            return
        found = header.read(folder)
        owner = _owner(folder, wanted)
        if owner is None:
            _check_empty(folder)
            return
        for name in OWN:
            check_replaceable(folder / name)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"{folder} can't be used: {reason}; name another folder") from error
    if owner["format"] == header.CACHE:
        raise OutputError(f"{folder} is the cache of a data loader; name another folder")
    if overwrite:
        _check_clearable(folder, owner)
        return
    if owner != wanted:
        changes = header.differences(owner, wanted)
        raise OutputError(
            f"{folder} holds another data set: {', '.join(changes[:3])}; "
            "name another folder, or replace it with --overwrite (overwrite=True)"
        )
    if not (found and found.seal and found.document == wanted) and not resume:
        raise OutputError(
            f"{folder} holds an unfinished data set of this very job; {GO_ON}, "
            "or begin again with --overwrite (overwrite=True)"
        )


def _owner(folder: Path, wanted: dict[str, Any]) -> dict[str, Any] | None:
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
        rows = (manifest.rows(folder, name) for name in (manifest.MANIFEST, manifest.UNFINISHED))
        remedy = "name another folder"
        if next(chain.from_iterable(rows), None) is not None:
            remedy = f"mend it with the command that made it and --resume, {remedy}, or remove it"
        raise OutputError(
            f"{folder} is not empty, and has no {header.HEADER} of the hub that can be read; "
            f"{remedy}"
        )


def _check_clearable(folder: Path, owner: Mapping[str, Any]) -> None:
    """Make sure that a data set lists no files but such as the hub makes."""
    for name in (manifest.MANIFEST, manifest.UNFINISHED):
        for row in _rows(folder, name, owner):
            for file in row["files"].values():
                number = MADE.fullmatch(file["path"])
                if number is None or ("member" not in file and int(number[1]) != row["index"]):
                    raise OutputError(
                        f"{folder} holds a data set that lists {file['path'][:80]!r}, which no "
                        "format of the hub makes; name another folder, or remove that one"
                    )


def _rows(folder: Path, name: str, owner: Mapping[str, Any]) -> Iterator[manifest.Row]:
    """Yield those rows of a data set's manifest that are as they were written."""
    vouched = is_vouched_for(folder, owner)
    return manifest.whole_rows(folder, name, header.digest(owner), vouched=vouched)


def _check_place(folder: Path) -> None:
    """Make sure that ``folder`` is one that can be written, or that can be made."""
    if "\0" in str(folder):
        raise ValueError("its name holds a null character")
    if folder.is_symlink() and not folder.exists():
        raise OutputError(f"{folder} is a link to what is not there; name another folder")
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file; name a folder for the data set")
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise OutputError(f"{folder} can't be written; name another folder or change its rights")


def write(
    produce: Produce,
    request: GenerationRequest,
    folder: Path,
    writer_type: type[Writer],
    *,
    overwrite: bool = False,
    resume: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> SavedDataset:
    """Write the samples of a job, as ``produce`` makes them, into a folder.

    One batch is made while the one before it is encoded and stored, so that
    the slower of the two sets the pace and two batches are in memory.
    Nothing is written before the first batch is there, and then the folder is
    checked once more (see ``check_folder``), since making it takes its time.
    Files of another data set are removed; those of the same one are replaced
    one by one, or, with ``resume``, kept where they are whole.

    An interrupt (Ctrl-C, or SIGTERM as clusters send it) takes effect after the
    batch in hand; a second one at once.

    Parameters
    ----------
    progress
        Called with the samples done and the samples in all: at the start, and
        after each batch.

    Raises
    ------
    OutputError
        The folder is not one for this job; or the disk is full, or the folder
        can't be written, and what was finished stays.
    Interrupted
        The job was interrupted. What was finished stays.
    """
    count = len(request.indices)
    writer = writer_type(folder, request)
    document = header.header(request, writer_type.format)
    start = time.perf_counter()
    done: int | None = None  # until it is known
    recorder = None
    identity: tuple[int, int] | None = None  # of the folder, once it is ours

    def check_alone(held: ExitStack) -> tuple[bool, bool]:
        """Keep others out, and say whether the folder holds this data set, and if so finished."""
        nonlocal identity
        held.enter_context(only_one(folder))
        check_folder(folder, request, writer_type, overwrite=overwrite, resume=resume)
        identity = _identity(folder)
        _remove_leftovers(folder)
        found = header.read(folder)
        same = found is not None and found.document == document
        return same, same and found is not None and bool(found.seal)

    def produce_timed(part: GenerationRequest) -> Iterator[SampleBatch]:
        nonlocal start
        batches = produce(part)  # loads the network, the first time
        if recorder is None:
            start = time.perf_counter()
        return batches

    try:
        with ExitStack() as held:
            missing = [range(count)]
            going_on = resume and _owner(folder, document) == document
            if going_on:
                check_alone(held)
                missing = _missing(_recover(folder, document, writer, count), count)
            done = count - sum(map(len, missing))
            _tell(progress, done, count)
            interrupted = held.enter_context(_patience())
            for batch in _batches(produce_timed, request, missing):
                if recorder is None:
                    writers.check_inputs(writer_type, request, batch)
                    if not going_on:
                        same, finished = check_alone(held)
                        if same and resume:
                            raise OutputError(
                                f"another process has begun this job in {folder} meanwhile; {GO_ON}"
                            )
                        if not (same and finished):
                            _clear(folder, document)
                            header.write(folder, document)
                            description.write(folder, document)
                    recorder = _Recorder(folder, request, writer, fresh=not going_on)
                    held.callback(recorder.close)
                _check_there(folder, identity)
                stored = recorder.put(batch, missing)
                if stored:
                    _tell(progress, done + stored, count)
                if interrupted.is_set():
                    break
            made = recorder.close() if recorder is not None else 0
            if done + made < count:
                raise Interrupted(
                    f"interrupted; {done + made} of {count} samples are in {folder}, {GO_ON}"
                )
            _tell(progress, count, count)
            _check_there(folder, identity)
            _finish(folder, document, count)
    except OSError as error:
        _check_there(folder, identity)
        words = [
            f"{error.filename2 or error.filename or folder} can't be written: "
            f"{error.strerror or error}"
        ]
        if done is not None:
            stored = recorder.stored if recorder is not None else 0
            words.append(f"{done + stored} of {count} samples are in {folder}")
        found = header.read(folder)
        ours = found is None or found.document == document
        words.append(GO_ON if ours else "say --overwrite (overwrite=True) again")
        raise OutputError("; ".join(words)) from error
    return SavedDataset(
        model=request.metadata.name,
        count=count,
        made=made,
        seed=request.seed,
        output=folder,
        manifest=folder / manifest.MANIFEST,
        seconds=time.perf_counter() - start,
    )


def _identity(folder: Path) -> tuple[int, int] | None:
    """Return what tells a folder from another one that has its name; None where there is none."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _check_there(folder: Path, identity: tuple[int, int] | None) -> None:
    """Make sure that the folder which is being written is still the one that has its name."""
    if identity is not None and _identity(folder) != identity:
        raise OutputError(
            f"{folder} was moved, removed or replaced while it was written; put it back where it "
            f"was and {GO_ON}, or begin again"
        )


def _tell(progress: Callable[[int, int], None] | None, done: int, count: int) -> None:
    if progress is not None:
        try:
            progress(done, count)
        except OSError as error:  # not one of the data set's
            raise RequestError(f"the progress of the job can't be told: {error}") from error


class _Recorder:
    """Encodes and stores the samples of one batch while the next one is made."""

    def __init__(
        self, folder: Path, request: GenerationRequest, writer: Writer, *, fresh: bool
    ) -> None:
        self.stored = 0
        """Samples that are in the folder."""
        self._request = request
        self._writer = writer
        self._labels = {entry.name for entry in request.metadata.outputs if entry.kind == "label"}
        self._encoders = ThreadPoolExecutor(ENCODERS, "encode")
        self._storer = ThreadPoolExecutor(1, "store")
        self._pending: list[Future[None]] = []
        self._failed = False
        self._key = header.digest(header.header(request, writer.format))
        path = folder / manifest.UNFINISHED
        if fresh:
            path.unlink(missing_ok=True)  # whatever it is, it is not written through
        self._manifest = path.open("xb" if fresh else "ab")

    def put(self, batch: SampleBatch, wanted: Sequence[range]) -> int:
        """Take a batch, of which some samples are wanted; return how many are stored by now."""
        self._wait()
        stored = self.stored
        for index, arrays in batch:
            if any(index in part for part in wanted):
                # Copied, in case the plugin fills the same arrays again for its next batch.
                own = {name: np.array(array) for name, array in arrays.items()}
                encoded = self._encoders.submit(self._encode, index, own)
                self._pending.append(self._storer.submit(self._store, index, encoded))
        return stored

    def close(self) -> int:
        """Finish what is under way; return how many samples were stored."""
        try:
            self._wait()
        finally:
            self._encoders.shutdown()
            self._storer.shutdown()
            self._writer.close()
            self._manifest.close()
        return self.stored

    def _wait(self) -> None:
        pending, self._pending = self._pending, []
        for future in pending:
            future.result()

    def _encode(
        self, index: int, arrays: Mapping[str, np.ndarray]
    ) -> tuple[bytes, list[EncodedFile]]:
        labels = {name: arrays[name].tolist() for name in arrays if name in self._labels}
        images = {name: arrays[name] for name in arrays if name not in self._labels}
        facts = provenance.facts(self._request, index, labels)
        try:
            encoded = self._writer.encode(index, images, facts)
        except HubError:
            raise
        except Exception as error:
            reason = str(error).strip().split("\n")[0]
            raise OutputError(
                f"sample {index} can't be written as {self._writer.format}: "
                f"{type(error).__name__}: {reason}; use another format"
            ) from error
        unique = {(file.path, file.member): file for file in encoded.values()}
        entries = {key: _entry(file) for key, file in unique.items()}
        files = {name: entries[file.path, file.member] for name, file in encoded.items()}
        row = {"index": index, "files": files, **facts}
        return manifest.encode(row, self._key), list(unique.values())

    def _store(self, index: int, encoded: Future[tuple[bytes, list[EncodedFile]]]) -> None:
        if self._failed:
            return
        try:
            row, files = encoded.result()
            self._manifest.write(row)
            self._manifest.flush()
            self._writer.store(index, files)
            self.stored += 1
        except BaseException:
            self._failed = True
            raise


def _entry(file: EncodedFile) -> dict[str, Any]:
    """Return what a row says of a file."""
    digest = hashlib.sha256(file.content).hexdigest()
    entry = {"path": file.path, "sha256": digest, "size": len(file.content)}
    return entry if file.member is None else {**entry, "member": file.member}


@contextmanager
def _patience() -> Iterator[threading.Event]:
    """Let the first interrupt within the block set the event that this yields, a second one raise.

    Where a signal is handled otherwise, or by another thread, that stays as it is.
    """
    asked = threading.Event()
    ours: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
        ours = {n: usual[n] for n in usual if signal.getsignal(n) is usual[n]}

    def restore() -> None:
        for number, handler in ours.items():
            signal.signal(number, handler)

    def handle(number: int, frame: FrameType | None) -> None:
        restore()
        asked.set()
        with warnings.catch_warnings(), suppress(OSError):
            warnings.simplefilter("always", HubWarning)  # an error here would be the plugin's
            warnings.warn(
                "stopping after the batch in hand; interrupt again to stop at once",
                HubWarning,
                stacklevel=2,
            )

    for number in ours:
        signal.signal(number, handle)
    try:
        yield asked
    finally:
        restore()


def _recover(folder: Path, document: dict[str, Any], writer: Writer, count: int) -> list[range]:
    """Keep what is whole of an earlier run; return which samples those are."""
    key = header.digest(document)
    vouched = is_vouched_for(folder, document)
    header.write(folder, document)  # without the seal: it is not finished any more
    rows = manifest.ordered_rows(folder, key, vouched=vouched)
    wanted = (row for row in rows if row["index"] < count)
    return manifest.rewrite(folder, key, writer.keep(wanted))


def _missing(kept: Sequence[range], count: int) -> list[range]:
    """Return the samples that are not kept."""
    starts = [0, *(part.stop for part in kept)]
    stops = [*(part.start for part in kept), count]
    return [range(*ends) for ends in zip(starts, stops, strict=True) if ends[0] < ends[1]]


def _batches(
    produce: Produce, request: GenerationRequest, missing: Sequence[range]
) -> Iterator[SampleBatch]:
    """Make the batches that hold missing samples."""
    for run in _runs(missing, request.batch_size, len(request.indices)):
        yield from produce(replace(request, indices=run))


def _runs(missing: Sequence[range], batch_size: int, count: int) -> Iterator[range]:
    """Yield what is to be made for the missing samples: whole batches, cut as in the whole job.

    In a batch of another shape, pixels may be rounded otherwise.

    >>> list(_runs([range(3, 5), range(20, 22)], 4, 22))
    [range(0, 8), range(20, 22)]
    """
    run = range(0)
    for part in missing:
        start = part.start // batch_size * batch_size
        stop = min(-(-part.stop // batch_size) * batch_size, count)
        if run and start <= run.stop:
            run = range(run.start, stop)
            continue
        if run:
            yield run
        run = range(start, stop)
    if run:
        yield run


def _finish(folder: Path, document: dict[str, Any], count: int) -> None:
    """Put the rows in order, describe the data set to tools, and seal it."""
    key = header.digest(document)
    header.write(folder, document)  # without a seal that it may have had before
    lost: list[str] = []
    rows = manifest.ordered_rows(folder, key, (manifest.UNFINISHED,))
    kept = manifest.rewrite(folder, key, _looked_at(folder, rows, lost))
    if lost:
        some = f"{lost[0]} is" if len(lost) == 1 else f"{len(lost)} files are"
        raise OutputError(
            f"{some} missing from {folder}, or not of the size that was written"
            + (f", such as {lost[0]}" if len(lost) > 1 else "")
            + f": something else was at work in it; {GO_ON}"
        )
    if kept != [range(count)]:
        raise OutputError(f"the manifest in {folder} was changed while it was written; {GO_ON}")
    manifest.finish(folder)
    description.write(folder, document)
    croissant.write(folder, document)
    header.seal(folder, document, DESCRIBING)
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


def _clear(folder: Path, wanted: dict[str, Any]) -> None:
    """Remove the data set that ``folder`` holds, and no other files.

    What its manifest lists is removed if it is what was written; it is left,
    with a warning, if somebody changed it.
    """
    owner = _owner(folder, wanted)
    if owner is None:
        return
    changed: list[str] = []
    for name in (manifest.MANIFEST, manifest.UNFINISHED):
        emptied = set()
        # The manifest goes last: if this is interrupted, what is left is still listed.
        for path, whole in _listed_files(folder, _rows(folder, name, owner)):
            place = folder / path
            if whole:
                place.unlink()
                emptied.add(place.parent)
            elif place.exists():
                changed.append(path)
        for place in emptied - {folder}:
            with suppress(OSError):  # it holds other things as well
                place.rmdir()
        (folder / name).unlink(missing_ok=True)
    for name in (description.README, croissant.CROISSANT):
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


def _remove_leftovers(folder: Path) -> None:
    """Remove temporary files that a program left behind which was killed."""
    for path, is_folder in list(walk(folder)):
        if not is_folder and is_leftover(PurePosixPath(path).name):
            (folder / path).unlink(missing_ok=True)
