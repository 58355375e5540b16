"""What callers ask for, whatever is judged: extractors, a model's samples, ways to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medigan_hub._version import __version__
from medigan_hub.errors import RequestError, named, shortened
from medigan_hub.evaluation import extractors, sources
from medigan_hub.evaluation.extractors import Extractor
from medigan_hub.evaluation.sources import ImageSet
from medigan_hub.generation import DEFAULTS
from medigan_hub.inputs import Source, check_wishes
from medigan_hub.reading import READING, Reading

if TYPE_CHECKING:
    from torch.nn import Module

    from medigan_hub.generation import Wishes

OF_MODELS = {
    "num_samples": None,
    **{name: value for name, value in DEFAULTS.items() if name not in ("seed", *READING)},
}
"""What is said of samples that a model makes, with what it is where nobody says it."""
PACKAGES = ("numpy", "scipy", "pillow", "torch", "tensorflow", "onnxruntime", "torchmetrics")


def check_models(
    given: Sequence[Source | ImageSet], num_samples: int | None, wishes: Wishes
) -> None:
    """Make sure that each named model is there, and one is, where something is said of samples.

    Raises
    ------
    HubError
        There is no such model, or a wish is about samples that nobody makes.
    """
    are_models = [sources.is_model(each) for each in given]  # all: each may be unknown
    if any(are_models):
        return
    for name, value in {"num_samples": num_samples, **wishes}.items():
        if name in OF_MODELS and (
            isinstance(value, np.ndarray) or value not in (OF_MODELS[name], {})
        ):
            raise RequestError(
                f"{named(name)} is about samples that are made, and no model is to make any; "
                "leave it out, or give model:NAME"
            )


def reading(wishes: Wishes) -> Reading:
    """Return what is wished for of how images are read."""
    return Reading(**{name: wishes[name] for name in READING if name in wishes})  # type: ignore[literal-required]


def usual() -> list[Extractor]:
    """Return the extractors of a user who names none: ours, and learned features where they are."""
    found = [extractors.find("texture"), extractors.find("imagenet")]
    return [each for each in found if each.missing() is None]


def extractors_of(
    given: Sequence[str | Extractor | Module], weights: Mapping[str, str | Path]
) -> list[Extractor]:
    """Return the extractors that are asked for, with their files of weights.

    Raises
    ------
    RequestError
        There is no such extractor, it takes no weights, or weights are for none that is asked for.
    """
    from medigan_hub.evaluation.extractors.custom import of_module

    names = [each for each in given if isinstance(each, str)]
    for name in weights:
        if name not in names:
            raise RequestError(
                f"there are weights for {shortened(name)}, and it is not asked for; "
                f"add {named('extractors', name)}"
            )
    return [
        extractors.find(each, Path(weights[each]) if each in weights else None)
        if isinstance(each, str)
        else each
        if isinstance(each, Extractor)
        else of_module(each)
        for each in dict.fromkeys(given)
    ]


def versions(*more: str) -> dict[str, str]:
    """Return the versions of the hub, and of the packages that figures may depend on."""
    found = {"medigan-hub": __version__}
    for name in (*PACKAGES, *more):
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def check_obeyed(sets: Sequence[ImageSet]) -> None:
    """Refuse a wish about how images are read that none of the sets, once read, depends on."""
    learned = [each.learned() for each in sets]
    obeyed = {name for each in learned if each for name in each.get("obeyed", ())}
    for each in sets:
        asked = each.facts.get("reading")
        if isinstance(asked, dict):
            check_wishes(Reading(**asked), obeyed, "images")


def twice(sets: Sequence[ImageSet]) -> Iterator[str]:
    """Yield which sets hold images more than once."""
    for each in sets:
        count = len(each) - len({item.digest for item in each.items})
        if count:
            images = "image" if count == 1 else "images"
            yield f"{each.title} holds {count} {images} more than once"


def about_set(images: ImageSet, count: int | None = None) -> dict[str, object]:
    """Return what is recorded of a set, of which ``count`` images count, or all."""
    return {
        "title": images.title,
        "num_images": len(images) if count is None else count,
        "key": images.key,
        "columns": sources.columns(images),
        **images.facts,
    }


def about(extractor: Extractor) -> dict[str, object]:
    """Return what is recorded of an extractor."""
    return {
        "title": extractor.title,
        "version": extractor.version,
        "weights": extractor.weights,
        "size": extractor.size,
        "channels": extractor.channels,
        "shape": extractor.shape,
        "scaling": extractor.scaling,
    }
