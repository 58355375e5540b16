"""Commands for the weights that are downloaded, and kept in the cache."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from medigan_hub.catalogue import Entry
from medigan_hub.cli.arguments import Json
from medigan_hub.errors import HubError, RequestError, WeightsError, named
from medigan_hub.hub import Hub
from medigan_hub.metadata import WeightsFile
from medigan_hub.terminal import console, print_json, printable, text

if TYPE_CHECKING:
    from medigan_hub.weights import Download, Owner, inventory, transfer

app = typer.Typer(help="Fetch, check, carry and clear weights.", no_args_is_help=True)

Item: TypeAlias = "tuple[Owner, WeightsFile]"
Models = Annotated[
    list[str] | None,
    typer.Argument(
        help="Names, medigan ids or their numbers; or extractors, as inception.", show_default=False
    ),
]
All = Annotated[bool, typer.Option("--all", help="All weights that are downloaded.")]
Folder = Annotated[Path, typer.Argument(help="Folder with weights.", show_default=False)]


@dataclass(frozen=True)
class Holder:
    """Whose weights are meant, a model or an extractor, and the folder of those in its plugin."""

    owner: Owner
    folder: Path | None = None


@app.command("list")
def list_weights(as_json: Json = False) -> None:
    """List all weights, of models and of extractors: bundled, cached, absent or damaged."""
    found = [each for holder in _all() for each in _found(holder)]
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
    from medigan_hub import weights

    def one(item: Item) -> dict[str, Any]:
        model, file = item
        if not file.is_remote:
            _say(
                f"{model.name}: its weights are in its plugin: medigan install {model.name}",
                as_json,
            )
            return {"state": "bundled"}
        download = weights.fetch(model, file)
        size = download.path.stat().st_size
        _say(f"{model.name}: {download.path} ({_size(size)})", as_json)
        path = str(download.path)
        return {"state": "cached", "path": path, "sha256": download.sha256, "size": size}

    _each(_files(_chosen(models, every), every), one, as_json, name=_name)


@app.command()
def verify(models: Models = None, as_json: Json = False) -> None:
    """Hash the weights, and say which are not what they must be."""

    def one(item: tuple[Holder, WeightsFile]) -> dict[str, Any]:
        holder, file = item
        found = _stock(holder, file, thorough=True)
        name = holder.owner.name
        if found.state not in ("bundled", "cached"):
            command = "weights fetch" if file.is_remote else "install"
            raise WeightsError(f"the weights of {name} are {found.state}: medigan {command} {name}")
        _say(f"{name}: as it must be (SHA-256 {found.sha256})", as_json)
        return {"state": found.state, "path": found.path, "sha256": found.sha256}

    if models:
        holders = _named(models)
    else:
        holders = [h for h in _all() if any(each.state != "absent" for each in _found(h))]
    if not holders:
        _say("No weights are here; fetch some with: medigan weights fetch MODEL", as_json)
    items = [(holder, file) for holder in holders for file in holder.owner.files]
    _each(items, one, as_json, name=lambda item: item[0].owner.name)


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
    from medigan_hub.weights import inventory

    def one(item: Item) -> dict[str, Any]:
        model, file = item
        freed = inventory.clear(model, file, forget=pins)
        if freed or not every:
            _say(f"{model.name}: {_size(freed)} freed", as_json)
        return {"freed": freed}

    _each(_files(_chosen(models, every), every), one, as_json, name=_name)
    if every:
        freed = inventory.clear_others(holder.owner for holder in _all())
        if freed:
            _say(f"of models that are not known any more: {_size(freed)} freed", as_json)


@app.command("export")
def export_weights(folder: Folder, models: Models = None, as_json: Json = False) -> None:
    """Copy cached weights into a folder, to carry them to a machine without a network."""
    from medigan_hub.weights import transfer

    if models:
        chosen = [holder.owner for holder in _named(models)]
    else:
        chosen = [h.owner for h in _all() if any(each.state == "cached" for each in _found(h))]
    if not chosen:
        raise WeightsError("no weights are in the cache to export: medigan weights fetch MODEL")
    copied = transfer.export(chosen, folder)
    for carried in copied:
        _say(f"{carried.model}: {folder / carried.path} ({_size(carried.size)})", as_json)
    _say(f"On the other machine: medigan weights import {folder}", as_json)
    if as_json:
        print_json([asdict(carried) for carried in copied])


@app.command("import")
def import_weights(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FOLDER|MODEL",
            help="Folder with exported weights; or the model whose file follows.",
            show_default=False,
        ),
    ],
    file: Annotated[
        Path | None,
        typer.Argument(help="A file that was downloaded in a browser.", show_default=False),
    ] = None,
    checksum: Annotated[
        str | None,
        typer.Option(
            metavar="md5:DIGITS|sha256:DIGITS",
            help="What the file must be, as its Zenodo record says; needed where the hub has none.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Take weights into the cache, verified: an exported folder, or a file from a browser."""
    if file is None:
        if checksum is not None:
            raise RequestError(
                f"{named('checksum')} is that of a file; name model and file: medigan weights "
                "import MODEL FILE"
            )
        _import_folder(Path(source), as_json)
        return
    from medigan_hub.weights import by_hand

    model = _named([source])[0].owner
    known = [holder.owner for holder in _all() if holder.owner.name != model.name]

    def one(file: Path) -> dict[str, Any]:
        return _taken(model.name, by_hand.take(model, file, checksum, known), as_json)

    _each([file], one, as_json, name=lambda file: model.name)


