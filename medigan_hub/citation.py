"""How to cite a model: BibTeX of its publications."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from medigan_hub.metadata import ModelMetadata

SPECIAL = {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "~": r"\~{}", "^": r"\^{}"}

KINDS = {
    r"^$|arXiv|bioRxiv|medRxiv|Zenodo": ("misc", "howpublished"),
    r"Proceedings|Workshop|Conference|Lecture Notes": ("inproceedings", "booktitle"),
    r"": ("article", "journal"),
}
"""By what the venue says: the kind of entry, and its field for the venue."""


def bibtex(model: ModelMetadata) -> str:
    """Return what to cite for a model, the most important first, as BibTeX.

    A publication of which only a DOI or an address is known takes the model's
    title. A model without publications is cited itself, by the DOI of its own
    record, or else by where its weights are, if it has either. Text is UTF-8, as biber and current
    BibTeX styles read it.
    """
    publications = list(model.document.get("publications", ()))
    if not publications:
        publications = [_of_the_model(model)]
    entries: dict[str, str] = {}
    for publication in publications:
        key = _key(publication, model)
        while key in entries:
            key += "x"
        entries[key] = _entry(key, publication, model)
    return "\n\n".join(entries.values())


def _of_the_model(model: ModelMetadata) -> dict[str, Any]:
    document, doi = model.document, model.document.get("doi")
    return {
        "authors": [author["name"] for author in document["authors"]],
        "year": document.get("year"),
        "doi": doi,
        # The address of a DOI stays when that of a file changes.
        "url": None if doi else model.main_file.url,
    }


def _entry(key: str, publication: Mapping[str, Any], model: ModelMetadata) -> str:
    venue = publication.get("venue", "")
    kind, place = next((kind for pattern, kind in KINDS.items() if re.search(pattern, venue)))
    doi = publication.get("doi")
    fields = {
        "title": "{" + _escaped(publication.get("title", model.title)) + "}",
        "author": " and ".join(map(_name, publication.get("authors", ()))),
        place: _escaped(venue),
        "year": str(publication.get("year") or ""),
        "doi": doi or "",
        "url": publication.get("url") or (f"https://doi.org/{doi}" if doi else ""),
    }
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join([f"@{kind}{{{key},", *lines, "}"])


def _key(publication: Mapping[str, Any], model: ModelMetadata) -> str:
    """Return a key such as osuala2023medigan: first author, year, first long word of the title."""
    authors = publication.get("authors") or [model.name]
    words = re.findall(r"\w{4,}", _ascii(publication.get("title", model.title)))
    names = re.findall(r"\w+", _ascii(authors[0])) or re.findall(r"\w+", model.name)
    return f"{names[-1]}{publication.get('year') or ''}{words[0] if words else ''}".lower()


def _ascii(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def _name(author: str) -> str:
    """Return an author's name; that of a group may hold the word which joins authors."""
    return f"{{{_escaped(author)}}}" if " and " in author else _escaped(author)


def _escaped(text: str) -> str:
    # Braces and backslashes are TeX, and no publication's title needs them here.
    return "".join(SPECIAL.get(c, c) for c in re.sub(r"[{}\\]", "", text))
