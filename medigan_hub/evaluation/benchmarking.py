"""Measuring several models against the same real images: one after the other, and resumable."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medigan_hub.errors import (
    HubError,
    HubWarning,
    MetadataError,
    RequestError,
    listed,
    named,
    shortened,
    whole_number,
)
from medigan_hub.evaluation import asking, benchmark, entrants, features, judging, picture, sources
from medigan_hub.evaluation.benchmark import NOT_YET, Benchmark
from medigan_hub.evaluation.results import Evaluation
from medigan_hub.evaluation.sources import ImageSet
from medigan_hub.inputs import Source

if TYPE_CHECKING:
    from torch.nn import Module
    from typing_extensions import Unpack

    from medigan_hub.evaluation.extractors import Extractor
    from medigan_hub.generation import Wishes

PICTURE = "benchmark.svg"
HASH = re.compile(r"[0-9a-f]{64}")


def run(
    real: Source | ImageSet,
    models: Sequence[str | int | Path | ImageSet],
    *,
    metrics: Sequence[str] = (),
    given: Sequence[str | Extractor | Module] = (),
    weights: Mapping[str, str | Path] | None = None,
    normalize: str = "none",
    protocol: str = "hub",
    num_samples: int | None = None,
    patients: str | None = None,
    table: str | Path | None = None,
    output: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    **wishes: Unpack[Wishes],
) -> Benchmark:
    """Measure each model; parameters are those of ``Hub.benchmark``.

    What can be checked without making or describing an image is checked of all models first.
    """
    seed = whole_number("the seed", wishes.get("seed", 0), 0, 2**64 - 1)
    if num_samples is not None:
        whole_number("the number of samples", num_samples, 1)
    taking_part = entrants.find(models)
    if sources.is_model(real):
        raise RequestError(f"{real} makes no real images; name a folder or a data set of them")
    plans = judging.checked_plans(metrics, given, weights or {}, normalize, protocol)
    own, notes = entrants.shared_out(taking_part, wishes)
    folder = None if output is None else Path(output)
    kept = {} if folder is None else _kept(folder)
    reading = asking.reading(wishes)
    ours = sources.find(real, reading=reading, patients=patients, table=table)
    sets = entrants.image_sets(
        taking_part, own, real=ours, reading=reading, num_samples=num_samples, seed=seed
    )
    number = min(map(len, sets.values()))
    if not metrics:  # nobody insists on those that need more images
        plans, left_out = judging.possible(plans, min(len(ours), number))
        notes += left_out
    how: dict[str, Any] = {
        "normalize": normalize,
        "protocol": protocol,
        "seed": seed,
        "settings": {"num_samples": number, "patients": patients, **reading.asked},
    }
    headings = {name: judging.heading(ours, each, plans, **how) for name, each in sets.items()}
    if folder is not None:
        _check_same(kept, headings, folder)

    wanted = judging.wanted_of(plans, normalize, protocol)
    told = _Told(progress, len(wanted) * len(ours), len(wanted) * number, len(sets))
    found = dict(kept)
    missing = {name: NOT_YET for name in sets if name not in kept}
    if missing:  # first the real images: what is wrong with these is no model's fault
        features.of(ours, wanted, progress=told.of_real)
    for place, (name, images) in enumerate(sets.items()):
        if name not in kept:
            try:
                made = judging.measure(
                    ours, images, plans, probes=(), progress=told.of_model(place), **how
                )
            except HubError as error:
                missing[name] = shortened(error, 1000)
                warnings.warn(HubWarning(f"{name} was not measured: {missing[name]}"), stacklevel=3)
            else:
                del missing[name]
                found[name] = replace(made, notes=(*made.notes, *_sizes(name, ours, images)))
        so_far = Benchmark(
            {each: found[each] for each in sets if each in found},
            {each: missing[each] for each in sets if each in missing},
            tuple(notes),
        )
        if folder is not None:
            drawn = {PICTURE: picture.svg(so_far.evaluations)}
            benchmark.FORM.save_with(so_far.document(), folder, drawn)
    return so_far


class _Told:
    """How far the work is: real images are described once, and then those of each model."""

    def __init__(
        self, progress: Callable[[int, int], None] | None, real: int, each: int, models: int
    ) -> None:
        self._progress = progress
        self._real, self._each, self._total = real, each, real + models * each

    def of_real(self, done: int, _: int) -> None:
        """Tell how many real images are described."""
        if self._progress is not None:
            self._progress(done, self._total)

    def of_model(self, place: int) -> Callable[[int, int], None]:
        """Return what tells how many images of the model in a place are."""
        before = self._real + place * self._each
        return lambda done, _: self.of_real(before + min(done, self._each), 0)


def _sizes(name: str, real: ImageSet, made: ImageSet) -> Iterator[str]:
    """Say where images of a model have another size, or other channels, than real ones."""
    if real.sizes and made.sizes and real.sizes[0] != made.sizes[0]:
        ours, theirs = (_words(each.sizes[0]) for each in (real, made))
        yield (
            f"images of {name} have {theirs}, and real ones {ours}: an extractor of one size sees "
            "both resized, and whatever that changes counts as a difference"
        )


def _words(size: tuple[int, ...]) -> str:
    height, width, channels = size
    return f"{width} x {height} pixels and {channels} channel{'' if channels == 1 else 's'}"


def _kept(folder: Path) -> dict[str, Evaluation]:
    """Return what an earlier run found, of a folder that can be written into."""
    benchmark.FORM.check_folder(folder, PICTURE)
    file = folder / benchmark.FORM.file
    if not file.exists():
        return {}
    try:
        return dict(Benchmark.load(file).evaluations)
    except MetadataError as error:
        raise MetadataError(f"{error}; remove it, or name another folder") from error


def _check_same(
    kept: Mapping[str, Evaluation], headings: Mapping[str, Evaluation], folder: Path
) -> None:
    """Refuse to go on with what was measured otherwise."""
    file = folder / benchmark.FORM.file
    others = [name for name in kept if name not in headings]
    if others:
        raise RequestError(
            f"{file} holds figures of {listed(others)}, which is not asked for now; name it, too, "
            f"or another folder with {named('output')}"
        )
    for name, evaluation in kept.items():
        before, now = (_decisive(name, each) for each in (evaluation, headings[name]))
        for what in {**before, **now}:
            old, new = before.get(what), now.get(what)
            if old == new:
                continue
            is_plain = not any(isinstance(v, dict) or HASH.fullmatch(str(v)) for v in (old, new))
            values = f" ({shortened(old)} there, {shortened(new)} now)" if is_plain else ""
            raise RequestError(
                f"{file} was made with other {what}{values}; name another folder with "
                f"{named('output')}"
            )


def _decisive(name: str, evaluation: Evaluation) -> dict[str, object]:
    """Return what decides figures, in words for a message."""
    document = evaluation.document()
    real, made = document["sets"]["real"], document["sets"]["synthetic"]
    return {
        **document["settings"],
        "real images": real["key"],
        "groups of real images": real.get("groups"),
        **{f"extractor {key}": facts for key, facts in document["extractors"].items()},
        **{f"version of {key}": each for key, each in document["versions"].items()},
        f"version of {name}": made.get("version"),
        f"weights of {name}": made.get("weights_sha256"),
        f"images of {name}": made["key"],
    }
