"""What of a model can be searched: fields for words, and fields for filters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from medigan_hub.metadata import ModelMetadata

FREE_LICENCES = re.compile(
    r"(MIT|BSD|Apache|A?GPL|LGPL|CC0|CC-BY(-SA)?-\d|MPL|ISC|Unlicense)(?![^\W_])"
)

WEIGHTS = {
    "name": 10,
    "generates": 6,
    "modality": 6,
    "organ": 6,
    "dataset": 6,
    "architecture": 6,
    "title": 5,
    "task": 4,
    "tags": 3,
    "size": 2,
    "licence": 2,
    "description": 1,
}
"""The fields that words are looked up in, and how much a match in each counts."""

FILTERS: Mapping[str, Callable[[ModelMetadata], Sequence[str]]] = {
    "modality": lambda model: model.modality,
    "organ": lambda model: model.organ,
    "task": lambda model: [model.task],
    "architecture": lambda model: [model.architecture],
    "dataset": lambda model: model.dataset,
    "framework": lambda model: [model.framework],
    "licence": lambda model: [model.licence or "not stated"],
}
"""The fields that can be filtered by, and a model's values of each."""


def texts(model: ModelMetadata) -> tuple[str, ...]:
    """Return a model's text for each field, in the order of ``WEIGHTS``."""
    document = model.document
    named = [entry["name"] for entry in document.get("conditions", ())]
    number = [str(int(model.medigan_id[:5]))] if model.medigan_id else []
    fields: dict[str, Iterable[str]] = {
        "name": (model.name, model.medigan_id or "", *number),
        "generates": (
            *document.get("generates", ()),
            *(output.name for output in model.outputs),
            *named,
        ),
        "modality": model.modality,
        "organ": model.organ,
        "dataset": model.dataset,
        "architecture": (model.architecture, model.framework),
        "title": (model.title,),
        "task": (model.task, *document.get("use_cases", ())),
        "tags": document.get("tags", ()),
        "size": _sizes(document),
        "licence": _licence(model.licence),
        "description": (document["description"],),
    }
    return tuple("\n".join(fields[name]) for name in WEIGHTS)


def _sizes(document: Mapping[str, Any]) -> Iterable[str]:
    for output in document["outputs"]:
        if output["kind"] != "label":
            size = output.get("default_size") or output["shape"][:-1]
            if None not in size:
                yield " x ".join(map(str, size)) + " pixels"


def _licence(licence: str | None) -> Iterable[str]:
    if licence is None:
        return ("not stated",)
    return (licence, "free open licence") if FREE_LICENCES.match(licence) else (licence,)
