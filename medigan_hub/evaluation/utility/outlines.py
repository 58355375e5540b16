"""Masks of images: files that are named alike, or an output of the same samples."""

from __future__ import annotations

from collections.abc import Mapping

from medigan_hub.errors import RequestError, listed, named, shortened
from medigan_hub.evaluation import sources
from medigan_hub.evaluation.matching import file_of
from medigan_hub.evaluation.sources import ImageSet
from medigan_hub.evaluation.utility.tasks import Masks, Outlines, Sets
from medigan_hub.inputs import Source
from medigan_hub.inputs.pairing import first_twice, keys_of
from medigan_hub.reading import Reading


def task_of(sets: Sets, given: str | Mapping[str, Source], reading: Reading) -> Masks:
    """Return the task of finding masks.

    Parameters
    ----------
    given
        Of a set that is samples, the name of an output; of other images, where masks are that are
        named alike. By the names of the sets, or one for all; where nothing is said of samples,
        their only mask.

    Raises
    ------
    RequestError
        A set has no masks, or an image has none.
    """
    if isinstance(given, Mapping):
        strange = [name for name in given if name not in sets.every]
        if strange:
            raise RequestError(
                f"there are {named('masks')} of {listed(strange)}; give those of "
                f"{listed(sets.every)}"
            )
    found = {}
    for name, images in sets.every.items():
        own = given.get(name) if isinstance(given, Mapping) else given
        if images.header is not None:
            output = _output(images, own)
            found[name] = Outlines(images.other(output), range(len(images)), output)
        else:
            found[name] = _files(name, images, own, reading)
    return Masks(sets, found)


def _output(images: ImageSet, given: object) -> str:
    """Return which output of samples their masks are."""
    header = images.header or {}
    known = [each["name"] for each in header.get("outputs", ()) if each["kind"] == "mask"]
    if given is None and len(known) == 1:
        return str(known[0])
    if given not in known:
        if not known:
            raise RequestError(f"{images.title} are samples without masks; name others")
        what = "several masks" if given is None else f"no masks {shortened(given)}"
        raise RequestError(f"{images.title} has {what} (there is {listed(known)}); name one")
    return str(given)


def _files(name: str, images: ImageSet, given: Source | None, reading: Reading) -> Outlines:
    """Return masks in files."""
    if given is None:
        raise RequestError(
            f"there are no masks of {images.title}; give them with {named('masks', {name: 'PATH'})}"
        )
    masks = sources.find(given, reading=reading)
    if len(masks) == len(images) == 1:
        return Outlines(masks, [0], masks.title)
    both = {"image": images, "mask": masks}
    keys = keys_of({kind: list(map(file_of, each.items)) for kind, each in both.items()})
    for kind, own in keys.items():
        twice = first_twice(own)
        if twice is not None:
            one, other = (both[kind].items[place].name for place in twice)
            raise RequestError(
                f"by their names, {one} and {other} of {both[kind].title} belong together; give "
                "files names that tell them apart"
            )
    found = {key: place for place, key in enumerate(keys["mask"])}
    wanted = keys["image"]
    without = [
        item.name for item, key in zip(images.items, wanted, strict=True) if key not in found
    ]
    if without:
        raise RequestError(
            f"{masks.title} has no mask for {listed(without)} of {images.title}; give one for "
            "each image, named alike"
        )
    return Outlines(masks, [found[key] for key in wanted], masks.title)
