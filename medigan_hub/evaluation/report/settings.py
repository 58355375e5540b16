"""How images were made and judged, as every report says it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medigan_hub.evaluation.report.content import Part, Table


def title(facts: Mapping[str, Any], what: str) -> str:
    """Return the title of a report on a set of synthetic images."""
    if not facts.get("model"):
        return f"Synthetic images: {what}"
    maker = f"{facts['model']} {facts.get('version') or ''}".strip()
    return f"Synthetic images of {maker}: {what}"


def licence(header: Mapping[str, Any] | None) -> list[str]:
    """Return what a model's own documents say of sharing its samples."""
    if header is None:
        return []
    return [f"Licence of {header['model']}: {header.get('licence') or 'not stated'}."]


def part(document: Mapping[str, Any], header: Mapping[str, Any] | None) -> Part:
    """Return what images are not for, and how they were judged.

    Parameters
    ----------
    document
        Of what was found, with ``settings``, ``versions`` and perhaps ``extractors``.
    header
        What is true of all samples, as ``provenance.header`` says it, where a model made them.
    """
    words = []
    if header is not None:
        words += [f"Limitation: {each}" for each in header.get("limitations", ())]
        words += [f"Not for: {each}" for each in header.get("not_intended_for", ())]
    rows = [[str(key), worded(value)] for key, value in document["settings"].items()]
    rows += [
        [f"extractor {name}", str(each["title"])]
        for name, each in document.get("extractors", {}).items()
    ]
    rows += [[name, version] for name, version in document["versions"].items()]
    told = [row for row in rows if row[1]]
    return Part(words, tables=[Table("How it was judged", ("what", "value"), told)])


def worded(value: object) -> str:
    """Return a setting on one line; nothing where there is none."""
    if value is None or value in ({}, []):
        return ""
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {each}" for key, each in value.items())
    return str(value)
