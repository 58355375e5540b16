"""What a report says of the use of synthetic images for a task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medigan_hub.evaluation.report import settings
from medigan_hub.evaluation.report.content import Part, Report, Table
from medigan_hub.evaluation.utility import picture, table
from medigan_hub.evaluation.utility.arms import percent
from medigan_hub.evaluation.utility.results import Utility


def report(found: Utility, header: Mapping[str, Any] | None = None) -> Report:
    """Return the report of what synthetic images did for a task.

    Parameters
    ----------
    header
        What is true of all samples, as ``provenance.header`` says it, where a model made them.
    """
    document = found.document()
    groups = [each for each in dict.fromkeys(arm.group for arm in found.arms) if each is not None]
    parts = {
        "Use": Part(
            drawings=[picture.svg(found)],
            tables=[
                _table(found, metric, None)
                for metric in dict.fromkeys(each.metric for each in found.arms)
            ],
        ),
        "Comprehension": settings.part({**document, "settings": _asked(found)}, header),
    }
    if groups:
        parts["Consistency"] = Part(tables=[_table(found, found.leading, each) for each in groups])
    words = settings.licence(header)
    if words:
        parts["Compliance"] = Part(
            [*words, "Whether training images are given away was not examined here."]
        )
    return Report(
        title=settings.title(found.sets["synthetic"], "do they help?"),
        about=f"{found.about[:1].upper()}{found.about[1:]}.",
        verdict=[found.verdict],
        parts=parts,
        notes=[table.READING, *found.notes],
        document=document,
    )


def _asked(found: Utility) -> dict[str, object]:
    what = {"label": found.label, "masks": found.masks, "learner": found.learner["title"]}
    return {**what, **found.settings}


def _table(found: Utility, metric: str, group: str | None) -> Table:
    heads = ["share of real images", *(head.format(metric=metric) for head in table.HEADS)]
    rows = [[percent(each.share), *table.row(each)] for each in found.chosen(metric, group)]
    return Table(f"{metric}, {group or 'all test images'}", heads, rows)
