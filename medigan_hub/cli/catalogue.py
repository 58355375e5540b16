"""Commands that find, show and install models."""

from __future__ import annotations

import importlib
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from medigan_hub.catalogue import Entry
from medigan_hub.cli.arguments import Json, Model
from medigan_hub.errors import PluginError
from medigan_hub.hub import Hub
from medigan_hub.terminal import console, print_json, printable, text

if TYPE_CHECKING:
    from medigan_hub.search import Match

FOLDED = "matched in"
GAP = 2

Installed = Annotated[bool, typer.Option("--installed", help="Only models that are installed.")]


def _filter(flag: str, text: str) -> Any:
    """Return an option that may be given several times, for any of several values."""
    return typer.Option(flag, help=f"{text}; again for another.", show_default=False)


def list_models(installed: Installed = False, as_json: Json = False) -> None:
    """List the models that the hub knows."""
    entries = [entry for entry in Hub().models() if entry.plugin or not installed]
    if as_json:
        print_json([summary(entry) for entry in entries])
    elif entries:
        _print_table(entries)
    else:
        print("No model is installed yet: medigan install fastgan-brain-mri")


def search(
    words: Annotated[
        list[str] | None,
        typer.Argument(help="Words that a model must have; none list all.", show_default=False),
    ] = None,
    modality: Annotated[list[str] | None, _filter("--modality", "Only this modality")] = None,
    organ: Annotated[list[str] | None, _filter("--organ", "Only this organ")] = None,
    task: Annotated[list[str] | None, _filter("--task", "Only this task")] = None,
    architecture: Annotated[
        list[str] | None, _filter("--architecture", "Only this kind of network")
    ] = None,
    dataset: Annotated[list[str] | None, _filter("--dataset", "Only trained on this")] = None,
    framework: Annotated[list[str] | None, _filter("--framework", "Only this framework")] = None,
    licence: Annotated[list[str] | None, _filter("--licence", "Only this licence")] = None,
    installed: Installed = False,
    operator: Annotated[
        str | None,
        typer.Option(
            "--operator", help="and: all words (default); or: any; xor: one.", show_default=False
        ),
    ] = None,
    case_sensitive: Annotated[
        bool, typer.Option("--case-sensitive", help="Words exactly as written; no synonyms.")
    ] = False,
    rank_by: Annotated[
        str | None, typer.Option("--rank-by", help="Sort by this metric.", show_default=False)
    ] = None,
    order: Annotated[
        str | None,
        typer.Option("--order", help="asc or desc; by default the better first."),
    ] = None,
    figures: Annotated[
        Path | None,
        typer.Option(
            "--figures",
            metavar="FILE",
            help="With --rank-by: benchmark.json, whose figures count alone.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", help="Show so many at most.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Find models by words and fields, and rank them by a metric."""
    matches = Hub().search(
        words or (),
        operator=operator,
        case_sensitive=case_sensitive,
        modality=modality or None,
        organ=organ or None,
        task=task or None,
        architecture=architecture or None,
        dataset=dataset or None,
        framework=framework or None,
        licence=licence or None,
        installed=True if installed else None,
        rank_by=rank_by,
        order=order,
        figures=figures,
        limit=limit,
    )
    if as_json:
        print_json([_found(match) for match in matches])
    elif matches:
        _print_table([match.entry for match in matches], matches)
    else:
        narrow = len(words or ()) > 1 and operator is None and not {"or", "xor"} & {*(words or ())}
        hint = "; --operator or asks for any of the words" if narrow else ""
        print(f"No model matches{hint}; see all with: medigan list")


def info(model: Model, as_json: Json = False) -> None:
    """Show one model's card: what it makes, how well, within which limits, how to cite it."""
    entry = Hub().model(model)
    if as_json:
        print_json(entry.metadata.document)
        return
    from medigan_hub.cli.card import card

    console(pipe_width=100).print(card(entry), crop=False)


def install(
    model: Model,
    find_links: Annotated[
        Path | None,
        typer.Option("--find-links", help="Folder with wheels.", show_default=False),
    ] = None,
    no_index: Annotated[
        bool, typer.Option("--no-index", help="Take packages from that folder alone.")
    ] = False,
    upgrade: Annotated[
        bool, typer.Option("--upgrade", help="Install the newest version over an older one.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be run, and run nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Install a model's plugin with pip, from an index or a folder of wheels."""
    from medigan_hub import installation

    entry = Hub().model(model)
    name = entry.metadata.name
    result: dict[str, Any] = {
        "model": name,
        "plugin": entry.metadata.plugin,
        "command": None,
        "installed": entry.plugin is not None,
    }
    # With --json, standard output holds the result alone.
    words = sys.stderr if as_json else sys.stdout
    if entry.plugin is not None and not upgrade:
        print(f"{name} is installed already; --upgrade looks for a newer version", file=words)
    else:
        command = installation.command(
            entry.metadata, find_links=find_links, no_index=no_index, upgrade=upgrade
        )
        result["command"] = command
        line = printable(shlex.join(command))
        if dry_run:
            print(f"would run: {line}", file=words)
        else:
            print(f"running: {line}", file=words, flush=True)
            _install(entry, command, words)
            result["installed"] = True
            print(f"{name} is installed; try: medigan preview {name}", file=words)
    if as_json:
        print_json(result)


def _install(entry: Entry, command: list[str], output: IO[str]) -> None:
    from medigan_hub import installation

    installation.run(command, output)
    importlib.invalidate_caches()
    if Hub().model(entry.metadata.name).plugin is None:
        raise PluginError(
            f"pip ran, but {entry.metadata.plugin} is not found here as a usable plugin of "
            f"{entry.metadata.name}; reinstall it, or tell its authors"
        )


def summary(entry: Entry) -> dict[str, Any]:
    """Return the facts of a model that lists show."""
    model = entry.metadata
    return {
        "name": model.name,
        "medigan_id": model.medigan_id,
        "runtimes": list(model.runtimes),
        "title": model.title,
        "version": model.version,
        "plugin": model.plugin,
        "installed": entry.plugin is not None,
        "task": model.task,
        "architecture": model.architecture,
        "framework": model.framework,
        "modality": list(model.modality),
        "organ": list(model.organ),
        "dataset": list(model.dataset),
        "licence": model.licence,
    }


def _found(match: Match) -> dict[str, Any]:
    facts = {**summary(match.entry), "matched": dict(match.fields)}
    if match.metric is not None:
        facts |= {"metric": match.metric, "value": match.value}
    return facts


def _print_table(entries: Sequence[Entry], matches: Sequence[Match] = ()) -> None:
    """Print one line a model, with as many columns as the terminal has room for."""
    from rich.cells import cell_len
    from rich.table import Table

    models = [entry.metadata for entry in entries]
    columns = {  # in the order of their weight: the last is the first to go
        "name": [model.name for model in models],
        "value": [_value(match) for match in matches if match.metric is not None],
        "id": [model.medigan_id[:5] if model.medigan_id else "-" for model in models],
        FOLDED: [_matched(match) for match in matches],
        "installed": ["yes" if entry.plugin else "no" for entry in entries],
        "modality": [model.modality[0] for model in models],
        "framework": [model.framework for model in models],
        "licence": [model.licence or "not stated" for model in models],
        "task": [model.task for model in models],
    }
    columns = {heading: cells for heading, cells in columns.items() if any(cells)}
    widths = {
        heading: max(map(cell_len, map(printable, [heading, *cells])))
        for heading, cells in columns.items()
    }
    if FOLDED in widths:
        widths[FOLDED] = min(widths[FOLDED], 20)
    target = console(pipe_width=240)
    while len(columns) > 1 and sum(widths[name] + GAP for name in columns) > target.width + GAP:
        columns.popitem()
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0))
    for heading in columns:
        table.add_column(
            heading,
            justify="right" if heading == "value" else "left",
            overflow="fold",
            min_width=min(widths[heading], target.width),
        )
    for cells in zip(*columns.values(), strict=True):
        table.add_row(*map(text, cells))
    if matches and matches[0].metric is not None:
        target.print(text(f"Ranked by {matches[0].metric}:"))
    target.print(table)


def _value(match: Match) -> str:
    return "none" if match.value is None else f"{match.value:g}"


def _matched(match: Match) -> str:
    return ", ".join(dict.fromkeys(name for names in match.fields.values() for name in names))
