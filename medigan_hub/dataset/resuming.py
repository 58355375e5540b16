"""Going on with a data set: what of it is whole, and which batches make the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from medigan_hub.dataset import header, manifest
from medigan_hub.dataset.verification import is_vouched_for
from medigan_hub.samples import GenerationRequest, SampleBatch
from medigan_hub.writers import Writer

Produce: TypeAlias = Callable[[GenerationRequest], Iterator[SampleBatch]]
"""Makes the batches of a request."""


def recover(
    folder: Path, document: dict[str, Any], writer: Writer, indices: Sequence[int]
) -> list[range]:
    """Keep what is whole of an earlier run; return which samples those are."""
    key = header.digest(document)
    vouched = is_vouched_for(folder, document)
    header.write(folder, document)  # without the seal: it is not finished any more
    rows = manifest.ordered_rows(folder, key, vouched=vouched)
    wanted = (row for row in rows if row["index"] in indices)
    kept = manifest.rewrite(folder, key, writer.keep(wanted))
    (folder / manifest.MANIFEST).unlink(missing_ok=True)
    return kept


def missing_of(kept: Sequence[range], indices: Sequence[int]) -> list[range]:
    """Return the samples that are not kept, of a run of them."""
    starts = [indices[0], *(part.stop for part in kept)]
    stops = [*(part.start for part in kept), indices[-1] + 1]
    return [range(*ends) for ends in zip(starts, stops, strict=True) if ends[0] < ends[1]]


def batches(
    produce: Produce, request: GenerationRequest, missing: Sequence[range]
) -> Iterator[SampleBatch]:
    """Make the batches that hold missing samples."""
    for run in _runs(missing, request.execution.batch_size, request.indices):
        yield from produce(replace(request, indices=run))


def _runs(missing: Sequence[range], size: int, indices: Sequence[int]) -> Iterator[range]:
    """Yield what is to be made for the missing samples: whole batches, cut as in the whole job.

    In a batch of another shape, pixels may be rounded otherwise.

    >>> list(_runs([range(3, 5), range(20, 22)], 4, range(22)))
    [range(0, 8), range(20, 22)]
    """
    first, end = indices[0], indices[-1] + 1
    run = range(0)
    for part in missing:
        start = part.start - (part.start - first) % size
        stop = min(part.stop + (first - part.stop) % size, end)
        if run and start <= run.stop:
            run = range(run.start, stop)
            continue
        if run:
            yield run
        run = range(start, stop)
    if run:
        yield run
