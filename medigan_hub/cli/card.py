"""A model card for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table

from medigan_hub import runtimes
from medigan_hub.card import figure_words, trained_on
from medigan_hub.catalogue import Entry
from medigan_hub.citation import bibtex
from medigan_hub.metadata import Parameter, WeightsFile
from medigan_hub.spelling import flag
from medigan_hub.terminal import text


def card(entry: Entry) -> RenderableType:
    """Return what there is to know of a model, to be printed."""
    return Group(*_parts(entry))


def _parts(entry: Entry) -> Iterator[RenderableType]:
    model, document = entry.metadata, entry.metadata.document
    yield text(f"{model.name} {model.version}: {model.title}", style="bold")
    yield text(f"\n{document['description']}")
    yield _heading("What it is")
    yield _pairs(
        {
            "medigan id": model.medigan_id,
            "task": model.task,
            "architecture": f"{model.architecture} ({model.framework})",
            "modality": ", ".join(model.modality),
            "organ": ", ".join(model.organ),
            "trained on": ", ".join(map(_dataset, document["training_data"])),
            "year": document.get("year"),
            "authors": ", ".join(author["name"] for author in document["authors"]),
            "licence": model.licence or "not stated: ask the authors before you use it",
            "weights": "; ".join(map(_file, model.files)),
            "runs": " or ".join(map(_runtime, model.runtimes)),
            "checked against": "; ".join(
                entry["evidence"] for entry in document["weights"] if "evidence" in entry
            ),
            "described in": entry.origin,
        }
    )
    yield _heading("What it makes")
    yield _pairs({output["name"]: _output(output) for output in document["outputs"]})
    if model.inputs:
        yield _heading("What it starts from")
        yield _pairs({given["name"]: _input(given) for given in document["inputs"]})
    yield _heading("What you may set")
    settings = dict(_settings(entry))
    yield _pairs(settings) if settings else text("  nothing")
    yield _heading("How well it does")
    if document.get("performance"):
        yield from _figures(document["performance"])
    else:
        yield text("  no figures are known")
    yield _heading("What it is for, and what not")
    lines = [
        f"Intended use: {document['intended_use']}",
        *(f"Not for: {use}" for use in document.get("not_intended_for", ())),
        *(f"Limitation: {limit}" for limit in document["limitations"]),
        f"Privacy: {document['privacy']}",
        *(f"Note: {note}" for note in document.get("notes", ())),
    ]
    yield from (_indented(line) for line in lines)
    yield _heading("How to install it")
    if entry.plugin is not None:
        yield _indented(f"installed ({entry.plugin.distribution})")
    else:
        yield _indented(f"medigan install {model.name}")
    yield _heading("How to cite it")
    yield text(bibtex(model), no_wrap=True, overflow="ignore")  # to be copied as it is


def _heading(words: str) -> RenderableType:
    return text(f"\n{words}", style="bold")


def _indented(words: str) -> RenderableType:
    return Padding(text(words), (0, 0, 0, 2))


def _pairs(pairs: Mapping[str, Any]) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in pairs.items():
        if value not in (None, ""):
            table.add_row(text(f"  {name}"), text(value))
    return table


def _dataset(dataset: Mapping[str, Any]) -> str:
    return f"{dataset['name']} ({dataset['access']})"


def _file(file: WeightsFile) -> str:
    return str(file.url) if file.is_remote else f"in the plugin: {file.file}"


def _runtime(name: str) -> str:
    return f"{runtimes.title(name)} ({flag('runtime')} {name})"


def _output(output: Mapping[str, Any]) -> str:
    low, high = output["range"]
    sizes = ["any" if size is None else str(size) for size in output["shape"]]
    shape = f"{' x '.join(sizes)}, " if sizes else ""
    usual = output.get("default_size")
    usual = f" ({' x '.join(map(str, usual))} by default)" if usual else ""
    classes = f", {' or '.join(output['classes'])}" if "classes" in output else ""
    facts = f"{output['kind']}, {shape}{output['dtype']}, {low:g} to {high:g}{classes}{usual}"
    return f"{facts}. {output['description']}" if "description" in output else facts


def _input(given: Mapping[str, Any]) -> str:
    default = given.get("default", "made by the model")
    need = "required" if given["required"] else f"by default: {default}"
    known = f" Trained on {trained_on(given['trained'])}." if "trained" in given else ""
    words = f"{need} {given.get('description', '')}{known}"
    return f"{given['kind']}, {', '.join(given['channels'])}; {words}"


def _settings(entry: Entry) -> Iterator[tuple[str, str]]:
    model = entry.metadata
    for kind, parameters in (("conditions", model.conditions), ("options", model.options)):
        for parameter in parameters:
            yield f"{flag(kind)} {parameter.name}", _parameter(parameter)
    if model.latent is not None:
        law = {"normal": "standard normal", "uniform": "uniform in [-1, 1)"}
        yield "latent vector", f"{model.latent.size} numbers, {law[model.latent.distribution]}"


def _parameter(parameter: Parameter) -> str:
    default = "" if parameter.default is None else f", by default {parameter.default}"
    if parameter.turns:
        default = f", by default {', '.join(map(str, parameter.turns))} in turn"
    return f"{parameter.allowed}{default}. {parameter.description}"


def _figures(figures: Sequence[Mapping[str, Any]]) -> Iterator[RenderableType]:
    table = Table(box=None, pad_edge=True, padding=(0, 1))
    table.add_column("metric", no_wrap=True)
    table.add_column("value", no_wrap=True, justify="right")
    if has_baseline := any("baseline" in figure for figure in figures):
        table.add_column("baseline", no_wrap=True, justify="right")
    table.add_column("better", no_wrap=True)
    table.add_column("images", no_wrap=True, justify="right")
    table.add_column("compares", overflow="fold")
    extractors = list(dict.fromkeys(filter(None, (f.get("extractor") for f in figures))))
    for figure in figures:
        told = figure_words(figure)
        extractor = figure.get("extractor")
        mark = f" [{extractors.index(extractor) + 1}]" if extractor else ""
        table.add_row(
            text(told["metric"]),
            text(told["value"]),
            *([text(told["baseline"] or "-")] if has_baseline else []),
            text(told["better"] or "-"),
            text(told["images"] or "-"),
            text(told["compares"] + mark),
        )
    yield table
    for number, extractor in enumerate(extractors, 1):
        yield _indented(f"[{number}] features: {extractor}")
    sources = dict.fromkeys(figure["source"] for figure in figures if "source" in figure)
    for source in sources:
        yield _indented(f"Source: {source}")
