"""The model card of a model, from its metadata alone.

It is the README of a published model's plugin, and what the app shows of every model.
What a document says appears as it stands there: it can't put links, pictures or HTML
into its card, or break a table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from medigan_hub import runtimes
from medigan_hub.citation import bibtex
from medigan_hub.metadata import ModelMetadata, Parameter

MARKUP = re.compile(r"[\\`*<]|\](?=[(\[:])|&(?=#?\w+;)")
"""What begins code, emphasis, HTML or an escape, ends the text of a link, or begins a character's
name. Brackets alone mean nothing in Markdown."""
MARKER = re.compile(r"^(\d+(?=[.)](\s|$))|(?=[-+=#>~]))")
"""What makes a heading, a list or the like of a line that it begins."""


def readme(model: ModelMetadata) -> str:
    """Return the card of a model as Markdown."""
    return "\n\n".join(part for part in _parts(model) if part) + "\n"


def _parts(model: ModelMetadata) -> Iterator[str]:
    document = model.document
    yield f"# {model.plugin}"
    yield f"A model for medigan-hub: {plain(model.title)}."
    yield from map(_block, re.split(r"\n\s*\n", document["description"]))
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
    yield f"Intended use: {plain(document['intended_use'])}"
    if document.get("not_intended_for"):
        yield "Not for:"
        yield _list(document["not_intended_for"])
    yield f"Privacy: {plain(document['privacy'])}"
    yield "## Licence and citation"
    yield _licence(model)
    yield f"```bibtex\n{bibtex(model)}\n```"
    if document.get("notes"):
        yield "## Notes on the metadata"
        yield _list(document["notes"])


def _use(model: ModelMetadata) -> str:
    required = [entry.name for entry in model.inputs if entry.required]
    # As many samples as there are images; how many those are is the user's affair.
    given = [] if required else ["-n 4"]
    given += [f"--input {name}=PATH" if len(required) > 1 else "--input PATH" for name in required]
    given += [
        f"--condition {parameter.name}=VALUE"
        for parameter in model.conditions
        if parameter.default is None and not parameter.turns and not parameter.can_draw
    ]
    wanted = f"medigan generate {model.name} {' '.join(given)}"
    lines = [f"medigan install {model.name}", f"{wanted} -o out --seed 7"]
    if "archive" in model.runtimes:
        default = model.runtimes[0] == "archive"
        flags = "--allow-archive-code" if default else "--runtime archive --allow-archive-code"
        if default:
            lines[1] += f" {flags}"
        else:
            lines.append(f"{wanted} -o published --seed 7 {flags}")
    return "```\n" + "\n".join(lines) + "\n```"


def _parameters(kind: str, parameters: Sequence[Parameter]) -> str:
    rows = []
    for parameter in parameters:
        default = "" if parameter.default is None else parameter.default
        if parameter.turns:
            default = ", ".join(map(str, parameter.turns)) + ", in turn"
        cells = map(_cell, (parameter.description, parameter.allowed, default))
        rows.append(_row(f"`{parameter.name}`", *cells))
    head = [f"| {kind} | meaning | values | default |", "| --- | --- | --- | --- |"]
    return "\n".join(head + rows) if rows else ""


def _inputs(inputs: Sequence[Mapping[str, Any]]) -> str:
    columns = {"what it is": "description", "trained on": "trained", "default": "default"}
    if not any("trained" in entry for entry in inputs):
        del columns["trained on"]
    head = [_row("input", *columns), _row(*["---"] * (len(columns) + 1))]
    rows = []
    for entry in inputs:
        told = {**entry, "trained": trained_on(entry.get("trained"))}
        rows.append(
            _row(f"`{entry['name']}`", *(_cell(told.get(key, "")) for key in columns.values()))
        )
    return "\n".join(head + rows) if rows else ""


def trained_on(trained: Mapping[str, Any] | None) -> str:
    """Say which images a model was trained on, as an input in its metadata declares them."""
    if trained is None:
        return "not stated"
    words = [f"{trained['size'][0]} x {trained['size'][1]} pixels"]
    if "spacing_mm" in trained:
        words.append("of {:g} x {:g} mm".format(*trained["spacing_mm"]))
    if "grey_range" in trained:
        low, high = trained["grey_range"]
        words.append(f"grey levels from {low:.0%} to {high:.0%} of the range")
    return ", ".join(words)


def _facts(model: ModelMetadata) -> str:
    document = model.document
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
        "runs": "; or ".join(map(_runtime, model.runtimes)),
        "checked against": "; ".join(
            entry["evidence"] for entry in document["weights"] if "evidence" in entry
        ),
        "weights": "; ".join(str(file.url or file.file) for file in model.files),
    }
    rows = [_row(name, _cell(value)) for name, value in facts.items() if value]
    return "\n".join(["| | |", "| --- | --- |", *rows])


def _runtime(name: str) -> str:
    if name == "archive":
        return "by the code published with it, in an environment of its own"
    return f"by {runtimes.title(name)}"


def _output(output: Mapping[str, Any]) -> str:
    low, high = output["range"]
    shape = " x ".join("any" if size is None else str(size) for size in output["shape"])
    facts = ", ".join(part for part in (shape, output["dtype"], f"{low:g} to {high:g}") if part)
    classes = f"; {plain(', '.join(output['classes']))}" if "classes" in output else ""
    described = f": {plain(output['description'])}" if "description" in output else ""
    return f"- `{output['name']}` ({output['kind']}, {facts}{classes}){described}"


def _figures(figures: Sequence[Mapping[str, Any]]) -> str:
    if not figures:
        return "No figures are known."
    columns = ["metric", "value", "baseline", "better", "images", "compares"]
    if not any("baseline" in figure for figure in figures):
        columns.remove("baseline")
    rows = []
    for figure in figures:
        told = figure_words(figure)
        told["compares"] = "; ".join(filter(None, (told["compares"], figure.get("extractor"))))
        rows.append(_row(*(_cell(told[name]) for name in columns)))
    table = "\n".join([_row(*columns), _row(*["---"] * len(columns)), *rows])
    sources = dict.fromkeys(figure["source"] for figure in figures if "source" in figure)
    return table + "".join(f"\n\nSource: {plain(source)}." for source in sources)


def figure_words(figure: Mapping[str, Any]) -> dict[str, str]:
    """Say what a figure in the metadata is, by the columns of a table; where it is silent, nothing.

    ``compares`` leaves the extractor out, and has what the figure is of, where not of all images.
    """
    value = f"{figure['value']:g}"
    if "spread" in figure:
        value += f" ± {figure['spread']:g}"
    if "interval" in figure:
        value += " ({:g} to {:g})".format(*figure["interval"])
    images = str(figure.get("num_images") or "")
    if "num_reference" in figure:
        images += f"{', ' if images else ''}{figure['num_reference']} real"
    better = f"near {figure['ideal']:g}" if "ideal" in figure else figure.get("better") or ""
    compares = [
        figure.get("compares"),
        f"{figure['group']} alone" if "group" in figure else None,
        f"protocol {figure['protocol']}" if "protocol" in figure else None,
    ]
    return {
        "metric": figure["metric"],
        "value": value,
        "baseline": f"{figure['baseline']:g}" if "baseline" in figure else "",
        "better": better,
        "images": images,
        "compares": "; ".join(filter(None, compares)),
    }


def _licence(model: ModelMetadata) -> str:
    licence = plain(model.licence or "not stated; ask the authors before you use the model")
    published = model.archive is not None
    what = "the weights and of the published code" if published else "the weights"
    if not model.main_file.is_remote:
        return f"Licence of {what}, which come with the package: {licence}."
    place = "their Zenodo record" if model.main_file.record else plain(str(model.main_file.url))
    holds = "holds neither" if published else "does not hold them"
    words = f"This package {holds}: it downloads them from {place} when they are first used."
    # Whose code it is that runs other models, and under which licence, their document doesn't say.
    return f"Licence of {what}: {licence}. {words}" + (" Its own code: MIT." if published else "")


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {_block(line)}" for line in lines)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: Any) -> str:
    """Return a value as it stands in a cell of a table, which it can't end before its time."""
    return plain(str(value)).replace("|", r"\|")


def _block(text: str) -> str:
    """Return text as a paragraph, or as an item of a list."""
    return MARKER.sub(r"\1\\", plain(text))


def plain(text: str) -> str:
    r"""Return text on one line, as Markdown that shows it as it is.

    >>> plain("a <b>\n[c](d) [1, 2]")
    'a \\<b> [c\\](d) [1, 2]'
    """
    return MARKUP.sub(lambda found: "\\" + found[0], " ".join(text.split()))
