"""``dataset.json``: what is true of every sample, and the seal of a finished data set."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medigan_hub import provenance
from medigan_hub.files import sha256_of, write_atomically
from medigan_hub.samples import GenerationRequest

HEADER = "dataset.json"
CACHE = "cache"
"""Format of a folder in which a data loader keeps samples."""
SEAL = "seal"
"""Key of the header: SHA-256 of the files that describe a finished data set."""


def header(job: GenerationRequest, format_name: str) -> dict[str, Any]:
    """Return the header of the data set that a job makes in a format."""
    return {**provenance.header(job), "format": format_name}


def read(folder: Path) -> tuple[dict[str, Any], dict[str, str]] | None:
    """Return the header and the seal in a folder; the seal is empty before it is finished.

    None where there is no header that can be read, or one of another program:
    ``dataset.json`` is a name that others use too.
    """
    try:
        document = json.loads((folder / HEADER).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or document.get("synthetic") is not True:
        return None
    if not all(isinstance(document.get(key), str) for key in ("model", "format", "hub_version")):
        return None
    seal = document.pop(SEAL, {})
    return document, seal if isinstance(seal, dict) else {}


def write(folder: Path, document: Mapping[str, Any]) -> None:
    """Write the header of a data set that is not finished yet."""
    write_atomically(folder / HEADER, to_json(document), durably=True)


def seal(folder: Path, document: Mapping[str, Any], names: tuple[str, ...]) -> None:
    """Write the header of a finished data set, with the SHA-256 of these of its files.

    The header's own is that of its content without the seal.
    """
    sums = {HEADER: digest(document)}
    sums.update({name: sha256_of(folder / name) for name in names})
    write(folder, {**document, SEAL: sums})


def digest(document: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a header without its seal."""
    return hashlib.sha256(to_json(document)).hexdigest()


def differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Say in words where two headers differ, the keys in order.

    >>> differences({"seed": 1, "count": 5}, {"seed": 2, "count": 5})
    ['seed is 1, not 2']
    """
    keys = dict.fromkeys([*wanted, *found])
    return [
        f"{key} is {_short(found.get(key))}, not {_short(wanted.get(key))}"
        for key in keys
        if found.get(key) != wanted.get(key)
    ]


def to_json(document: Mapping[str, Any]) -> bytes:
    """Return a document as it is written."""
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:37] + "..."
