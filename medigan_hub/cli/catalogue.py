"""Commands that find, show and install models."""

from __future__ import annotations

import importlib
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medigan_hub.catalogue import Entry
from medigan_hub.errors import PluginError
from medigan_hub.hub import Hub

if TYPE_CHECKING:
    from rich.console import Console

    from medigan_hub.search import Match

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Model = Annotated[str, typer.Argument(help="Name, medigan id or its number.", show_default=False)]
Installed = Annotated[bool, typer.Option("--installed", help="Only models that are installed.")]


def _filter(flag: str, text: str) -> Any:
    """Return an option that may be given several times, for any of several values."""
    return typer.Option(flag, help=f"{text}; again for another.", show_default=False)


def list_models(installed: Installed = False, as_json: Json = False) -> None:
    """List the models that the hub knows."""
    entries = [entry for entry in Hub().models() if entry.plugin or not installed]
    if as_json:
        print(json.dumps([summary(entry) for entry in entries], indent=2, ensure_ascii=False))
    elif entries:
        _print_table(entries)
    else:
        print("No model is installed yet: medigan install cyclegan-dbt")


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
        limit=limit,
    )
    if as_json:
        print(json.dumps([_found(match) for match in matches], indent=2, ensure_ascii=False))
    elif matches:
        _print_table([match.entry for match in matches], matches)
    else:
        print("No model matches; see all with: medigan list")


def info(model: Model, as_json: Json = False) -> None:
    """Show one model's card: what it makes, how well, within which limits, how to cite it."""
    entry = Hub().model(model)
    if as_json:
        print(json.dumps(entry.metadata.document, indent=2, ensure_ascii=False))
        return
    from medigan_hub.cli.card import card

    _console(pipe_width=100).print(card(entry), crop=False)


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
    arguments = installation.command(
        entry.metadata, find_links=find_links, no_index=no_index, upgrade=upgrade
    )
    needed = entry.plugin is None or upgrade
    result = {
        "model": name,
        "plugin": entry.metadata.plugin,
        "command": arguments,
        "installed": entry.plugin is not None,
    }
    # With --json, standard output holds the result alone.
    words = sys.stderr if as_json else sys.stdout
    if not needed:
        print(f"{name} is installed already; --upgrade looks for a newer version", file=words)
    elif dry_run:
        print(f"would run: {shlex.join(arguments)}", file=words)
    else:
        print(f"running: {shlex.join(arguments)}", file=words, flush=True)
        installation.run(arguments, words)
        importlib.invalidate_caches()
        if Hub().model(name).plugin is None:
            raise PluginError(
                f"pip ran, but {entry.metadata.plugin} is not found here as a usable plugin of "
                f"{name}; reinstall it, or tell its authors"
            )
        result["installed"] = True
        print(f"{name} is installed; try: medigan preview {name}", file=words)
    if as_json:
        print(json.dumps(result, indent=2))


def summary(entry: Entry) -> dict[str, Any]:
    """Return the facts of a model that lists show."""
    model = entry.metadata
    return {
        "name": model.name,
        "medigan_id": model.medigan_id,
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
    from rich.table import Table
    from rich.text import Text

    models = [entry.metadata for entry in entries]
    columns = {  # in the order of their weight: the last is the first to go
        "name": [model.name for model in models],
        "value": [_value(match) for match in matches if match.metric is not None],
        "id": [model.medigan_id[:5] if model.medigan_id else "-" for model in models],
        "installed": ["yes" if entry.plugin else "no" for entry in entries],
        "modality": [model.modality[0] for model in models],
        "licence": [model.licence or "not stated" for model in models],
        "task": [model.task for model in models],
        "matched in": [_matched(match) for match in matches],
    }
    columns = {heading: cells for heading, cells in columns.items() if any(cells)}
    console = _console(pipe_width=240)
    while sum(2 + max(map(len, [name, *column])) for name, column in columns.items()) > (
        console.width + 2
    ):
        if len(columns) == 1:
            break
        columns.popitem()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in columns:
        table.add_column(heading, no_wrap=True, justify="right" if heading == "value" else "left")
    for cells in zip(*columns.values(), strict=True):
        table.add_row(*map(Text, cells))
    if matches and matches[0].metric is not None:
        console.print(f"Ranked by {matches[0].metric}:")
    console.print(table)


def _value(match: Match) -> str:
    return "none" if match.value is None else f"{match.value:g}"


def _matched(match: Match) -> str:
    return ", ".join(dict.fromkeys(name for names in match.fields.values() for name in names))


def _console(pipe_width: int) -> Console:
    """Return where tables are printed; in a pipe there is no width to fit into."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else pipe_width, highlight=False)
