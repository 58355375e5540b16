"""What a column says of each image of a set: of a table, a data set, or the files themselves."""

from __future__ import annotations

from collections.abc import Sequence

from medigan_hub.errors import RequestError, listed, shortened
from medigan_hub.evaluation.sources.base import ImageSet

GAPS = ("nan", "<na>", "n/a", "null")
"""What programs write where they know nothing, in any case."""


def column(images: ImageSet, name: str) -> list[str]:
    """Return what a column says of each image, none of it empty.

    Parameters
    ----------
    name
        Of a column of a table, of the data set, or an element of DICOM by its keyword, such as
        ``PatientSex``; ``label`` is the folder that a file lies in.

    Raises
    ------
    RequestError
        There is no such column, or it says nothing of an image; the message names it.
    """
    found = [(images.fact(n, name) or "").strip() for n in range(len(images))]
    found = ["" if each.casefold() in GAPS else each for each in found]
    if not any(found):
        known = columns(images)
        there = f"there is {listed(known)}" if known else "nothing is known of its images"
        raise RequestError(
            f"{images.title} has no column {shortened(name)} ({there}); name another, or give a "
            "table with it"
        )
    if not all(found):
        gaps = found.count("")
        more = f", and of {gaps - 1} more images" if gaps > 1 else ""
        place = found.index("")
        raise RequestError(
            f"the column {shortened(name)} says nothing of {shortened(images.items[place].name)} "
            f"of {images.title}{more}; fill it in, or leave them out"
        )
    return found


def says(images: ImageSet, name: str) -> bool:
    """Tell whether a column says something of any image."""
    return any((images.fact(n, name) or "").strip() for n in range(len(images)))


def columns(images: ImageSet) -> Sequence[str]:
    """Return the columns that all images have, those of tables and data sets."""
    sets = [{*item.facts} for item in images.items]
    return sorted(set.intersection(*sets)) if sets else []
