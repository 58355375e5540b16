"""Commands that look at a data set on disk."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medigan_hub.cli.arguments import Json
from medigan_hub.errors import OutputError
from medigan_hub.hub import Hub
from medigan_hub.terminal import print_json, printable

if TYPE_CHECKING:
    from medigan_hub.dataset import Verdict

SHOWN = 20
"""Files of a kind that are named one by one."""


def verify(
    folder: Annotated[Path, typer.Argument(help="Folder of the data set.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Check a data set against its manifest: is anything missing, changed or extra?"""
    verdict = Hub().verify(folder)
    if as_json:
        print_json({"ok": verdict.ok, **asdict(verdict), "folder": str(folder)})
        if not verdict.ok:
            raise typer.Exit(1)
        return
    if verdict.ok:
        samples = "sample" if verdict.count == 1 else "samples"
        print(f"{folder} holds {verdict.count} {samples}, all as they were written")
        return
    for word in ("missing", "changed", "extra"):
        names = getattr(verdict, word)
        for name in names[:SHOWN]:
            print(f"{word}: {_line(name)}")
        if len(names) > SHOWN:
            print(f"{word}: {len(names) - SHOWN} more")
    for fault in verdict.faults[:SHOWN]:
        print(_line(fault))
    raise OutputError(_summary(folder, verdict))


def _line(words: str) -> str:
    """Return a name that others gave in one line, so that none can pretend to be a line of ours."""
    return printable(words.replace("\n", "\\n"))


def _summary(folder: Path, verdict: Verdict) -> str:
    counts = {
        "missing": len(verdict.missing),
        "changed": len(verdict.changed),
        "extra": len(verdict.extra),
        "wrong in the manifest": len(verdict.faults),
    }
    words = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    if not verdict.finished:
        words = ", ".join(
            filter(None, (f"unfinished: {verdict.listed} of {verdict.count} samples", words))
        )
    remedies = []
    if not verdict.finished or verdict.missing or verdict.changed or verdict.faults:
        remedies.append("mend it with the command that made it and --resume")
    if verdict.extra and not remedies:  # mending comes first: it may need what looks extra
        remedies.append("remove what is extra")
    return f"{folder} is not as it should be: {words}; {', '.join(remedies)}"
