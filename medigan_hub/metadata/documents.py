"""Reading documents: from bytes to metadata that is valid."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from medigan_hub._version import __version__
from medigan_hub.errors import MetadataError, listed, shortened
from medigan_hub.files import cache_folder, read_own, read_regular, write_atomically
from medigan_hub.metadata.model import ModelMetadata
from medigan_hub.metadata.schemas import schema_text
from medigan_hub.metadata.validation import MAX_FAULT_CHARACTERS, SCHEMA, validate

MAX_FILE_BYTES = 16 * 2**20
"""Bytes that a file of documents may have."""
MAX_CHARACTERS = 2**20
"""Characters that one document may have; its file has at most twice as many bytes."""


def load(path: Path) -> ModelMetadata:
    """Read and validate the metadata document at ``path``.

    The verdict on a document is kept in the cache under the document's hash,
    so that a document that was found valid costs one hash from then on.

    Raises
    ------
    MetadataError
        The file is missing, is not JSON, or does not fit the schema; the
        message names the first faults.
    """
    return checked(read(path, 2 * MAX_CHARACTERS), str(path))


def read(path: Path, most: int = MAX_FILE_BYTES, *, digits: int = 16) -> Any:
    """Return the JSON value in a file of at most ``most`` bytes; see ``parse``.

    Raises
    ------
    MetadataError
        The file can't be read, is too large, or is not JSON.
    """
    try:
        content = read_regular(path, most)
    except (OSError, ValueError) as error:  # a name with a null character is no OSError
        reason = getattr(error, "strerror", None) or error
        raise MetadataError(f"{path} can't be read: {reason}") from error
    return parse(content, str(path), digits=digits)


def parse(content: bytes, where: str, *, digits: int = 16) -> Any:
    """Return the JSON value in ``content``; ``where`` it is from is for the message.

    Whole numbers of more than ``digits`` characters are refused: beyond 16, other languages and
    floats lose some.

    Raises
    ------
    MetadataError
        The content is not JSON.
    """
    try:
        value = json.loads(
            content,
            parse_constant=_refuse,
            parse_float=_float,
            parse_int=partial(_int, digits=digits),
            object_pairs_hook=_object,
        )
        # Half a character of UTF-16 is JSON, and can be neither printed nor stored.
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        reason = shortened(error)
        raise MetadataError(f"{where} is not JSON that can be used: {reason}") from error
    return value


def checked(document: Any, where: str) -> ModelMetadata:
    """Return a document as metadata, once it is found to be valid.

    Raises
    ------
    MetadataError
        The document does not fit the schema; the message names the first faults.
    """
    faults = _faults_remembered(document)
    if faults:
        raise MetadataError(
            f"{where} is not valid: {listed(faults, '; ', length=MAX_FAULT_CHARACTERS)}"
        )
    return ModelMetadata.from_document(document)


def _faults_remembered(document: Any) -> list[str]:
    try:
        text = json.dumps(document)
    except RecursionError:
        return validate(document)
    if len(text) > MAX_CHARACTERS:
        return [f"it has {len(text)} characters; a document has at most {MAX_CHARACTERS}"]
    key = hashlib.sha256(text.encode())
    key.update(schema_text(SCHEMA).encode())
    key.update(__version__.encode())
    verdict = cache_folder() / "verdicts" / f"{key.hexdigest()}.json"
    try:
        remembered = json.loads(read_own(verdict))
        if isinstance(remembered, list) and all(isinstance(fault, str) for fault in remembered):
            return remembered
    except (OSError, ValueError):
        pass
    faults = validate(document)
    with suppress(OSError):  # a cache that can't be written costs time, nothing else
        write_atomically(verdict, json.dumps(faults).encode())
    return faults


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key that stands twice: readers differ in which of the two they believe."""
    value = dict(pairs)
    if len(value) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        twice = next(key for key, count in counts.items() if count > 1)
        raise ValueError(f"the key {shortened(twice, 60)} stands twice in one object")
    return value


def _refuse(name: str) -> None:
    """Refuse NaN and Infinity, which Python reads and JSON does not have."""
    raise ValueError(f"{name} is no JSON number")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:20]} is too large")
    return value


def _int(text: str, digits: int) -> int:
    if len(text) > digits:
        raise ValueError(f"the number {text[:20]}... is too large")
    return int(text)
