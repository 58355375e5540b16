"""Features of images: taken once, kept in the cache, and read from there in blocks.

An entry is a NumPy file, named after all that decides what is in it. As long as it is not complete
it has another name, and grows row by row: what was interrupted goes on after the last whole row.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import queue
import threading
import time
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np

from medigan_hub.errors import HubError, OutputError, PluginError, RequestError, shortened
from medigan_hub.evaluation.extractors import Extractor
from medigan_hub.evaluation.extractors.base import ImageError
from medigan_hub.evaluation.preparation import Preparation
from medigan_hub.evaluation.sources import ImageSet
from medigan_hub.files import cache_folder, write_atomically
from medigan_hub.hashes import sha256_of, sha256_once
from medigan_hub.locks import locked

FOLDER = "evaluation"
FORM = 1
"""Of the entries: another one makes all of them anew."""
AHEAD = 2
"""Batches that are prepared ahead of the extractor."""
MOST_BYTES, MOST_SECONDS = 5 * 2**30, 30 * 86400
"""Beyond so many bytes of features, those go that nobody has read for so long."""

Wanted: TypeAlias = "tuple[Extractor, Preparation]"


@dataclass
class Batch:
    """Images that were read together."""

    prepared: list[list[np.ndarray]]
    """For each entry; none for one that has the features of these."""
    count: int = 0


def of(
    images: ImageSet,
    wanted: Sequence[Wanted],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> list[np.ndarray]:
    """Return features of images, for each extractor and preparation: (N, ...) float32, read-only.

    They lie in the file system, and are read from there when they are looked at. Those that the
    cache lacks are made in one pass over the images. What reading these told is kept beside them:
    a set of images knows it afterwards, whether or not it was read.

    Parameters
    ----------
    progress
        Called with the images described, counted for each extractor and preparation, and all.

    Raises
    ------
    HubError
        An image can't be read, an extractor lacks what it needs or returns what is no number, or
        the cache can't be written.
    """
    asked = [_Entry(images, *each) for each in wanted]
    entries = list({entry.path: entry for entry in asked}.values())
    learned = _Learned(images)
    total = len(entries) * len(images)

    def tell(done: int) -> None:
        if progress is not None:
            progress(done, total)

    with ExitStack() as held:
        for entry in sorted((each for each in entries if not each.is_there), key=lambda e: e.path):
            with _writing():
                held.enter_context(locked(entry.path.with_suffix(".lock")))
        missing = [each for each in entries if not each.is_there]  # others may have made some
        before = (len(entries) - len(missing)) * len(images)
        tell(before)
        if missing or not learned.is_known:
            _sweep([entry.path for entry in entries])
            _extract(images, missing, lambda done: tell(before + done), whole=not learned.is_known)
            learned.keep()
    return [entry.rows() for entry in asked]


class _Learned:
    """What reading a set of images told of them, beside their features."""

    def __init__(self, images: ImageSet) -> None:
        self._images = images
        name = hashlib.sha256(f"{FORM} {images.title} {images.key}".encode()).hexdigest()
        self._path = cache_folder() / FOLDER / f"{name}.json"
        self.is_known = images.learned() is None or self._recalled()

    def _recalled(self) -> bool:
        try:
            found = json.loads(self._path.read_bytes())
            os.utime(self._path)
        except (OSError, ValueError):
            return False
        self._images.recall(found)
        return True

    def keep(self) -> None:
        """Write it down, once all images were read."""
        if not self.is_known:
            with _writing():
                self._path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(self._path, json.dumps(self._images.learned()).encode())


class _Entry:
    """Features of one set by one extractor, prepared in one way: where they are, and how far."""

    def __init__(self, images: ImageSet, extractor: Extractor, preparation: Preparation) -> None:
        self.extractor = extractor
        self.preparation = preparation
        self.shape = (len(images), *extractor.shape)
        told = (
            *(FORM, images.key, preparation.words, extractor.name, extractor.version),
            *(extractor.weights, extractor.size, extractor.channels, self.shape),
        )
        name = hashlib.sha256(json.dumps(told).encode()).hexdigest()
        self.path = cache_folder() / FOLDER / f"{name}.npy"
        self._part = self.path.with_suffix(".part")
        self._sum = self.path.with_suffix(".sha256")
        self._width = 4 * int(np.prod(extractor.shape))
        stream = io.BytesIO()
        head: dict[str, Any] = {"descr": "<f4", "fortran_order": False, "shape": self.shape}
        np.lib.format.write_array_header_1_0(stream, head)
        self._head = stream.getvalue()

    @property
    def is_there(self) -> bool:
        """Whether all features are."""
        try:
            with self.path.open("rb") as stream:
                head = stream.read(len(self._head))
            size = self.path.stat().st_size
        except OSError:
            return False
        is_whole = head == self._head and size == len(head) + self.shape[0] * self._width
        return is_whole and self._is_as_written()

    def _is_as_written(self) -> bool:
        try:
            return self._sum.read_text() == sha256_once(self.path)
        except OSError:
            return False

    def rows(self) -> np.ndarray:
        """Return the features."""
        with suppress(OSError):  # of a cache that can only be read
            os.utime(self.path)
        rows: np.ndarray = np.load(self.path, mmap_mode="r", allow_pickle=False)
        return rows

    @contextmanager
    def going_on(self, step: int) -> Iterator[tuple[BinaryIO, int]]:
        """Open what is there of the features, to be written to at its end; tell how many rows.

        These are a multiple of ``step``, so that images come together as they would have: what
        networks make of one may differ by rounding with the others beside it.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._part.open("a+b") as stream:
            stream.seek(0)
            if stream.read(len(self._head)) != self._head:
                stream.truncate(0)
                stream.write(self._head)
            done = (stream.seek(0, os.SEEK_END) - len(self._head)) // self._width
            done -= done % step
            stream.truncate(len(self._head) + done * self._width)
            yield stream, done
            with _writing():
                os.fsync(stream.fileno())

    def finish(self) -> None:
        """Give the file the name of a complete one."""
        self._sum.write_text(sha256_of(self._part))
        self._part.replace(self.path)


