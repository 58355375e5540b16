"""Writing a data set: the way from the first batch to the seal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from medigan_hub import writers
from medigan_hub.dataset import clearing, description, header, manifest, place, resuming
from medigan_hub.dataset.finishing import finish
from medigan_hub.dataset.growing import First, Smaller
from medigan_hub.dataset.interrupts import BetweenSteps, patience, stopping
from medigan_hub.dataset.place import GO_ON
from medigan_hub.dataset.recorder import Recorder
from medigan_hub.dataset.resuming import Produce
from medigan_hub.errors import Interrupted, OutputError, RequestError, named
from medigan_hub.locks import only_one
from medigan_hub.samples import GenerationRequest, SampleBatch
from medigan_hub.writers import Arrangement


@dataclass(frozen=True)
class SavedDataset:
    """What came of a job."""

    model: str
    count: int
    """Samples in the data set."""
    made: int
    """Samples that this run made; fewer than ``count`` where it went on with an earlier one."""
    seed: int
    runtime: str
    """What ran the model."""
    batch_size: int
    output: Path
    manifest: Path
    header: Mapping[str, Any]
    """What ``dataset.json`` says of it, without the seal."""
    seconds: float
    """From asking for the first batch, once the network is loaded, to the finished data set."""

    @property
    def samples_per_second(self) -> float:
        """Samples made and written per second."""
        return self.made / self.seconds


def write(
    produce: Produce,
    request: GenerationRequest,
    folder: Path,
    arrangement: Arrangement,
    *,
    overwrite: bool = False,
    resume: bool = False,
    progress: Callable[[int, int], None] | None = None,
    first: First | None = None,
) -> SavedDataset:
    """Write the samples of a job, as ``produce`` makes them, into a folder.

    One batch is made while the one before it is encoded and stored, so that
    the slower of the two sets the pace and two batches are in memory.
    Nothing is written before the first batch is there, and then the folder is
    checked once more (see ``check_folder``), since making it takes its time.
    Files of another data set are removed; those of the same one are replaced
    one by one, or, with ``resume``, kept where they are whole; with ``resume``, a data
    set of the first samples alone becomes this one (see ``growing``).

    An interrupt (Ctrl-C, or SIGTERM as clusters send it) takes effect after the
    batch in hand or, where that takes many steps, after the step in hand; a second
    one at once.

    Parameters
    ----------
    progress
        Called with the samples done and the samples in all: at the start, and
        after each batch.
    first
        Returns the request of the first samples alone; by default ``request.first``.

    Raises
    ------
    OutputError
        The folder is not one for this job; or the disk is full, or the folder
        can't be written, and what was finished stays.
    Interrupted
        The job was interrupted. What was finished stays.
    """
    arrangement = place.as_found(folder, arrangement, overwrite=overwrite)
    first = cache(first or request.first)  # it may read images
    way = _Way(produce, request, folder, arrangement, overwrite, resume, progress, first)
    try:
        made = way.go()
    except OSError as error:
        raise way.broken_off(error) from error
    except OutputError:
        place.check_there(folder, way.identity)  # which is told rather than what came of it
        raise
    return SavedDataset(
        model=request.metadata.name,
        count=way.count,
        made=made,
        seed=request.seed,
        runtime=request.execution.runtime,
        batch_size=request.execution.batch_size,
        output=folder,
        manifest=folder / manifest.MANIFEST,
        header=way.document,
        seconds=time.perf_counter() - way.begun,
    )


@dataclass
class _Way:
    """The way of one job's samples into their folder."""

    produce: Produce
    request: GenerationRequest
    folder: Path
    arrangement: Arrangement
    overwrite: bool
    resume: bool
    progress: Callable[[int, int], None] | None
    first: First
    smaller: Smaller | None = None
    """The data set that this one grows out of, as long as it is not this one."""
    begun: float = field(default_factory=time.perf_counter)
    done: int | None = None
    """Samples that an earlier run has made, once that is known."""
    recorder: Recorder | None = None
    """From the first batch on."""
    identity: tuple[int, int] | None = None
    """Of the folder, once it is ours."""

    def __post_init__(self) -> None:
        self.indices = range(self.request.indices[0], self.request.indices[-1] + 1)
        self.count = len(self.indices)
        self.writer = self.arrangement.open(self.folder, self.request)
        self.document = header.header(self.request, self.arrangement)

    def go(self) -> int:
        """Make, store and seal what is missing; return how many samples that is."""
        with ExitStack() as held:
            going_on = self.resume and self._is_ours()
            missing = self._recovered(held) if going_on else self._not_there()
            self.done = self.count - sum(map(len, missing))
            self._tell(self.done)
            interrupted = held.enter_context(patience())
            request = replace(self.request, on_step=stopping(interrupted, self.request.on_step))
            batches = resuming.batches(self._produced, request, missing)
            while not interrupted.is_set():
                with suppress(BetweenSteps):
                    batch = next(batches, None)
                    if batch is None:
                        break
                    if self.smaller is not None:
                        found = self._grown(batch, held)
                        going_on = True
                        if found != missing:  # less of it is whole than its manifest lists
                            missing = found
                            self.done = self.count - sum(map(len, missing))
                            batches = resuming.batches(self._produced, request, missing)
                            continue
                    recorder = self.recorder or self._begin(batch, held, going_on=going_on)
                    place.check_there(self.folder, self.identity)
                    stored = recorder.put(batch, missing)
                    if stored:
                        self._tell(self.done + stored)
            made = self.recorder.close() if self.recorder else 0
            if self.done + made < self.count:
                raise Interrupted(f"interrupted; {self._kept(self.done + made)}, {GO_ON}")
            self._tell(self.count)
            place.check_there(self.folder, self.identity)
            finish(self.folder, self.document, self.indices)
        return made

    def broken_off(self, error: OSError) -> OutputError:
        """Say what a folder that can't be written means for the samples in it."""
        place.check_there(self.folder, self.identity)
        words = [
            f"{error.filename2 or error.filename or self.folder} can't be written: "
            f"{error.strerror or error}"
        ]
        if self.done is not None:
            words.append(self._kept(self.done + (self.recorder.stored if self.recorder else 0)))
        found = header.read(self.folder)
        kept = (self.document, self.smaller and self.smaller.document)
        ours = found is None or found.document in kept
        words.append(GO_ON if ours else f"say {named('overwrite', True)} again")
        return OutputError("; ".join(words))

    def _kept(self, done: int) -> str:
        if self.smaller is not None:
            return f"what was in {self.folder} is as it was"
        return f"{done} of {self.count} samples are in {self.folder}"

    def _is_ours(self) -> bool:
        return place.owner(self.folder, self.document) == self.document

    def _recovered(self, held: ExitStack) -> list[range]:
        """Take the folder with what an earlier run left in it; return the samples to be made."""
        self._take(held)
        kept = resuming.recover(self.folder, self.document, self.writer, self.indices)
        return resuming.missing_of(kept, self.indices)

    def _not_there(self) -> list[range]:
        """Return the samples to be made: all, or those that a smaller data set has not."""
        if self.resume:
            self.smaller = place.smaller(self.folder, self.request, self.arrangement, self.first)
        kept = [] if self.smaller is None else self.smaller.kept()
        return resuming.missing_of(kept, self.indices)

    def _grown(self, batch: SampleBatch, held: ExitStack) -> list[range]:
        """Make the smaller data set this one, unfinished; return the samples to be made."""
        writers.check_inputs(self.arrangement.writer, self.request, batch)
        self._take(held)
        found = place.smaller(self.folder, self.request, self.arrangement, self.first)
        if self.smaller is None or found != self.smaller:
            raise OutputError(f"{self.folder} was changed by another process meanwhile; {GO_ON}")
        kept = self.smaller.take_over(self.document, self.writer)
        self.smaller = None
        return resuming.missing_of(kept, self.indices)

    def _produced(self, part: GenerationRequest) -> Iterator[SampleBatch]:
        batches = self.produce(part)  # loads the network, the first time
        if self.recorder is None:
            self.begun = time.perf_counter()
        return batches

    def _begin(self, batch: SampleBatch, held: ExitStack, *, going_on: bool) -> Recorder:
        """Make the folder ready for the first batch, as far as it is not yet."""
        writers.check_inputs(type(self.writer), self.request, batch)
        if not going_on:
            self._take(held)
            self._empty()
        self.recorder = Recorder(
            self.folder, self.request, self.arrangement, self.writer, fresh=not going_on
        )
        held.callback(self.recorder.close)
        return self.recorder

    def _take(self, held: ExitStack) -> None:
        """Keep others out of the folder, and look at it once more."""
        held.enter_context(only_one(self.folder))
        place.check_folder(
            self.folder,
            self.request,
            self.arrangement,
            overwrite=self.overwrite,
            resume=self.resume,
            first=self.first,
        )
        self.identity = place.identity(self.folder)
        clearing.remove_leftovers(self.folder)

    def _empty(self) -> None:
        """Remove another data set, or an unfinished one, and say whose the folder is now.

        The finished one of the same job stays: its files are replaced one by one.
        """
        found = header.read(self.folder)
        same = found is not None and found.document == self.document
        if same and self.resume:
            raise OutputError(
                f"another process has begun this job in {self.folder} meanwhile; {GO_ON}"
            )
        if found is not None and same and found.seal:
            return
        owner = place.owner(self.folder, self.document)
        if owner is not None:
            clearing.clear(self.folder, owner)
        header.write(self.folder, self.document)
        description.write(self.folder, self.document)

    def _tell(self, done: int) -> None:
        if self.progress is not None:
            try:
                self.progress(done, self.count)
            except OSError as error:  # not one of the data set's
                raise RequestError(f"the progress of the job can't be told: {error}") from error
