"""What a record says of a model: its metadata document, in Zenodo's words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from html import escape
from typing import Any

from medigan_hub.contribution.publishing.deposits import client_library
from medigan_hub.errors import MetadataError
from medigan_hub.metadata import ModelMetadata

KEYWORDS = ("synthetic data", "medical imaging", "generative model", "medigan-hub")
MAX_KEYWORDS = 60
PARTICLES = frozenset(
    (
        *("af", "al", "bin", "da", "das", "de", "del", "della", "den", "der", "des", "di", "do"),
        *("dos", "du", "la", "le", "ten", "ter", "van", "von", "zu", "zum", "zur"),
    )
)
"""Words that belong to the family name that follows them."""
GROUPS = re.compile(
    r"(?i)\b(and|association|authors|cent(er|re)|collaboration|college|community|consortium|"
    r"contributors|department|developers|foundation|group|hospital|initiative|institute?|"
    r"lab(oratory)?|network|of|project|society|team|the|universit\w+|working)\b"
)
"""Words by which a name is that of a group."""
WITHOUT_KIND = re.compile(r"(?i)(a|l)?gpl-[0-9.]+")


def describe(model: ModelMetadata, *, published: date) -> dict[str, Any]:
    """Return the metadata of a model's record, as the deposit interface takes it.

    It is a record of software: what is in it is a package that is installed
    and run, and none of the other types of upload that the interface knows is
    a model.

    Raises
    ------
    MetadataError
        The document lacks what a record needs.
    MissingDependencyError
        zenodo-client is not installed.
    """
    document = model.document
    if not document["authors"]:
        raise MetadataError(
            f"{model.name} names no authors, and a record needs its creators: add them to authors "
            "in metadata.json, best with orcid and affiliation"
        )
    if model.licence is None:
        raise MetadataError(
            f"{model.name} states no licence, and nobody may use what has none: put its SPDX "
            "identifier into licence in metadata.json, such as MIT or CC-BY-4.0"
        )
    zenodo_client = client_library()
    metadata = zenodo_client.Metadata(
        title=model.title,
        upload_type="software",
        description=description(model),
        creators=[zenodo_client.Creator(**creator(author)) for author in document["authors"]],
        version=model.version,
        license=licence(model.licence),
        keywords=keywords(model),
        notes="\n".join(document.get("notes", ())) or None,
        language="eng",
    )
    return {
        **metadata.model_dump(exclude_none=True, exclude_defaults=False),
        # These, zenodo-client's model does not have.
        "related_identifiers": related(model),
        "publication_date": published.isoformat(),
        "prereserve_doi": True,
    }


def creator(author: Mapping[str, str]) -> dict[str, str]:
    """Return an author as a creator, with the family name first.

    >>> creator({"name": "Ludwig van der Berg", "orcid": "0000-0002-1825-0097"})
    {'name': 'van der Berg, Ludwig', 'orcid': '0000-0002-1825-0097'}

    Nothing in a document tells a group from a person. What has a word of
    groups in it, or one word alone, is taken whole; the comma keeps Zenodo
    from cutting it.

    >>> creator({"name": "medigan-hub contributors"})
    {'name': 'medigan-hub contributors,'}
    """
    facts = {key: author[key] for key in ("orcid", "affiliation") if author.get(key)}
    name = " ".join(author["name"].split())
    words = name.split()
    if "," in name:
        return {"name": name, **facts}
    if len(words) == 1 or ("orcid" not in facts and GROUPS.search(name)):
        return {"name": f"{name},", **facts}
    first = len(words) - 1
    while first > 1 and words[first - 1].lower() in PARTICLES:
        first -= 1
    return {"name": f"{' '.join(words[first:])}, {' '.join(words[:first])}", **facts}


def licence(text: str) -> str:
    """Return a licence in Zenodo's words, which are SPDX's in lower case.

    Zenodo's software takes Apache-2.0 in capitals for Apache 1.0, and gpl-3.0 for version 2.
    What is no single identifier has the word that Zenodo has for that; the
    description states the licence as it is.

    >>> licence("Apache-2.0"), licence("GPL-3.0"), licence("GPL-2.0+"), licence("MIT AND BSD")
    ('apache-2.0', 'gpl-3.0-only', 'gpl-2.0-or-later', 'notspecified')
    """
    name = text.strip().lower()
    if re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", name) is None or name.startswith("licenseref"):
        return "notspecified"
    if name.endswith("+"):
        return f"{name[:-1]}-or-later"
    return f"{name}-only" if WITHOUT_KIND.fullmatch(name) else name


def keywords(model: ModelMetadata) -> list[str]:
    """Return the words by which a record is found, each once."""
    document = model.document
    words = (
        *(model.modality),
        *(model.organ),
        *(document.get("generates", ())),
        *(model.task, model.architecture, model.framework),
        *(document.get("tags", ())),
        *KEYWORDS,
    )
    found: dict[str, str] = {}
    for word in words:
        if word.casefold() not in ("none", "unknown"):
            found.setdefault(word.casefold(), word)
    return list(found.values())[:MAX_KEYWORDS]


def related(model: ModelMetadata) -> list[dict[str, str]]:
    """Return what a model rests on, in the relations that Zenodo knows.

    It cites its publications: they are what to cite with it, and whether they
    describe it or the method alone, a document does not say. It is derived
    from its training data.
    """
    document = model.document
    found: dict[str, dict[str, str]] = {}
    groups = (("cites", document.get("publications", ())),
              ("isDerivedFrom", document["training_data"]))  # fmt: skip
    for relation, entries in groups:
        for entry in entries:
            identifier = entry.get("doi") or entry.get("url")
            if identifier:
                found.setdefault(
                    identifier.casefold(), {"identifier": identifier, "relation": relation}
                )
    return list(found.values())


def description(model: ModelMetadata) -> str:
    """Return the text of a record, as HTML in which all of the document is mere text."""
    return "\n".join(_paragraphs(model))


def _paragraphs(model: ModelMetadata) -> Iterator[str]:
    document = model.document
    yield _paragraph(document["description"])
    yield _paragraph(
        "This package makes synthetic images with a generative model. They show no patient and "
        "are not fit for diagnosis."
    )
    data = "; ".join(f"{entry['name']} ({entry['access']})" for entry in document["training_data"])
    facts = {
        "Task": model.task,
        "Network": f"{model.architecture} ({model.framework})",
        "Modality": ", ".join(model.modality),
        "Organ": ", ".join(model.organ),
        "Trained on": data,
        "Licence of the weights": model.licence,
    }
    yield _list("What it is", [f"{name}: {value}" for name, value in facts.items()])
    yield _list("Limitations", document["limitations"])
    yield _paragraph(f"Intended use: {document['intended_use']}")
    if document.get("not_intended_for"):
        yield _list("Not for", document["not_intended_for"])
    yield _paragraph(f"Privacy: {document['privacy']}")
    yield _list(
        "Use, with medigan-hub",
        ["pip install the wheel of this record", f"medigan generate {model.name} -n 4 -o out"],
    )


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def _list(head: str, lines: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<p><strong>{escape(head)}</strong></p><ul>{items}</ul>"