def _extract(
    images: ImageSet, entries: Sequence[_Entry], progress: Callable[[int], None], *, whole: bool
) -> None:
    """Make what is missing of some entries; every image is read for it if ``whole``."""
    for extractor in dict.fromkeys(entry.extractor for entry in entries):
        extractor.open()
    size = min((entry.extractor.batch for entry in entries), default=Extractor.batch)
    with ExitStack() as files:
        with _writing():
            opened = [files.enter_context(entry.going_on(size)) for entry in entries]
        done = [count for _, count in opened]
        progress(sum(done))
        place = 0 if whole else min(done)
        batches = files.enter_context(
            closing(_ahead(_batches(images, entries, tuple(done), place, size)))
        )
        for batch in batches:
            for n, (entry, prepared) in enumerate(zip(entries, batch.prepared, strict=True)):
                if prepared:
                    rows = _features(entry, prepared, images, done[n])
                    with _writing():
                        opened[n][0].write(rows.tobytes())
                        opened[n][0].flush()
                    done[n] += len(rows)
            place += batch.count
            progress(sum(done))
        if place != len(images):
            raise RequestError(
                f"{images.title} gave {place} images instead of {len(images)}; try again"
            )
    with _writing():
        for entry in entries:
            entry.finish()


def _features(
    entry: _Entry, prepared: Sequence[np.ndarray], images: ImageSet, first: int
) -> np.ndarray:
    extractor = entry.extractor
    parts = []
    for start in range(0, len(prepared), extractor.batch):
        part = prepared[start : start + extractor.batch]
        try:
            with _naming(images, first + start, len(part)):
                rows = np.asarray(extractor.features(part))
        except ImageError as error:
            name = images.items[first + start + error.place].name
            raise RequestError(f"{shortened(name)} {error.reason}") from error
        if rows.shape != (len(part), *extractor.shape):
            raise PluginError(
                f"the extractor {extractor.name} returned features of the shape {rows.shape} for "
                f"{len(part)} images, and declares {extractor.shape} for one; tell its authors"
            )
        bad = ~np.isfinite(rows.reshape(len(part), -1)).all(axis=1)
        if bad.any():
            name = images.items[first + start + int(bad.argmax())].name
            raise RequestError(
                f"{extractor.name} makes no numbers of {shortened(name)}; look at that image, or "
                "leave it out"
            )
        parts.append(rows.astype("<f4"))
    return np.concatenate(parts)


