"""The way to findings: what was asked for is found and checked before an image is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medigan_hub.errors import RequestError, listed, require, shortened, whole_number
from medigan_hub.evaluation import asking, extractors, sources
from medigan_hub.evaluation.extractors import Extractor
from medigan_hub.evaluation.preparation import Preparation
from medigan_hub.evaluation.privacy.judged import JudgedPrivacy
from medigan_hub.evaluation.privacy.measuring import measure
from medigan_hub.evaluation.sources import ImageSet
from medigan_hub.inputs import Source

if TYPE_CHECKING:
    from torch.nn import Module
    from typing_extensions import Unpack

    from medigan_hub.generation import Wishes

FEWEST = 20
"""Held-out images that are needed."""
SAMPLES = 500
"""That a model makes at least, where nothing else is said: with fewer, few copies are not seen."""


def assess(
    train: Source | ImageSet,
    heldout: Source | ImageSet,
    synthetic: Source | ImageSet,
    *,
    given: Sequence[str | Extractor | Module] = (),
    weights: Mapping[str, str | Path] | None = None,
    normalize: str = "none",
    num_samples: int | None = None,
    patients: str | None = None,
    table: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    **wishes: Unpack[Wishes],
) -> JudgedPrivacy:
    """Find what was asked for, and look for copies; parameters are those of ``Hub.privacy``.

    What can be checked without reading an image is checked first.
    """
    seed = whole_number("the seed", wishes.get("seed", 0), 0, 2**64 - 1)
    chosen = asking.extractors_of(given, weights or {}) or asking.usual()
    require("scipy", extra="evaluation", purpose="looking for copies")
    preparations = Preparation.ways(normalize)
    for extractor in chosen:
        _check_extractor(extractor)
    sets = _found(
        (train, heldout, synthetic), num_samples, patients=patients, table=table, wishes=wishes
    )
    return measure(
        sets,
        chosen,
        preparations,
        seed=seed,
        settings={
            "normalize": normalize,
            "patients": patients,
            **asking.reading(wishes).asked,
        },
        progress=progress,
    )


def _check_extractor(extractor: Extractor) -> None:
    missing = extractor.missing()
    if missing is not None:
        raise missing
    if extractor.metrics is not None:
        known = [name for name in extractors.names() if extractors.find(name).metrics is None]
        raise RequestError(
            f"the features of {extractor.name} are for {listed(extractor.metrics)} alone; use "
            f"{listed(known, ' or ')}"
        )


def _found(
    given: Sequence[Source | ImageSet],
    num_samples: int | None,
    *,
    patients: str | None,
    table: str | Path | None,
    wishes: Wishes,
) -> dict[str, ImageSet]:
    """Return the three sets, once all is checked that can be before an image is read."""
    asking.check_models(given, num_samples, wishes)
    for each, what in zip(given, ("training", "held-out"), strict=False):
        if sources.is_model(each):
            raise RequestError(
                f"{shortened(each)} makes synthetic images, and the {what} images are real ones; "
                "give a folder, and the model in the third place"
            )
    reading = asking.reading(wishes)
    real = [
        sources.find(each, reading=reading, patients=patients, table=table) for each in given[:2]
    ]
    for each, kind in zip(real, ("training", "held-out"), strict=True):
        if each.is_synthetic:
            raise RequestError(
                f"{each.title} is a data set of synthetic images, and the {kind} images are "
                "real ones; give a folder of these"
            )
    training, heldout = real
    sources.check_patients_apart(training, heldout)
    if len(heldout) < FEWEST:
        images = "image" if len(heldout) == 1 else "images"
        raise RequestError(
            f"{heldout.title} holds {len(heldout)} held-out {images}, and {FEWEST} are needed to "
            f"tell what is near; give more, 100 or as many as there are synthetic ones at best"
        )
    groups = {item.group or n for n, item in enumerate(heldout.items)}
    if len(groups) < 2:
        raise RequestError(
            f"the images of {heldout.title} are all of one patient, file or series, and say "
            "nothing of others; give held-out images of several"
        )
    synthetic = sources.find(
        given[2],
        reading=reading,
        count=num_samples,
        default=max(SAMPLES, len(heldout)),
        wishes=wishes,
    )
    sources.check_apart(heldout, synthetic)
    return {"train": training, "heldout": heldout, "synthetic": synthetic}
