"""``dataset.json``: what is true of every sample, and the seal of a finished data set."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from medigan_hub import provenance
from medigan_hub.errors import OutputError
from medigan_hub.files import open_inside, write_atomically
from medigan_hub.hashes import sha256_of
from medigan_hub.samples import GenerationRequest
from medigan_hub.writers import Arrangement

HEADER = "dataset.json"
LABELS = "labels.csv"
"""The table that goes with a data set of whose samples there is more to say than their files."""
CACHE = "cache"
"""Format of a folder in which a data loader keeps samples."""
SEAL = "seal"
"""Key of the header: SHA-256 of the files that describe a finished data set."""
MAX_HEADER_BYTES = 2**24
"""Bytes in the file; a larger one is no header."""
MAX_DEPTH = 50
"""Lists and objects inside each other; what is deeper is no header, and can't be written again."""


def header(request: GenerationRequest, arrangement: Arrangement) -> dict[str, Any]:
    """Return the header of the data set that a job makes in this arrangement."""
    document = {**provenance.header(request), **arrangement.header(request)}
    tells = (
        any(entry["kind"] == "label" for entry in document["outputs"])
        or any(entry["given"] for entry in document["inputs"])
        or bool(document["conditions"] or document["split"])
    )
    return document | {"labels": LABELS if tells else None}


def first_index(document: Mapping[str, Any]) -> int:
    """Return the index of the first sample of the data set with this header; else 0."""
    found = document.get("indices")
    first = found[0] if isinstance(found, list) and found else 0
    return first if type(first) is int and 0 <= first < 2**62 else 0


class Header(NamedTuple):
    """What ``dataset.json`` says."""

    document: dict[str, Any]
    seal: dict[str, str]
    """Empty before the data set is finished."""
    is_as_written: bool
    """Whether the file is, byte for byte, as the hub writes this header and this seal."""


def read(folder: Path) -> Header | None:
    """Return the header in a folder.

    None where there is no header that can be read, or one of another program:
    ``dataset.json`` is a name that others use too.
    """
    try:
        stream = open_inside(folder, HEADER)
        if stream is None:
            return None
        with stream:
            content = stream.read(MAX_HEADER_BYTES + 1)
        document = json.loads(content) if len(content) <= MAX_HEADER_BYTES else None
        if _depth(document) > MAX_DEPTH:
            return None
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or document.get("synthetic") is not True:
        return None
    if not all(isinstance(document.get(key), str) for key in ("model", "format", "hub_version")):
        return None
    try:
        is_as_written = to_json(document) == content
    except (ValueError, RecursionError):  # such as half a character
        return None
    seal = document.pop(SEAL, {})
    return Header(document, seal if isinstance(seal, dict) else {}, is_as_written)


def write(folder: Path, document: Mapping[str, Any]) -> None:
    """Write the header of a data set that is not finished yet.

    Raises
    ------
    OutputError
        It is too large to be read again.
    """
    content = to_json(document)
    if len(content) > MAX_HEADER_BYTES:
        raise OutputError(
            f"{HEADER} would have {len(content)} bytes, and {MAX_HEADER_BYTES} are possible; "
            "give fewer values of a condition"
        )
    write_atomically(folder / HEADER, content, durably=True)


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


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [
            inner
            for each in level
            if isinstance(each, (dict, list))
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
    return depth


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:37] + "..."