def _batches(
    images: ImageSet, entries: Sequence[_Entry], done: Sequence[int], start: int, size: int
) -> Generator[Batch, None, None]:
    """Yield the images from one on, a few at a time, prepared for each entry that lacks them."""
    with closing(images.images(start)) as every:  # type: ignore[type-var]
        for place in range(start, len(images) + size, size):
            batch = Batch([[] for _ in entries])
            for image in islice(every, size):
                for entry, count, prepared in zip(entries, done, batch.prepared, strict=True):
                    if count > place:
                        continue
                    with _naming(images, place + batch.count):
                        prepared.append(entry.preparation(image, entry.extractor))
                batch.count += 1
            if not batch.count:
                return
            yield batch


def _ahead(batches: Generator[Batch, None, None]) -> Generator[Batch, None, None]:
    """Yield what an iterator does, which runs ahead on a thread of its own."""
    waiting: queue.Queue[tuple[Batch | None, BaseException | None]] = queue.Queue(AHEAD)
    over = threading.Event()

    def put(batch: Batch | None, error: BaseException | None = None) -> None:
        while not over.is_set():
            with suppress(queue.Full):
                waiting.put((batch, error), timeout=0.1)
                return

    def run() -> None:
        try:
            with closing(batches) as every:
                for batch in every:
                    put(batch)
                    if over.is_set():
                        return
            put(None)
        except BaseException as error:
            put(None, error)

    thread = threading.Thread(target=run, name="images", daemon=True)
    thread.start()
    try:
        while True:
            batch, error = waiting.get()
            if error is not None:
                raise error
            if batch is None:
                return
            yield batch
    finally:
        over.set()
        thread.join()


@contextmanager
def _naming(images: ImageSet, place: int, count: int = 1) -> Iterator[None]:
    """Say which images an error is about that does not know them."""
    try:
        yield
    except ImageError:
        raise
    except RequestError as error:
        first, last = (shortened(images.items[n].name) for n in (place, place + count - 1))
        which = first if count == 1 else f"{first} to {last}"
        raise RequestError(f"{which}: {error.args[0]}") from error
    except HubError:
        raise
    except Exception as error:  # of an extractor of somebody else's
        first, last = (shortened(images.items[n].name) for n in (place, place + count - 1))
        which = first if count == 1 else f"{first} to {last}"
        raise PluginError(
            f"{which} can't be described: {type(error).__name__}: {shortened(error)}; tell the "
            "extractor's authors"
        ) from error


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"the cache {cache_folder()} can't be written: {error.strerror or error}; make room, "
            "or set MEDIGAN_CACHE to another folder"
        ) from error


def _sweep(needed: Collection[Path]) -> None:
    """Remove features that nobody has read for long, where there are many."""
    with suppress(OSError):
        entries = (cache_folder() / FOLDER).iterdir()
        found = [(each, each.stat()) for each in entries if each.suffix in (".npy", ".part")]
        total = sum(state.st_size for _, state in found)
        for path, state in sorted(found, key=lambda each: each[1].st_mtime):
            if total <= MOST_BYTES or time.time() - state.st_mtime < MOST_SECONDS:
                return
            if path not in needed:
                path.unlink()
                path.with_suffix(".sha256").unlink(missing_ok=True)
                total -= state.st_size
