"""Who takes part in a benchmark: models by their names, and sets of images that were made before.

All of them get as many images, and each model what it takes of what is wished for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from medigan_hub.catalogue import Catalogue
from medigan_hub.errors import RequestError, UnknownModelError, listed, named, shortened
from medigan_hub.evaluation import sources
from medigan_hub.evaluation.sources import MODEL, ImageSet
from medigan_hub.evaluation.sources.drawn import Drawn
from medigan_hub.evaluation.sources.samples import are_shared
from medigan_hub.execution import KNOBS
from medigan_hub.generation import DEFAULTS
from medigan_hub.reading import READING, Reading
from medigan_hub.secrecy import struck
from medigan_hub.terminal import one_line

if TYPE_CHECKING:
    from medigan_hub.generation import Wishes
    from medigan_hub.metadata import ModelMetadata

OF_ONE = ("latents", "indices")
"""Wishes that say something of one model alone."""
MAX_NAME = 200
"""Characters of a name."""


class Entrant(NamedTuple):
    """A model, or a set of images that was made before."""

    name: str
    source: str | Path | ImageSet
    """As ``sources.find`` takes it."""
    model: ModelMetadata | None
    """None where it is a set of images."""


def find(models: Sequence[str | int | Path | ImageSet]) -> list[Entrant]:
    """Return who takes part, of names, medigan ids, folders and sets of images.

    A name that a model has is the model's; ``./NAME`` is the folder of that name.

    Raises
    ------
    HubError
        They are fewer than two, one is given twice, or a model is not known or not installed.
    """
    if isinstance(models, (str, Path)) or len(models) < 2:
        raise RequestError(
            "a benchmark takes two models or more; name another, or a folder of images"
        )
    catalogue = Catalogue()
    found: dict[str, tuple[Entrant, str]] = {}
    for each in models:
        entrant = _one(each, catalogue)
        place = entrant.name
        if entrant.model is None and not isinstance(entrant.source, ImageSet):
            place = str(Path(entrant.source).expanduser().resolve())
        same = [other for other in found if other == place or found[other][0].name == entrant.name]
        if same:
            ways = list(dict.fromkeys([found[same[0]][1], _text(each)]))
            as_what = f" (as {listed(ways, ' and ')})" if len(ways) > 1 else ""
            raise RequestError(f"{entrant.name} is given twice{as_what}; give it once")
        found[place] = entrant, _text(each)
    return [entrant for entrant, _ in found.values()]


def _one(given: str | int | Path | ImageSet, catalogue: Catalogue) -> Entrant:
    text = _text(given)
    name = one_line(struck(text), MAX_NAME)
    if isinstance(given, (ImageSet, Path)):
        return Entrant(name, given, None)
    try:
        model = catalogue.plugin(text.removeprefix(MODEL)).metadata
    except UnknownModelError as error:
        if text.startswith(MODEL):
            raise
        if "/" in text or "\\" in text or _exists(text):
            return Entrant(name, text, None)
        raise UnknownModelError(f"{error}; of a folder of images, write ./NAME") from error
    return Entrant(model.name, f"{MODEL}{model.name}", model)


def _text(given: str | int | Path | ImageSet) -> str:
    return given.title if isinstance(given, ImageSet) else str(given)


def _exists(text: str) -> bool:
    try:
        return Path(text).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # of no file in this world
        return False


def shared_out(entrants: Sequence[Entrant], wishes: Wishes) -> tuple[dict[str, Wishes], list[str]]:
    """Return what is wished for of each model, by its name, and notes on what not all of them take.

    Conditions, options and inputs go to the models that take them; how samples are made, to all.

    Raises
    ------
    RequestError
        No model takes something, or it can't be meant for several.
    """
    models = [each.model for each in entrants if each.model is not None]
    notes = []
    own: dict[str, dict[str, Any]] = {each.name: {"seed": wishes.get("seed", 0)} for each in models}
    for name, key, value in _entries(wishes):
        if name in OF_ONE:
            raise RequestError(
                f"{named(name)} is about one model, and several are measured; make its samples "
                "with medigan generate, and name their folder"
            )
        taking = [each for each in models if _takes(each, name, key, wishes)]
        if not taking and name not in READING:  # which is about sets of images, too
            if not models:
                raise RequestError(
                    f"{named(name)} is about samples that are made, and no model is to make any; "
                    "leave it out"
                )
            what = f"{named(name)} {shortened(key or '')}".rstrip()
            raise RequestError(f"{what} is for none of these models; {_known(models, name)}")
        if len(taking) < len(models) and name not in READING:
            whom = listed(each.name for each in taking)
            notes.append(f"{name if key is None else f'{name} {key}'}: for {whom} alone")
        for each in taking:
            if key is None:
                own[each.name][name] = value
            else:
                own[each.name].setdefault(name, {})[key] = value
    return own, notes  # type: ignore[return-value]


def _entries(wishes: Wishes) -> Iterator[tuple[str, str | None, Any]]:
    """Yield what is wished for otherwise than by default, each condition and option by itself."""
    given: Mapping[str, Any] = wishes
    for name, value in given.items():
        if name == "seed" or (not isinstance(value, np.ndarray) and value == DEFAULTS.get(name)):
            continue
        if name in ("conditions", "options") and isinstance(value, Mapping):
            yield from ((name, key, each) for key, each in value.items())
        else:
            yield name, None, value


def _takes(model: ModelMetadata, name: str, key: str | None, wishes: Wishes) -> bool:
    """Tell whether a model takes a wish, or an entry of one."""
    if name in KNOBS:
        return True
    if name in READING or name == "inputs":
        return bool(model.inputs)
    if name == "balance":
        given = wishes.get("conditions") or {}
        return any(each.values or each.name in given for each in model.conditions)
    parameters = model.conditions if name == "conditions" else model.options
    return any(each.name == key for each in parameters)


def _known(models: Sequence[ModelMetadata], name: str) -> str:
    """Say which conditions or options there are."""
    known = {
        each.name: None
        for model in models
        for each in (model.options if name == "options" else model.conditions)
    }
    if name == "inputs" or not known:
        return "leave it out"
    return f"they have {listed(known)}"


def image_sets(
    entrants: Sequence[Entrant],
    own: Mapping[str, Wishes],
    *,
    real: ImageSet,
    reading: Reading,
    num_samples: int | None,
    seed: int,
) -> dict[str, ImageSet]:
    """Return the images of each, as many of all of them, by their names.

    That is ``num_samples``, or as many as there are real images, or fewer where one has fewer. Of
    sets that hold more, some are drawn at random.

    Raises
    ------
    HubError
        A model can't make what is wished for, a set can't be read or holds too few, shares images
        with the real ones, or two hold the same images.
    """

    def images_of(entrant: Entrant, count: int | None) -> ImageSet:
        if entrant.model is None:
            return sources.find(entrant.source, reading=reading)
        wishes = own[entrant.name]
        return sources.find(entrant.source, count=count, default=len(real), wishes=wishes)

    found = {each.name: images_of(each, num_samples) for each in entrants}
    for images in found.values():
        sources.check_apart(real, images)  # before some of them are drawn
    fewest = min(found, key=lambda name: len(found[name]))
    number = num_samples or min(len(real), len(found[fewest]))
    if len(found[fewest]) < number:
        raise RequestError(
            f"{fewest} holds {len(found[fewest])} images, and {number} of each model are compared; "
            f"give more, or ask for {named('num_samples', len(found[fewest]))}"
        )
    for each in entrants:
        if len(found[each.name]) > number and each.model is not None:
            found[each.name] = images_of(each, number)
        if len(found[each.name]) > number:
            found[each.name] = Drawn(found[each.name], number, seed)
    for (one, ours), (other, theirs) in combinations(found.items(), 2):
        is_shared = ours.header and theirs.header and are_shared(ours.header, theirs.header)
        if is_shared or ours.key == theirs.key:
            raise RequestError(
                f"{one} and {other} are the same images; leave one out, or make it with another "
                "seed"
            )
    return found
