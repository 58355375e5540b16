"""What a report says of a search for copies of training images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from medigan_hub.evaluation.privacy import picture, table
from medigan_hub.evaluation.report import gallery, pictures, settings
from medigan_hub.evaluation.report.content import Gallery, Part, Picture, Report, Table
from medigan_hub.evaluation.sources import ImageSet

SHOWN = 6
"""Pairs, the most alike first."""


def report(
    document: Mapping[str, Any], images: Mapping[str, ImageSet], *, show_real: bool
) -> Report:
    """Return the report of findings.

    Parameters
    ----------
    document
        As ``privacy.json`` has it.
    images
        The sets, by their names; without them there are no pictures.
    show_real
        Whether training images are shown beside the synthetic ones.
    """
    synthetic = images.get("synthetic")
    header = None if synthetic is None else synthetic.header
    galleries = [_pairs(document, images, show_real=show_real)] if images else []
    rows = [row for space in document["spaces"] for row in table.rows(space)]
    compliance = Part(
        words=settings.licence(header),
        drawings=[picture.svg(document)],
        tables=[Table("Looked for in each space", table.COLUMNS, rows)],
        galleries=galleries,
    )
    sets = document["sets"]
    return Report(
        title=settings.title(sets["synthetic"], "copies of training images"),
        about=(
            f"{sets['synthetic']['num_images']} synthetic images ({sets['synthetic']['title']}), "
            f"held against {sets['train']['num_images']} training images "
            f"({sets['train']['title']}) and {sets['heldout']['num_images']} held-out ones "
            f"({sets['heldout']['title']})."
        ),
        verdict=[document["verdict"]],
        parts={
            "Compliance": compliance,
            "Comprehension": settings.part(document, header),
        },
        notes=[*table.reading(document), *document["notes"]],
        document=document,
        shows_real=show_real and bool(images),
    )


def _pairs(
    document: Mapping[str, Any], images: Mapping[str, ImageSet], *, show_real: bool
) -> Gallery:
    pairs = list(_most_alike(document["pairs"]))
    ours = gallery.images_at(images["synthetic"], [each["synthetic"] for each in pairs])
    theirs = (
        gallery.images_at(images["train"], [each["training"] for each in pairs])
        if show_real
        else {}
    )
    found: list[Picture] = []
    facts = images["synthetic"].facts
    for n, each in enumerate(pairs, 1):
        alike = "the same" if each["duplicate"] else f"correlation {each['correlation']:.3f}"
        where = f"{n}: synthetic image {each['synthetic']}"
        found.append(pictures.synthetic(ours[each["synthetic"]], where, facts))
        beside = f"{n}: training image {each['training']}, {alike}"
        found.append(
            pictures.real(theirs[each["training"]], beside)
            if show_real
            else pictures.withheld(beside)
        )
    words = "Synthetic images, each beside the training image that is most like it."
    return Gallery("Closest pairs", words, found)


def _most_alike(pairs: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    seen: set[tuple[int, int]] = set()
    for pair in sorted(pairs, key=lambda each: (not each["duplicate"], -each["correlation"])):
        key = pair["synthetic"], pair["training"]
        if key not in seen and len(seen) < SHOWN:
            seen.add(key)
            yield pair
