"""``labels.csv``: what the manifest says of the samples, as a table for training scripts.

RFC 4180, in UTF-8: one row a sample, with its files, its index, its split, and its labels,
conditions and input. A column is called by the way to its value in the manifest's rows, such
as ``labels.side``; beside a label whose values have names is ``labels.side.class``.

A text that begins as a formula does gets an apostrophe in front: spreadsheets would run it,
and texts of conditions and names of files may be anybody's. The manifest has it as it is.
Source: OWASP, "CSV Injection", https://owasp.org/www-community/attacks/CSV_Injection
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from medigan_hub.dataset import manifest
from medigan_hub.dataset.header import LABELS
from medigan_hub.files import replacing

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a cell begins with that a spreadsheet runs."""
FILE_FACTS = ("path", "member")
"""Of what the manifest says of a file."""


def write(folder: Path, header: Mapping[str, Any]) -> None:
    """Write the table of the data set with this header, whose manifest is finished, if it has one.

    Only a row at a time is in memory.
    """
    if header.get("labels") != LABELS:
        return
    classes = {entry["name"]: entry.get("classes", ()) for entry in header["outputs"]}
    columns: dict[str, None] = {}
    for row in manifest.rows(folder, manifest.MANIFEST):
        columns.update(dict.fromkeys(name for name, _ in _cells(row, classes)))
    names = sorted(columns, key=_place)
    with replacing(folder / LABELS, durably=True) as stream:
        stream.write(line(names))
        for row in manifest.rows(folder, manifest.MANIFEST):
            cells = dict(_cells(row, classes))
            stream.write(line([cells.get(name, "") for name in names]))


def _cells(row: manifest.Row, classes: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the columns of a row, each with what stands there."""
    for key, value in row.items():
        if key == "files":
            for name, file in value.items():
                if not name.startswith("_"):  # no array
                    yield from ((f"files.{name}.{f}", file[f]) for f in FILE_FACTS if f in file)
        elif isinstance(value, dict):
            for name, each in value.items():
                yield f"{key}.{name}", cell(each)
                names = classes.get(name, ()) if key == "labels" else ()
                if names and type(each) is int and 0 <= each < len(names):
                    yield f"{key}.{name}.class", cell(names[each])
        else:
            yield key, cell(value)


def _place(column: str) -> int:
    """Return how far in front a column stands: first which sample it is, and where it lies."""
    first = ("files", "index", "split")
    key = column.partition(".")[0]
    return first.index(key) if key in first else len(first)


def cell(value: Any) -> str:
    """Return what stands in a cell: a text that is no formula, JSON of anything else.

    >>> cell("=1+1"), cell(None), cell(0.5)
    ("'=1+1", '', '0.5')
    """
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULA) else value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def line(cells: Iterable[str]) -> bytes:
    """Return a row of a table, with its end."""
    stream = io.StringIO(newline="")
    csv.writer(stream).writerow(cells)
    return stream.getvalue().encode()
