"""The model card of a model, from its metadata alone.

It is the README of a published model's plugin, which

    python -m medigan_hub.contribution.card plugins/medigan-model-NAME

writes anew, and what the app shows of every model.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from medigan_hub import metadata
from medigan_hub.citation import bibtex
from medigan_hub.files import write_atomically
from medigan_hub.metadata import ModelMetadata, Parameter

RUNTIMES = {
    "native": "natively, by the hub's own network",
    "archive": "by the code published with it, in an environment of its own",
}


def readme(model: ModelMetadata) -> str:
    """Return the card of a model as Markdown."""
    return "\n\n".join(part for part in _parts(model) if part) + "\n"


def _parts(model: ModelMetadata) -> Iterator[str]:
    document = model.document
    yield f"# {model.plugin}"
    yield f"A model for medigan-hub: {model.title}."
    yield document["description"]
    yield "## Use"
    yield _use(model)
    for kind, parameters in (("condition", model.conditions), ("option", model.options)):
        yield _parameters(kind, parameters)
    yield _inputs(document.get("inputs", ()))
    yield "## What it is"
    yield _facts(model)
    yield "## What it makes"
    yield "\n".join(_output(output) for output in document["outputs"])
    yield "## How well it does"
    yield _figures(document.get("performance", ()))
    yield "## Limitations"
    yield _list(document["limitations"])
    yield f"Intended use: {document['intended_use']}"
    if document.get("not_intended_for"):
        yield "Not for:"
        yield _list(document["not_intended_for"])
    yield f"Privacy: {document['privacy']}"
    yield "## Licence and citation"
    licence = model.licence or "not stated; ask the authors before you use the model"
    if model.weights.source == "remote":
        yield (
            f"Licence of the weights and of the published code: {licence}. This package "
            "holds neither: it downloads them from their Zenodo record when they are first used. "
            "Its own code: MIT."
        )
    else:
        yield f"Licence of the weights, which come with the package, and of its code: {licence}."
    yield f"```bibtex\n{bibtex(model)}\n```"
    if document.get("notes"):
        yield "## Notes on the metadata"
        yield _list(document["notes"])


def _use(model: ModelMetadata) -> str:
    lines = [f"medigan install {model.name}", f"medigan generate {model.name} -n 4 -o out --seed 7"]
    if "archive" in model.runtimes:
        default = model.runtimes[0] == "archive"
        flags = "--allow-archive-code" if default else "--runtime archive --allow-archive-code"
        if default:
            lines[1] += f" {flags}"
        else:
            lines.append(f"medigan generate {model.name} -n 4 -o published --seed 7 {flags}")
    return "```\n" + "\n".join(lines) + "\n```"


def _parameters(kind: str, parameters: Sequence[Parameter]) -> str:
    rows = []
    for parameter in parameters:
        default = "" if parameter.default is None else parameter.default
        if parameter.turns:
            default = ", ".join(map(str, parameter.turns)) + ", in turn"
        cells = (f"`{parameter.name}`", parameter.description, parameter.allowed, default)
        rows.append(_row(cells))
    head = [f"| {kind} | meaning | values | default |", "| --- | --- | --- | --- |"]
    return "\n".join(head + rows) if rows else ""


def _inputs(inputs: Sequence[Mapping[str, Any]]) -> str:
    head = ["| input | what it is | default |", "| --- | --- | --- |"]
    rows = [
        _row((f"`{entry['name']}`", entry.get("description", ""), entry.get("default", "")))
        for entry in inputs
    ]
    return "\n".join(head + rows) if rows else ""


def _facts(model: ModelMetadata) -> str:
    document, weights = model.document, model.document["weights"]
    facts = {
        "medigan id": model.medigan_id,
        "task": model.task,
        "architecture": f"{model.architecture} ({model.framework})",
        "modality": ", ".join(model.modality),
        "organ": ", ".join(model.organ),
        "trained on": ", ".join(
            f"{data['name']} ({data['access']})" for data in document["training_data"]
        ),
        "year": document.get("year"),
        "runs": "; or ".join(RUNTIMES[name] for name in model.runtimes),
        "checked against": document.get("execution", {}).get("evidence"),
        "weights": f"{weights.get('url', weights.get('file'))} ({weights['format']})",
    }
    rows = [_row((name, value)) for name, value in facts.items() if value]
    return "\n".join(["| | |", "| --- | --- |", *rows])


def _output(output: Mapping[str, Any]) -> str:
    low, high = output["range"]
    shape = " x ".join("any" if size is None else str(size) for size in output["shape"])
    facts = ", ".join(part for part in (shape, output["dtype"], f"{low:g} to {high:g}") if part)
    classes = f"; {', '.join(output['classes'])}" if "classes" in output else ""
    described = output.get("description", "")
    return f"- `{output['name']}` ({output['kind']}, {facts}{classes}): {described}"


def _figures(figures: Sequence[Mapping[str, Any]]) -> str:
    if not figures:
        return "No figures are known."
    head = ["| metric | value | better | images | compares |", "| --- | --- | --- | --- | --- |"]
    rows = []
    for figure in figures:
        spread = f" ± {figure['spread']:g}" if "spread" in figure else ""
        better = f"near {figure['ideal']:g}" if "ideal" in figure else figure.get("better") or ""
        compares = "; ".join(filter(None, (figure.get("compares"), figure.get("extractor"))))
        cells = (
            *(figure["metric"], f"{figure['value']:g}{spread}", better),
            *(figure.get("num_images") or "", compares),
        )
        rows.append(_row(cells))
    sources = dict.fromkeys(figure["source"] for figure in figures if "source" in figure)
    return "\n".join(head + rows) + "".join(f"\n\nSource: {source}." for source in sources)


def _row(cells: Sequence[Any]) -> str:
    """Return a row of a table, in which no cell can end before its time."""
    escaped = (" ".join(str(cell).split()).replace("|", r"\|") for cell in cells)
    return f"| {' | '.join(escaped)} |"


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def main(folders: Sequence[str]) -> None:
    """Write the cards of plugins anew, each a folder."""
    for folder in map(Path, folders):
        package = folder.name.replace("-", "_")
        model = metadata.load(folder / package / "metadata.json")
        write_atomically(folder / "README.md", readme(model).encode())


if __name__ == "__main__":
    main(sys.argv[1:])
