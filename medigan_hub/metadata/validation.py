"""What is wrong with a document: the schema, and what a schema can't say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from medigan_hub.errors import listed, shortened
from medigan_hub.metadata.parameters import parameters_of
from medigan_hub.metadata.schemas import MAX_FAULTS, excess, faults

SCHEMA = "model-metadata.schema.json"
OPPOSITE = {"R": "L", "A": "P", "I": "S"}
MAX_VALUES = 20_000
"""Values, and keys, that a document may hold; those of this project have some hundred."""
MAX_FAULT_CHARACTERS = 500
"""Characters that are told of one fault."""


def validate(document: Any) -> list[str]:
    """Return the faults of a metadata document, ``MAX_FAULTS`` at most, or an empty list.

    A fault names the path in the document, the value there, and what is
    allowed. What would take long to validate is a fault of its own.
    """
    too_much = excess(document, MAX_VALUES)
    if too_much is not None:
        return [too_much]
    found = faults(document, SCHEMA)
    words = dict.fromkeys(fault.words for fault in found)
    # Of faults that were not looked for, nothing is known: then no part counts as sound.
    if isinstance(document, dict) and len(found) < MAX_FAULTS:
        broken = {fault.part for fault in found} - {None}
        for sections, check in _CONSISTENCY:
            if not broken.intersection(sections) and all(name in document for name in sections[:1]):
                words.update(dict.fromkeys(islice(check(document), MAX_FAULTS)))
    return [shortened(each, MAX_FAULT_CHARACTERS) for each in islice(words, MAX_FAULTS)]


# What a JSON schema can't say: that one part of a document fits another. Each
# check comes with the parts that it reads, and is left out where those are
# broken already; only the first of them must be there.


def _outputs_fit(document: Mapping[str, Any]) -> Iterator[str]:
    for i, output in enumerate(document["outputs"]):
        low, high = output["range"]
        if low >= high:
            yield f"outputs[{i}].range: {output['range']} must rise from lowest to highest"
        channels, shape = output.get("channels"), output["shape"]
        if channels and shape and shape[-1] not in (None, len(channels)):
            yield f"outputs[{i}].channels: {len(channels)} names for {shape[-1]} channels"
        if output["kind"] != "label" and len(shape) < 3:
            yield f"outputs[{i}].shape: {shape} must be [height, width, channels], or one more"
        for key in ("spacing_mm", "orientation"):
            axes = output.get(key)
            if axes and len(axes) != len(shape) - 1:
                yield f"outputs[{i}].{key}: {len(axes)} values for {len(shape) - 1} axes"
        directions = [OPPOSITE.get(way, way) for way in output.get("orientation") or ()]
        if len(set(directions)) < len(directions):
            yield f"outputs[{i}].orientation: {output['orientation']} has two axes in one direction"
    if document["outputs"][0]["kind"] != "image":
        yield f'outputs[0].kind: "{document["outputs"][0]["kind"]}" must be image: it comes first'


def _task_fits(document: Mapping[str, Any]) -> Iterator[str]:
    task = document["task"]
    if task in ("image-to-image", "mask-to-image", "inpainting") and not document.get("inputs"):
        yield f"inputs: a model with task {task} declares at least one"
    if task == "class-to-image" and not document.get("conditions"):
        yield "conditions: a model with task class-to-image declares at least one"


def _files_fit(document: Mapping[str, Any]) -> Iterator[str]:
    conditions = {entry["name"] for entry in document.get("conditions", ())}
    for i, entry in enumerate(document["inputs"]):
        low, high = entry.get("trained", {}).get("grey_range", (0, 1))
        if low >= high:
            yield f"inputs[{i}].trained.grey_range: {[low, high]} must rise"
        for files in entry.get("files", ()):
            unknown = listed(sorted(set(files.get("when", ())) - conditions))
            if unknown:
                yield f"inputs[{i}].files: {unknown} is no condition of the model"


def _weights_fit(document: Mapping[str, Any]) -> Iterator[str]:
    seen = set[str]()
    for i, entry in enumerate(document["weights"]):
        if entry["runtime"] in seen:
            yield f'weights[{i}].runtime: "{entry["runtime"]}" has weights already'
        seen.add(entry["runtime"])
        if entry["runtime"] == "archive" and "archive" not in document:
            yield f"weights[{i}].runtime: archive needs the section archive"
        roles = [file["role"] for file in entry["files"]]
        repeated = listed(role for role in dict.fromkeys(roles) if roles.count(role) > 1)
        if repeated:
            yield f"weights[{i}].files: more than one has the role {repeated}"


def _arrays_have_names_of_their_own(document: Mapping[str, Any]) -> Iterator[str]:
    return _repeated(document, ("outputs", "inputs"))


def _parameters_have_names_of_their_own(document: Mapping[str, Any]) -> Iterator[str]:
    return _repeated(document, ("conditions", "options"))


def _repeated(document: Mapping[str, Any], groups: Sequence[str]) -> Iterator[str]:
    seen: set[str] = set()
    for group in groups:
        for i, entry in enumerate(document.get(group, ())):
            if entry["name"] in seen:
                yield f'{group}[{i}].name: "{entry["name"]}" is the name of another'
            seen.add(entry["name"])


def _conditions_fit(document: Mapping[str, Any]) -> Iterator[str]:
    return _defaults_fit(document, "conditions")


def _labels_fit(document: Mapping[str, Any]) -> Iterator[str]:
    conditions = {p.name: p for p in parameters_of(document.get("conditions", ()))}
    for i, output in enumerate(document["outputs"]):
        condition = conditions.get(output["name"])
        if output["kind"] != "label" or condition is None:
            continue
        missing = set(condition.choices).difference(output.get("classes", ()))
        if condition.type == "string" and (missing or not condition.choices):
            words = listed(sorted(missing)) or "the condition's choices"
            yield f"outputs[{i}].classes: lack {words}: the condition of this name may have them"
        low, high = output["range"]
        ends = [end for end in (condition.minimum, condition.maximum) if end is not None]
        if any(not low <= end <= high for end in ends):
            yield f"outputs[{i}].range: {output['range']} is narrower than its condition's"


def _options_fit(document: Mapping[str, Any]) -> Iterator[str]:
    return _defaults_fit(document, "options")


def _defaults_fit(document: Mapping[str, Any], group: str) -> Iterator[str]:
    for i, parameter in enumerate(parameters_of(document[group])):
        low, high = parameter.minimum, parameter.maximum
        if low is not None and high is not None and low > high:
            yield f"{group}[{i}].minimum: {low} is above the maximum {high}"
        elif parameter.turns and (group == "options" or parameter.default is not None):
            yield f"{group}[{i}].turns: only a condition without a default takes turns"
        elif not all(map(parameter.accepts, parameter.turns)):
            yield f"{group}[{i}].turns: {list(parameter.turns)} must each be {parameter.allowed}"
        elif parameter.default is not None and not parameter.accepts(parameter.default):
            yield f"{group}[{i}].default: {parameter.default!r} must be {parameter.allowed}"


def _figures_fit(document: Mapping[str, Any]) -> Iterator[str]:
    for i, figure in enumerate(document["performance"]):
        low, high = figure.get("interval", (0, 0))
        if low > high:
            yield f"performance[{i}].interval: {[low, high]} must rise"


_CONSISTENCY: tuple[tuple[tuple[str, ...], Callable[[Mapping[str, Any]], Iterator[str]]], ...] = (
    (("outputs",), _outputs_fit),
    (("task", "inputs", "conditions"), _task_fits),
    (("inputs", "conditions"), _files_fit),
    (("weights", "archive"), _weights_fit),
    (("outputs", "inputs"), _arrays_have_names_of_their_own),
    (("conditions", "options"), _parameters_have_names_of_their_own),
    (("conditions",), _conditions_fit),
    (("outputs", "conditions"), _labels_fit),
    (("options",), _options_fit),
    (("performance",), _figures_fit),
)
