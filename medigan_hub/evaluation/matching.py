"""Which real image a synthetic one is to be compared with, and inside which mask."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from medigan_hub.errors import RequestError, listed, named
from medigan_hub.evaluation.sources import ImageSet, Item
from medigan_hub.inputs.pairing import Key, first_twice, keys_of

INPUT, NAME = "input", "name"
"""What images are matched by: the input that one was made from, or its own name."""
FRAME = re.compile(r"(?s)(.*) \(frame ([0-9]+)\)")
"""The name of an image that is not alone in its file."""


class Match(NamedTuple):
    """Places of images that belong together."""

    real: int
    synthetic: int
    mask: int | None = None


def matched(
    real: ImageSet, synthetic: ImageSet, masks: ImageSet | None = None, by: str | None = None
) -> tuple[list[Match], list[str]]:
    """Return which images belong together, in the order of the synthetic ones, and what is left.

    Files go together by name, without what tells those of one set from the others', such as
    ``_t2``. Of two sets of one image each, these go together.

    Parameters
    ----------
    masks
        One for each real image that has a partner; others are left aside.
    by
        Fact of the synthetic images that names the real one, or ``name`` for their own name. By
        default it is ``input``, where each of them has that, and else the name. Several may
        name the same real image.

    Returns
    -------
    The matches, one at least, and notes that name the images without a partner.

    Raises
    ------
    RequestError
        There is none, names are ambiguous, a mask is missing, or no such fact is known.
    """
    sets = {"real": real, "synthetic": synthetic} | ({"mask": masks} if masks is not None else {})
    for name, each in sets.items():
        if not len(each):
            raise RequestError(f"there are no {name} images in {each.title}; give at least one")
    if by is None and all(len(each) == 1 for each in sets.values()):
        return [Match(0, 0, None if masks is None else 0)], []
    by = by or (INPUT if all(INPUT in item.facts for item in synthetic.items) else NAME)
    keys = keys_of(
        {
            name: [file_of(item, by if each is synthetic else NAME) for item in each.items]
            for name, each in sets.items()
        }
    )
    for name, own in keys.items():
        twice = None if name == "synthetic" and by != NAME else first_twice(own)
        if twice is not None:
            one, other = (sets[name].items[place].name for place in twice)
            raise RequestError(
                f"by their names, {one} and {other} of {sets[name].title} belong to the same "
                "images; give files names that tell them apart"
            )
    places = {name: {key: place for place, key in enumerate(own)} for name, own in keys.items()}
    pairs = [
        (places["real"][key], place)
        for place, key in enumerate(keys["synthetic"])
        if key in places["real"]
    ]
    if not pairs:
        raise _strangers(real, synthetic, by)
    notes = [
        *_left(real, [place for place, _ in pairs]),
        *_left(synthetic, [place for _, place in pairs]),
    ]
    if masks is None:
        return [Match(*pair) for pair in pairs], notes
    return _with_masks(real, masks, pairs, keys["real"], places["mask"]), notes


def _with_masks(
    real: ImageSet,
    masks: ImageSet,
    pairs: Sequence[tuple[int, int]],
    keys: Sequence[Key],
    places: dict[Key, int],
) -> list[Match]:
    without = [real.items[one].name for one, _ in pairs if keys[one] not in places]
    if without:
        raise RequestError(
            f"{masks.title} has no mask for {listed(dict.fromkeys(without))}; give one for each "
            "image, named alike"
        )
    return [Match(one, other, places[keys[one]]) for one, other in pairs]


def file_of(item: Item, by: str = NAME) -> tuple[str, int]:
    """Return the file, and the frame in it, that an image is matched by.

    Raises
    ------
    RequestError
        It lacks the fact of that name.
    """
    if by != NAME and by not in item.facts:
        raise RequestError(
            f"{item.name} has no {by} to be matched by; choose {named('match')} of "
            f"{listed([*item.facts, NAME])}"
        )
    name = item.name if by == NAME else item.facts[by]
    framed = FRAME.fullmatch(name)
    file, frame = (framed[1], framed[2]) if framed else (name, "0")
    known = item.facts.get("frame", "") if by == INPUT else ""  # of the input, in its file
    return file, int(known if known.isdecimal() else frame)


def _left(images: ImageSet, taken: Sequence[int]) -> list[str]:
    """Say which images have no partner."""
    others = set(taken)
    left = [item.name for place, item in enumerate(images.items) if place not in others]
    if not left:
        return []
    return [
        f"{len(left)} of {len(images)} images of {images.title} "
        f"{'has' if len(left) == 1 else 'have'} no partner, and no part in paired figures: "
        f"{listed(left)}"
    ]


def _strangers(real: ImageSet, synthetic: ImageSet, by: str) -> RequestError:
    """Say that no image has a partner, with the first names of both sides."""
    theirs = (file_of(item, by)[0] for item in synthetic.items[:3])
    what = "name" if by == NAME else f"{by} (what each was made from)" if by == INPUT else by
    return RequestError(
        f"no image of {synthetic.title} belongs to one of {real.title} by its {what}: "
        f"{listed(theirs)} against {listed(item.name for item in real.items[:3])}; name the files "
        f"alike, or say with {named('match', 'COLUMN')} which fact names the real image"
    )
