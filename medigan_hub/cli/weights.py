"""Commands for the weights that are downloaded, and kept in the cache."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from medigan_hub import weights
from medigan_hub.catalogue import Entry
from medigan_hub.cli.arguments import Json
from medigan_hub.cli.terminal import console, print_json, printable, text
from medigan_hub.errors import HubError, RequestError, WeightsError
from medigan_hub.hub import Hub
from medigan_hub.metadata import ModelMetadata
from medigan_hub.weights import inventory, transfer

app = typer.Typer(help="Fetch, check, carry and clear the weights of models.", no_args_is_help=True)

Models = Annotated[
    list[str] | None,
    typer.Argument(help="Names, medigan ids or their numbers.", show_default=False),
]
All = Annotated[bool, typer.Option("--all", help="All models with weights to download.")]
Folder = Annotated[Path, typer.Argument(help="Folder with weights.", show_default=False)]


@app.command("list")
def list_weights(as_json: Json = False) -> None:
    """List the weights of all models: bundled, cached, absent or damaged."""
    found = [_found(entry) for entry in Hub().models()]
    if as_json:
        print_json([asdict(each) for each in found])
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("model", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("size", no_wrap=True, justify="right")
    table.add_column("SHA-256", no_wrap=True)
    table.add_column("from", overflow="fold")
    for each in found:
        checksum = "-" if each.sha256 is None else each.sha256[:12]
        cells = (each.model, each.state, _size(each.size), checksum, each.source)
        table.add_row(*map(text, cells))
    console(pipe_width=240).print(table)


@app.command()
def fetch(models: Models = None, every: All = False, as_json: Json = False) -> None:
    """Download weights, verify them and keep them in the cache."""

    def one(model: ModelMetadata) -> dict[str, Any]:
        if model.weights.source == "bundled":
            _say(
                f"{model.name}: its weights are in its plugin: medigan install {model.name}",
                as_json,
            )
            return {"state": "bundled"}
        download = weights.fetch(model)
        size = download.path.stat().st_size
        _say(f"{model.name}: {download.path} ({_size(size)})", as_json)
        path = str(download.path)
        return {"state": "cached", "path": path, "sha256": download.sha256, "size": size}

    _each([entry.metadata for entry in _chosen(models, every)], one, as_json)


@app.command()
def verify(models: Models = None, as_json: Json = False) -> None:
    """Hash the weights, and say which are not what they must be."""

    def one(entry: Entry) -> dict[str, Any]:
        found = _found(entry, thorough=True)
        name = entry.metadata.name
        if found.state not in ("bundled", "cached"):
            remedy = "fetch" if entry.metadata.weights.source == "remote" else "install"
            command = "weights fetch" if remedy == "fetch" else "install"
            raise WeightsError(f"the weights of {name} are {found.state}: medigan {command} {name}")
        _say(f"{name}: as it must be (SHA-256 {found.sha256})", as_json)
        return {"state": found.state, "path": found.path, "sha256": found.sha256}

    hub = Hub()
    if models:
        entries = [hub.model(name) for name in models]
    else:
        entries = [entry for entry in hub.models() if _found(entry).state != "absent"]
    if not entries:
        _say("No weights are here; fetch some with: medigan weights fetch MODEL", as_json)
    _each(entries, one, as_json, name=lambda entry: entry.metadata.name)


@app.command()
def clear(
    models: Models = None,
    every: All = False,
    pins: Annotated[
        bool,
        typer.Option("--pins", help="Forget what they must be, too, as for a new version."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Remove downloaded weights from the cache; what they must be stays pinned."""

    def one(model: ModelMetadata) -> dict[str, Any]:
        freed = inventory.clear(model, forget=pins)
        if freed or not every:
            _say(f"{model.name}: {_size(freed)} freed", as_json)
        return {"freed": freed}

    _each([entry.metadata for entry in _chosen(models, every)], one, as_json)
    if every:
        freed = inventory.clear_others(entry.metadata for entry in Hub().models())
        if freed:
            _say(f"of models that are not known any more: {_size(freed)} freed", as_json)


@app.command("export")
def export_weights(folder: Folder, models: Models = None, as_json: Json = False) -> None:
    """Copy cached weights into a folder, to carry them to a machine without a network."""
    hub = Hub()
    if models:
        chosen = [hub.model(name).metadata for name in models]
    else:
        chosen = [e.metadata for e in hub.models() if _found(e).state == "cached"]
    if not chosen:
        raise WeightsError("no weights are in the cache to export: medigan weights fetch MODEL")
    copied = transfer.export(chosen, folder)
    for carried in copied:
        _say(f"{carried.model}: {folder / carried.path} ({_size(carried.size)})", as_json)
    _say(f"On the other machine: medigan weights import {folder}", as_json)
    if as_json:
        print_json([asdict(carried) for carried in copied])


@app.command("import")
def import_weights(folder: Folder, as_json: Json = False) -> None:
    """Take the weights in an exported folder into the cache, each of them verified."""
    known = [entry.metadata for entry in Hub().models()]

    def one(carried: transfer.Carried) -> dict[str, Any]:
        download = transfer.install(carried, folder, known)
        _say(f"{carried.model}: {download.path}", as_json)
        return {"state": "cached", "path": str(download.path), "sha256": download.sha256}

    _each(transfer.manifest(folder), one, as_json, name=lambda carried: carried.model)


def _chosen(models: list[str] | None, every: bool) -> list[Entry]:
    hub = Hub()
    if bool(models) == every:
        raise RequestError("name one model or more, or all of them with --all, but not both")
    if models:
        return [hub.model(name) for name in models]
    return [entry for entry in hub.models() if entry.metadata.weights.source == "remote"]


def _found(entry: Entry, *, thorough: bool = False) -> inventory.Weights:
    folder = None if entry.plugin is None else entry.plugin.folder
    return inventory.find(entry.metadata, folder, thorough=thorough)


def _each(
    items: Iterable[Any],
    action: Callable[[Any], dict[str, Any]],
    as_json: bool,
    name: Callable[[Any], str] = lambda model: str(model.name),
) -> None:
    """Do something with each, say what failed in the end, and print all results as JSON if asked.

    Raises
    ------
    HubError
        The only failure, or one that names all that failed.
    """
    results: list[dict[str, Any]] = []
    failed: dict[str, HubError] = {}
    for item in items:
        try:
            results.append({"model": name(item), **action(item)})
        except HubError as error:
            failed[name(item)] = error
            results.append({"model": name(item), "state": "failed", "error": str(error)})
    if as_json:
        print_json(results)
    if len(results) == len(failed) == 1:
        raise next(iter(failed.values()))
    if failed:
        for model, fault in failed.items():
            print(printable(f"{model}: {' '.join(str(fault).split())}"), file=sys.stderr)
        raise WeightsError(f"{len(failed)} of {len(results)} failed: {', '.join(failed)}")


def _say(words: str, as_json: bool) -> None:
    if not as_json:
        print(printable(words), flush=True)


def _size(size: int | None) -> str:
    return "-" if size is None else f"{size / 2**20:.1f} MiB"
