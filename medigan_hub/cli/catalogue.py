"""Commands that show what models there are."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from medigan_hub.catalogue import Entry
from medigan_hub.hub import Hub
from medigan_hub.metadata import Parameter

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def list_models(
    installed: Annotated[
        bool, typer.Option("--installed", help="Only models whose plugin is installed.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the models that the hub knows."""
    entries = [entry for entry in Hub().models() if entry.plugin or not installed]
    if as_json:
        print(json.dumps([summary(entry) for entry in entries], indent=2))
    elif entries:
        _print_table(entries)
    else:
        print("No model is installed yet: pip install medigan-model-cyclegan-dbt")


def info(
    model: Annotated[str, typer.Argument(help="Name, medigan id or its number.")],
    as_json: Json = False,
) -> None:
    """Show one model: what it makes, from what, with which limits."""
    entry = Hub().model(model)
    if as_json:
        print(json.dumps(entry.metadata.document, indent=2, ensure_ascii=False))
    else:
        print(_card(entry))


def summary(entry: Entry) -> dict[str, Any]:
    """Return the facts of a model that lists show."""
    model = entry.metadata
    return {
        "name": model.name,
        "medigan_id": model.medigan_id,
        "title": model.title,
        "version": model.version,
        "installed": entry.plugin is not None,
        "task": model.task,
        "architecture": model.architecture,
        "framework": model.framework,
        "modality": list(model.modality),
        "organ": list(model.organ),
        "dataset": list(model.dataset),
        "licence": model.licence,
    }


def _print_table(entries: Sequence[Entry]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("name", "task", "modality", "licence", "installed"):
        table.add_column(heading, no_wrap=heading != "modality")
    for entry in entries:
        model = entry.metadata
        table.add_row(
            model.name,
            model.task,
            ", ".join(model.modality),
            model.licence or "not stated",
            "yes" if entry.plugin else "no",
        )
    # In a pipe there is no width to fit into.
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def _card(entry: Entry) -> str:
    model, document = entry.metadata, entry.metadata.document
    lines = [
        f"{model.name} {model.version}: {model.title}",
        "",
        document["description"],
        "",
        f"task          {model.task}",
        f"architecture  {model.architecture} ({model.framework})",
        f"modality      {', '.join(model.modality)}",
        f"organ         {', '.join(model.organ)}",
        f"trained on    {', '.join(model.dataset)}",
        f"licence       {model.licence or 'not stated'}",
        f"installed     {'yes' if entry.plugin else f'no: pip install {model.plugin}'}",
    ]
    for output in model.outputs:
        shape = " x ".join("any" if size is None else str(size) for size in output.shape)
        low, high = output.range
        lines.append(f"makes         {output.name}: {shape}, {output.dtype}, {low:g} to {high:g}")
    lines += [_parameter("condition", parameter) for parameter in model.conditions]
    lines += [_parameter("option", parameter) for parameter in model.options]
    for figure in document.get("performance", ()):
        spread = f" (spread {figure['spread']:g})" if "spread" in figure else ""
        meaning = f": {figure['compares']}" if "compares" in figure else ""
        lines.append(f"measured      {figure['metric']} {figure['value']:g}{spread}{meaning}")
    lines += ["", f"Intended use: {document['intended_use']}"]
    lines += [f"Not for: {text}" for text in document.get("not_intended_for", ())]
    lines += [f"Limitation: {text}" for text in document["limitations"]]
    return "\n".join(lines)


def _parameter(kind: str, parameter: Parameter) -> str:
    default = "" if parameter.default is None else f", by default {parameter.default}"
    return f"{kind:13} {parameter.name}: {parameter.allowed}{default}. {parameter.description}"
