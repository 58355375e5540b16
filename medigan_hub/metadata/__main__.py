"""Validates documents: a line for each fault, and exit code 1 where there is one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from medigan_hub import actions, terminal
from medigan_hub.errors import MetadataError
from medigan_hub.metadata import read, validate


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``python -m medigan_hub.metadata FILE...``."""
    parser = argparse.ArgumentParser(
        prog="python -m medigan_hub.metadata",
        description="Validate metadata documents of models against the schema.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="such as metadata.json")
    files = parser.parse_args(arguments).files
    terminal.prepare()
    broken = False
    for file in files:
        faults = _faults(file)
        broken = broken or bool(faults)
        with actions.quoted():
            for line in faults or ["valid"]:
                print(terminal.one_line(f"{file}: {line}"))  # noqa: T201 (this is a command)
        if actions.wanted():
            for fault in faults:
                print(actions.annotation(fault, title="model metadata", file=file))  # noqa: T201
    sys.exit(1 if broken else 0)


def _faults(file: Path) -> list[str]:
    try:
        return validate(read(file))
    except MetadataError as error:
        return [str(error).removeprefix(f"{file} ")]


if __name__ == "__main__":
    main()
