"""What is wrong with a document: the schema, and what a schema can't say."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from medigan_hub.errors import listed, shortened
from medigan_hub.metadata.parameters import parameters_of

SCHEMA_NAME = "model-metadata.schema.json"
OPPOSITE = {"R": "L", "A": "P", "I": "S"}
MAX_DEPTH = 32
"""Arrays and objects that may lie in one another."""
MAX_VALUES = 20_000
"""Values, and keys, that a document may hold; those of this project have some hundred."""
MAX_CHARACTERS = 10_000
"""Characters of a text or a key; the longest that the schema allows has 8,000."""
MAX_FAULTS = 100
"""Faults after which a document is not looked at any further."""
MAX_FAULT_CHARACTERS = 500
"""Characters that are told of one fault."""


def validate(document: Any) -> list[str]:
    """Return the faults of a metadata document, ``MAX_FAULTS`` at most, or an empty list.

    A fault names the path in the document, the value there, and what is
    allowed. What would take long to validate is a fault of its own.
    """
    excess = _excess(document)
    if excess is not None:
        return [excess]
    errors = sorted(
        islice(_validator().iter_errors(document), MAX_FAULTS),
        key=lambda error: list(map(str, error.path)),
    )
    faults = dict.fromkeys(_explain(error) for error in errors)
    # Of faults that were not looked for, nothing is known: then no part counts as sound.
    if isinstance(document, dict) and len(errors) < MAX_FAULTS:
        broken = {error.absolute_path[0] for error in errors if error.absolute_path}
        for sections, check in _CONSISTENCY:
            if not broken.intersection(sections) and all(name in document for name in sections[:1]):
                faults.update(dict.fromkeys(islice(check(document), MAX_FAULTS)))
    return [shortened(fault, MAX_FAULT_CHARACTERS) for fault in islice(faults, MAX_FAULTS)]


def _excess(document: Any) -> str | None:
    """Say in what a document is beyond all measure, before anything is done with it."""
    level, values = [document], 0
    for _ in range(MAX_DEPTH + 1):
        texts = [value for value in level if isinstance(value, str)]
        if any(len(text) > MAX_CHARACTERS for text in texts):
            longest = max(texts, key=len)
            return f"the document: {_shown(longest)} is longer than {MAX_CHARACTERS} characters"
        values += len(level)
        if values > MAX_VALUES:
            return f"the document: it holds over {MAX_VALUES} values"
        inner = [value for value in level if isinstance(value, (dict, list))]
        level = [each for value in inner for each in value]
        level += [each for value in inner if isinstance(value, dict) for each in value.values()]
        if not level:
            return None
    return f"the document: it is nested over {MAX_DEPTH} deep"


@cache
def schema_text() -> str:
    """Return the JSON schema."""
    installed = Path(__file__).parents[1] / "schemas" / SCHEMA_NAME
    checkout = Path(__file__).parents[2] / "schemas" / SCHEMA_NAME
    return (installed if installed.exists() else checkout).read_text("utf-8")


@cache
def _validator() -> Any:
    import jsonschema

    def is_integer(_: Any, value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool)  # 2.0 is none

    def matches(_: Any, pattern: str, value: Any, schema: Any) -> Iterator[Any]:
        # In Python alone, $ also matches before a line break at the end.
        ends_too_early = pattern.endswith("$") and str(value).endswith("\n")
        if isinstance(value, str) and (ends_too_early or not re.search(pattern, value)):
            yield jsonschema.ValidationError("it does not match")

    def differ(_: Any, wanted: bool, value: Any, schema: Any) -> Iterator[Any]:
        # By their text: comparing each with each would take hours for many.
        if wanted and isinstance(value, list) and len(set(map(_identity, value))) < len(value):
            yield jsonschema.ValidationError("it has two items that are the same")

    draft = jsonschema.Draft202012Validator
    types = draft.TYPE_CHECKER.redefine("integer", is_integer)
    validator = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
        draft, {"pattern": matches, "uniqueItems": differ}, type_checker=types
    )
    return validator(json.loads(schema_text()))


def _identity(value: Any) -> tuple[str, Any]:
    """Return what is the same for values that JSON calls equal: 1 and 1.0, and not true."""
    if isinstance(value, (dict, list)):
        return "nested", json.dumps(value, sort_keys=True)
    return type(value).__name__ if isinstance(value, bool) else "plain", value


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _path(parts: Sequence[str | int]) -> str:
    """Write a path in a document as one would in JavaScript: ``outputs[0].dtype``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return text.removeprefix(".") or "the document"


def _explain(error: Any) -> str:
    where = _path(list(error.absolute_path))
    value = _shown(error.instance)
    rule, limit = error.validator, error.validator_value
    if rule == "additionalProperties":
        known = error.schema["properties"]
        unknown = listed(key for key in error.instance if key not in known)
        return f"{where}: unknown key {unknown}; known are {', '.join(known)}"
    if rule == "required":
        missing = ", ".join(key for key in limit if key not in error.instance)
        return f"{where}: lacks {missing}"
    if rule == "anyOf" and all(list(branch) == ["required"] for branch in limit):
        return f"{where}: lacks {' or '.join(branch['required'][0] for branch in limit)}"
    if rule == "enum":
        return f"{where}: {value} is not one of {', '.join(map(str, limit))}"
    if rule == "const":
        return f"{where}: {value} must be {json.dumps(limit)}"
    if rule == "type":
        allowed = limit if isinstance(limit, str) else " or ".join(limit)
        return f"{where}: {value} must be of type {allowed}"
    if rule == "pattern":
        return f"{where}: {value} does not match the pattern {limit}"
    return f"{where}: {value}: {rule} is {json.dumps(limit)}"


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
)