def _import_folder(folder: Path, as_json: bool) -> None:
    from medigan_hub.weights import transfer

    if not folder.is_dir():
        raise WeightsError(
            f"{folder} holds no weights to import: it is no folder; of a file from a browser, name "
            "the model, too: medigan weights import MODEL FILE"
        )
    known = [holder.owner for holder in _all()]

    def one(carried: transfer.Carried) -> dict[str, Any]:
        return _taken(carried.model, transfer.install(carried, folder, known), as_json)

    _each(transfer.manifest(folder), one, as_json, name=lambda carried: carried.model)


def _taken(model: str, download: Download, as_json: bool) -> dict[str, Any]:
    _say(f"{model}: {download.path}", as_json)
    return {"state": "cached", "path": str(download.path), "sha256": download.sha256}


def _all() -> list[Holder]:
    from medigan_hub.evaluation import extractors

    return [*map(_holder, Hub().models()), *map(Holder, extractors.published())]


def _named(names: Iterable[str]) -> list[Holder]:
    from medigan_hub.evaluation import extractors

    hub, known = Hub(), {owner.name: Holder(owner) for owner in extractors.published()}
    return [known[name] if name in known else _holder(hub.model(name)) for name in names]


def _holder(entry: Entry) -> Holder:
    return Holder(entry.metadata, None if entry.plugin is None else entry.plugin.folder)


def _chosen(models: list[str] | None, every: bool) -> list[Holder]:
    if bool(models) == every:
        raise RequestError(
            f"name one model or more, or all of them with {named('every', True)}, but not both"
        )
    if models:
        return _named(models)
    return [holder for holder in _all() if any(file.is_remote for file in holder.owner.files)]


def _files(holders: Iterable[Holder], every: bool) -> list[Item]:
    """Return their files, each once; where all are meant, only those to download."""
    owners = [holder.owner for holder in holders]
    return [(o, file) for o in owners for file in o.files if file.is_remote or not every]


def _name(item: Item) -> str:
    return item[0].name


def _found(holder: Holder) -> list[inventory.Stock]:
    return [_stock(holder, file) for file in holder.owner.files]


def _stock(holder: Holder, file: WeightsFile, *, thorough: bool = False) -> inventory.Stock:
    from medigan_hub.weights import inventory

    return inventory.find(holder.owner, file, holder.folder, thorough=thorough)


def _each(
    items: Iterable[Any],
    action: Callable[[Any], dict[str, Any]],
    as_json: bool,
    name: Callable[[Any], str],
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
