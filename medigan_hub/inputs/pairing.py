"""Several inputs that belong together: which image of one goes with which of the others."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import TypeAlias

from medigan_hub.errors import HubNote, RequestError, listed
from medigan_hub.inputs.images import Images

Key: TypeAlias = "tuple[tuple[str, ...], int]"
"""The words of a file's name, without those that differ between the inputs, and the frame."""


def paired(found: Mapping[str, Images]) -> dict[str, Images]:
    """Bring images that belong together to the same places.

    Files go together by name, without what tells one input's files from another's, such as
    ``_flair``; a note says what that is where the input's own name does not. Arrays go together
    in their order, as do single files: those were named each.

    Raises
    ------
    RequestError
        An image has no partner, or names don't tell which it is.
    """
    if len(found) < 2 or not all(images.are_files for images in found.values()):
        return _as_many(found)
    if all(images.is_one_file for images in found.values()):
        return _as_many(found)
    keys = keys_of(
        {
            name: [(images.file(place), images.frame(place) or 0) for place in range(len(images))]
            for name, images in found.items()
        }
    )
    first, *others = keys
    for name, own in keys.items():
        twice = first_twice(own)
        if twice is not None:
            one, other = (found[name].name(place) for place in twice)
            raise RequestError(
                f"by their names, {one} and {other} of {name} belong to the same images of the "
                "other inputs; give files names that tell them apart"
            )
    places = {name: {key: place for place, key in enumerate(own)} for name, own in keys.items()}
    alone = [
        f"{images.name(place)} of {name}"
        for name, images in found.items()
        for key, place in places[name].items()
        if any(key not in places[other] for other in keys)
    ]
    if alone:
        raise RequestError(
            f"the inputs belong together by the names of their files, and {listed(alone)} "
            f"{'has' if len(alone) == 1 else 'have'} no partner; give each image in every input, "
            "or name the files alike"
        )
    order = keys[first]
    return {
        first: found[first],
        **{name: found[name].in_order([places[name][key] for key in order]) for name in others},
    }


def _as_many(found: Mapping[str, Images]) -> dict[str, Images]:
    lengths = {name: len(images) for name, images in found.items()}
    if len(set(lengths.values())) > 1:
        words = ", ".join(f"{length} of {name}" for name, length in lengths.items())
        raise RequestError(
            f"the inputs belong together, and there are {words}; give as many of each"
        )
    return dict(found)


def keys_of(images: Mapping[str, Sequence[tuple[str, int]]]) -> dict[str, list[Key]]:
    """Return what images go together by, for each image of each input: a file, and a frame in it.

    A note says which words of the files' names were left aside, where the input's name does not.
    """
    words = {name: [_words(file) for file, _ in own] for name, own in images.items()}
    every = {name: frozenset[str]().union(*own) for name, own in words.items()}
    keys = {}
    ignored: dict[str, list[str]] = {}
    for name, own in words.items():
        elsewhere = [found_words for other, found_words in every.items() if other != name]
        common = frozenset(own[0]).intersection(*own)
        # What all files of this input have in their names, and none of some other input's has.
        telling = {word for word in common if any(word not in each for each in elsewhere)}
        strange = {word for word in telling if not _names(word, name)}
        if len(set(own)) == 1:  # of one file, all words are common
            telling -= strange
        elif strange:
            ignored[name] = sorted(strange)
        keys[name] = [
            (tuple(word for word in each if word not in telling), frame)
            for each, (_, frame) in zip(own, images[name], strict=True)
        ]
    if ignored:
        words_of = "; ".join(f"{listed(left)} of {name}" for name, left in ignored.items())
        warnings.warn(
            "images go together by the names of their files, less the words that tell one set from "
            f"another: {words_of}; see that these name no patients",
            HubNote,
            stacklevel=3,
        )
    return keys


def _names(word: str, name: str) -> bool:
    """Tell whether a word stands for the input of this name, as t1w does for brain_t1.

    >>> _names("t1w", "brain_t1"), _names("fl", "flair"), _names("anna", "brain_t1")
    (True, True, False)
    """
    return len(word) > 1 and any(
        len(own) > 1 and (word.startswith(own) or own.startswith(word)) for own in _words(name)
    )


def _words(file: str) -> tuple[str, ...]:
    """Return the words in a file's name.

    >>> _words("Anna-2_FLAIR.nii.gz")
    ('anna', '2', 'flair')
    """
    path = PurePosixPath(file)
    stem = path.name.removesuffix(
        "".join(path.suffixes[-2:]) if path.suffix == ".gz" else path.suffix
    )
    named = [*path.parts[:-1], stem]
    return tuple(word for part in named for word in re.split(r"[\W_]+", part.casefold()) if word)


def first_twice(keys: Sequence[Key]) -> tuple[int, int] | None:
    """Return the places of the first key that comes twice; None where each is there once."""
    seen: dict[Key, int] = {}
    for place, key in enumerate(keys):
        if key in seen:
            return seen[key], place
        seen[key] = place
    return None
