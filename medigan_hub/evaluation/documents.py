"""What judging found, as JSON documents: written whole, held against a schema, read again."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from medigan_hub import metadata
from medigan_hub.errors import MetadataError, OutputError, listed
from medigan_hub.files import can_be_made, check_replaceable, write_atomically
from medigan_hub.metadata.schemas import excess, faults
from medigan_hub.secrecy import struck
from medigan_hub.terminal import one_line

MAX_VALUES = 500_000
"""Values, and keys, that a document may hold; a figure has some 40."""
MAX_CHARACTERS = 8000
"""Characters of a line; the schemas allow as many."""
MAX_DIGITS = 20
"""Of a whole number: a seed may have as many."""


@dataclass(frozen=True)
class Form:
    """A kind of document."""

    name: str
    """As ``evaluation``: of its file, and of its schema."""
    contradictions: Callable[[Mapping[str, Any]], Iterable[str]] | None = None
    """Yields what is wrong with a document that its schema can't say."""

    @property
    def file(self) -> str:
        """What it is called in a folder."""
        return f"{self.name}.json"

    def place(self, path: Path | str) -> Path:
        """Return where it is saved: a file, or that of its name in a folder.

        Raises
        ------
        OutputError
            It can't be written there.
        """
        path = self._file(path)
        check_replaceable(path)
        if not can_be_made(path):
            raise OutputError(f"{path} can't be written: {path.parent} is no folder of yours")
        return path

    def check_folder(self, folder: Path, *others: str) -> None:
        """Make sure, before the work, that it can be saved in a folder, with other files.

        Raises
        ------
        OutputError
            It can't.
        """
        if folder.is_file() or not can_be_made(folder / self.file):
            raise OutputError(f"{folder} can't be written into; name another folder")
        for name in (self.file, *others):
            check_replaceable(folder / name)

    def save_with(
        self, document: Mapping[str, Any], folder: Path, others: Mapping[str, str]
    ) -> Path:
        """Write a document and other files, texts by their names, into a folder; return its file.

        Raises
        ------
        MetadataError, OutputError
            As for ``save``.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, content in others.items():
                write_atomically(folder / name, content.encode())
        except OSError as error:
            raise OutputError(f"{folder} can't be written: {error.strerror}") from error
        return self.save(document, folder)

    def plain(self, document: Mapping[str, object]) -> dict[str, Any]:
        """Return a document as JSON has it: texts on one line, without secrets; null for NaN."""
        found: dict[str, Any] = _plain(document, cache(_line))
        return found

    def save(self, document: Mapping[str, Any], path: Path | str) -> Path:
        """Write a document to a file, or into a folder, and return the file.

        Raises
        ------
        MetadataError
            It holds what can't be read again.
        OutputError
            The file can't be written.
        """
        path = self.place(path)
        self.check(document, f"the {self.name}")
        text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
        try:
            write_atomically(path, f"{text}\n".encode())
        except OSError as error:
            raise OutputError(
                f"{path} can't be written: {error.strerror}; name another file"
            ) from error
        return path

    def load(self, path: Path | str) -> dict[str, Any]:
        """Read a document from a file, or a folder.

        Raises
        ------
        MetadataError
            The file can't be read, is not JSON, or does not fit the schema; the message names the
            first faults.
        """
        path = self._file(path)
        document: dict[str, Any] = metadata.read(path, digits=MAX_DIGITS)
        self.check(document, str(path))
        return document

    def check(self, document: Any, what: str) -> None:
        """Hold a document, which is called ``what``, against its schema.

        Raises
        ------
        MetadataError
            It does not fit.
        """
        too_much = excess(document, MAX_VALUES)
        schema = f"{self.name}.schema.json"
        found = [too_much] if too_much else [fault.words for fault in faults(document, schema)]
        if not found and self.contradictions is not None:
            found = list(self.contradictions(document))
        if found:
            raise MetadataError(f"{what} is no {self.name} that can be read: {listed(found, '; ')}")

    def _file(self, path: Path | str) -> Path:
        path = Path(path)
        return path / self.file if path.is_dir() else path


def finite(value: float | None) -> float | None:
    """Return a number as JSON has it: None in the place of NaN and infinity."""
    return value if value is not None and math.isfinite(value) else None


def number(value: float | None) -> float:
    """Return a number of a document: NaN in the place of null."""
    return math.nan if value is None else value


def _plain(value: object, line: Callable[[str], str]) -> Any:
    """Return a value as JSON has it; ``line`` is what becomes of texts."""
    if isinstance(value, Mapping):
        return {line(str(key)): _plain(each, line) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each, line) for each in value]
    if isinstance(value, np.generic):
        return _plain(value.item(), line)
    if isinstance(value, (str, Path)):
        return line(str(value))
    return finite(value) if isinstance(value, float) else value


def _line(text: str) -> str:
    return one_line(struck(text), MAX_CHARACTERS)
