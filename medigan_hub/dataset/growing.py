"""Growing: a data set of the first samples of a job, whole or not, becomes that of the job.

Batches are cut as in the whole job, and pixels may be rounded otherwise in a batch of another
shape. So the samples of a last batch that was not full are made once more, and the end is the
same, byte for byte, as if all had been asked for at once. Nothing is touched before the first
new batch is there; then the rows of the samples that stay are written anew, the header
follows, and what was not finished of it before that is as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from medigan_hub.dataset import description, header, manifest
from medigan_hub.dataset.verification import is_vouched_for
from medigan_hub.samples import GenerationRequest
from medigan_hub.writers import Arrangement, Writer

First: TypeAlias = Callable[[int], GenerationRequest]
"""Returns the request of the first samples of a job, as many as are asked for."""
COUNTED = ("count", "indices", "conditions", "latents_sha256", "inputs")
"""Keys of the header that depend on how many samples there are."""


@dataclass(frozen=True)
class Smaller:
    """A data set of the first samples of a job."""

    folder: Path
    document: dict[str, Any]
    """Its header."""
    whole: range
    """Those of its samples that are made in full batches."""

    def kept(self) -> list[range]:
        """Return which samples stay, as far as that can be told without reading them."""
        return manifest.runs(row["index"] for row in self._rows())

    def take_over(self, document: dict[str, Any], writer: Writer) -> list[range]:
        """Make it the unfinished data set with this header; return which samples stay."""
        rows = writer.keep(self._rows())
        kept = manifest.rewrite(self.folder, header.digest(document), rows)
        header.write(self.folder, document)
        description.write(self.folder, document)
        (self.folder / manifest.MANIFEST).unlink(missing_ok=True)
        return kept

    def _rows(self) -> Iterator[manifest.Row]:
        vouched = is_vouched_for(self.folder, self.document)
        key = header.digest(self.document)
        rows = manifest.ordered_rows(self.folder, key, vouched=vouched)
        return (row for row in rows if row["index"] in self.whole)


def find(
    folder: Path,
    document: dict[str, Any],
    request: GenerationRequest,
    arrangement: Arrangement,
    first: First,
    unknown: Mapping[str, Any],
) -> Smaller | None:
    """Return the data set in ``folder``, with the header ``document``, if a job grows out of it.

    None where that is another one. ``unknown`` are values of the job's header that are taken
    to be as they are there, as long as the request is not ready.
    """
    count = document.get("count")
    wanted = {**header.header(request, arrangement), **unknown}
    if type(count) is not int or not 0 < count < len(request.indices):
        return None
    if _without(document, COUNTED) != _without(wanted, COUNTED):  # before images are read
        return None
    wanted = {**header.header(first(count), arrangement), **unknown}
    if _without(document, ("conditions",)) != _without(wanted, ("conditions",)):
        return None
    samples = range(wanted["indices"][0], wanted["indices"][1])
    if not _same(document.get("conditions"), wanted["conditions"], samples):
        return None
    size = request.execution.batch_size
    return Smaller(folder, document, samples[: count - count % size])


def is_larger(document: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Tell whether a header may be that of a job like the wanted one, with more samples."""
    count, held = document.get("count"), document.get("conditions")
    if type(count) is not int or count <= wanted["count"] or not isinstance(held, dict):
        return False
    return (
        _without(document, COUNTED) == _without(wanted, COUNTED)
        and header.first_index(document) == header.first_index(wanted)
        and all(
            held.get(name) == value or isinstance(value, list)
            for name, value in wanted["conditions"].items()
        )
    )


def _without(document: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key not in keys}


def _same(found: Any, wanted: Mapping[str, Any], samples: range) -> bool:
    """Tell whether conditions are the same for some samples; several values are taken in turns."""
    if not isinstance(found, dict) or found.keys() != wanted.keys():
        return False

    def value(held: Any, index: int) -> Any:
        return held[index % len(held)] if isinstance(held, list) and held else held

    return all(
        found[name] == held
        or all(value(found[name], index) == value(held, index) for index in samples)
        for name, held in wanted.items()
    )
