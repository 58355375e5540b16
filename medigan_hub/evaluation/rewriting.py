"""Putting what was found into a model's ``metadata.json``: all else in it stays, byte for byte."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medigan_hub import metadata
from medigan_hub.errors import MetadataError, OutputError, RequestError
from medigan_hub.files import check_replaceable, write_atomically

SPACE = re.compile(r"\s*")


def read(path: Path, model: str | None) -> Mapping[str, Any]:
    """Return the document of a model that was judged.

    Parameters
    ----------
    model
        The model's name, where it is known.

    Raises
    ------
    MetadataError
        The file can't be read, or is not valid.
    OutputError
        It is a link or the like.
    RequestError
        It is that of another model.
    """
    document: Mapping[str, Any] = metadata.load(path).document
    if model is not None and model != document["name"]:
        raise RequestError(
            f"the evaluation is of {model}, and {path} describes {document['name']}; "
            "name the metadata.json of the model that was evaluated"
        )
    check_replaceable(path)
    return document


def write(path: Path, key: str, value: Any, words: str) -> None:
    """Give a key of the document in a file a value.

    Parameters
    ----------
    words
        What the value is, such as "these figures".

    Raises
    ------
    MetadataError
        The document is not valid with it.
    OutputError
        The file can't be written.
    """
    try:
        text = _with(path.read_bytes().decode(), key, value)
        metadata.checked(metadata.parse(text.encode(), str(path)), str(path))
    except UnicodeDecodeError as error:
        raise MetadataError(f"{path} is not in UTF-8; save it so") from error
    except MetadataError as error:
        raise MetadataError(f"with {words}, {error}") from error
    try:
        write_atomically(path, text.encode())
    except OSError as error:
        raise OutputError(f"{path} can't be written: {error.strerror}") from error


def _with(text: str, key: str, value: Any) -> str:
    """Return the text of a document with another value of a key, and all else as it was."""
    indent = SPACE.match(text, text.index("{") + 1)[0].rpartition("\n")[2] or "  "  # type: ignore[index]
    line = f"\r\n{indent}" if "\r\n" in text else f"\n{indent}"
    written = json.dumps(value, indent=indent, ensure_ascii=False).replace("\n", line)
    spans = _spans(text)
    if key in spans:
        start, end = spans[key]
        return text[:start] + written + text[end:]
    _, end = max(spans.values())
    return f'{text[:end]},{line}"{key}": {written}{text[end:]}'


def _spans(text: str) -> dict[str, tuple[int, int]]:
    """Return where the value of each key of a JSON object begins and ends in its text."""
    decoder, found = json.JSONDecoder(), {}
    place = text.index("{") + 1
    while text[place] != "}":
        key, place = decoder.raw_decode(text, _after(text, place))
        start = _after(text, _after(text, place) + 1)
        _, end = decoder.raw_decode(text, start)
        found[key] = start, end
        place = _after(text, end)
        place = _after(text, place + 1) if text[place] == "," else place
    return found


def _after(text: str, place: int) -> int:
    """Return the first place from one on that is no space."""
    return SPACE.match(text, place).end()  # type: ignore[union-attr]
