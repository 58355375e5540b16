"""Whose an image is: told by a column, or by the name of its file."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from medigan_hub.errors import RequestError, listed, named, shortened
from medigan_hub.evaluation.sources.base import ImageSet, Item

PATIENT = "patient"
SEPARATORS = ",;\t"
"""Between columns, as programs of different countries write them."""
FRAME = re.compile(r"(?s)(.*) \(frame [0-9]+\)")
"""The name of an image that is not alone in its file."""


class _Known(ImageSet):
    """A set of whose images more is known."""

    def __init__(self, images: ImageSet, items: Sequence[Item]) -> None:
        self.title, self.facts, self.is_synthetic = images.title, images.facts, images.is_synthetic
        self.header = images.header
        self._images, self._items = images, items

    @property
    def items(self) -> Sequence[Item]:
        """What is known of each image, without reading it."""
        return self._items

    @cached_property
    def key(self) -> str:
        """SHA-256 of all that decides the images."""
        return self._images.key

    def images(self, start: int = 0) -> Iterator[np.ndarray]:
        return self._images.images(start)

    def fact(self, place: int, name: str) -> str | None:
        found = super().fact(place, name)
        return self._images.fact(place, name) if found is None else found

    @property
    def notes(self) -> Sequence[str]:
        return self._images.notes

    def other(self, output: str) -> ImageSet:
        return self._images.other(output)

    def learned(self) -> Mapping[str, Any] | None:
        return self._images.learned()

    def recall(self, learned: Mapping[str, Any]) -> None:
        self._images.recall(learned)

    @property
    def sizes(self) -> Sequence[tuple[int, ...]]:
        return self._images.sizes

    def spacing(self, place: int) -> tuple[float, float] | None:
        return self._images.spacing(place)


def known(images: ImageSet, patients: str | None, table: str | Path | None) -> ImageSet:
    """Return a set with what a table says of its images, and the patients as groups.

    Parameters
    ----------
    patients
        A column of the table, or of what is known of the images already, such as an element of
        DICOM by its keyword; or a regular expression with one group, which is searched for in the
        name of each file.
    table
        A CSV file whose first column names the files.

    Raises
    ------
    RequestError
        There is no such column, the table lacks an image, or the expression does not fit a name.
    """
    items = list(images.items)
    if table is not None:
        rows = _read(Path(table))
        bare = Counter(name.rpartition("/")[2] for name in {_file(item) for item in items})
        items = [_with(item, rows, bare, table) for item in items]
    if patients is not None:
        columns = set.intersection(*({*item.facts} for item in items))
        told = _Known(images, items)
        if patients in columns or told.fact(0, patients) is not None:
            items = [_of(item, told.fact(n, patients)) for n, item in enumerate(items)]
        else:
            items = [_of(item, each) for item, each in _matched(items, patients, columns)]
    return _Known(images, items)


def _of(item: Item, patient: str | None) -> Item:
    if not patient:
        raise RequestError(f"{shortened(item.name)} has no {named('patients')}; fill the column in")
    return replace(item, group=patient, facts={**item.facts, PATIENT: patient})


def _matched(items: Sequence[Item], pattern: str, columns: set[str]) -> Iterator[tuple[Item, str]]:
    there = f"there are {listed(sorted(columns))}" if columns else "there are no columns"
    what = f"{named('patients')} {shortened(pattern)!r} is no column ({there})"
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise RequestError(f"{what}, and no regular expression: {error}") from error
    if expression.groups != 1:
        raise RequestError(
            f"{what}; as a regular expression it needs one group in brackets, as (P[0-9]+)_"
        )
    for item in items:
        found = expression.search(item.name)
        if found is None or not found[1]:
            raise RequestError(f"{what}, and does not fit the name {shortened(item.name)}")
        yield item, found[1]


def _file(item: Item) -> str:
    """Return the file of an image, which may hold others."""
    framed = FRAME.fullmatch(item.name)
    return framed[1] if framed else item.name


def _with(
    item: Item, rows: Mapping[str, Mapping[str, str]], bare: Mapping[str, int], table: str | Path
) -> Item:
    """Return an image with what its row says; ``bare`` counts files by name without folder."""
    file = _file(item)
    alone = file.rpartition("/")[2]
    row = rows.get(item.name) or rows.get(file)
    if row is None and alone in rows:
        if bare[alone] > 1:
            raise RequestError(
                f"{table} says {alone}, and several files are called so; write the folder before "
                f"it, as {shortened(file)}"
            )
        row = rows[alone]
    if row is None:
        raise RequestError(f"{table} says nothing of {shortened(item.name)}; add a row")
    return replace(item, facts={**item.facts, **row})


def _read(path: Path) -> Mapping[str, Mapping[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            first = stream.readline()
            stream.seek(0)
            reader = csv.DictReader(stream, delimiter=max(SEPARATORS, key=first.count))
            columns = list(reader.fieldnames or ())
            if len(columns) < 2 or len({*columns}) < len(columns):
                raise RequestError(
                    f"{path} is no table: give a first line with names of columns, all of them "
                    "different, the first of which is that of the files"
                )
            found: dict[str, Mapping[str, str]] = {}
            for row in reader:
                name = str(row[columns[0]])
                if None in row:
                    raise RequestError(
                        f"{path} has more cells than columns in the row of {shortened(name)}; put "
                        "text with commas in quotes"
                    )
                if name in found:
                    raise RequestError(f"{path} has two rows of {shortened(name)}; leave one out")
                found[name] = {each: row[each] or "" for each in columns[1:]}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "it is no CSV file in UTF-8"
        raise RequestError(f"the table {path} can't be read: {reason}") from error
    return found
