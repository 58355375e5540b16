"""Holding a document against a JSON schema: what is wrong with it, in words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from medigan_hub.errors import listed

MAX_DEPTH = 32
"""Arrays and objects that may lie in one another."""
MAX_CHARACTERS = 10_000
"""Characters of a text or a key; the longest that the schemas allow has 8,000."""
MAX_FAULTS = 100
"""Faults after which a document is not looked at any further."""


class Fault(NamedTuple):
    """What is wrong in one place of a document."""

    part: str | int | None
    """The part of the document that it is in; None where it is the document itself."""
    words: str


def faults(document: Any, schema: str) -> list[Fault]:
    """Return what a schema finds wrong with a document, ``MAX_FAULTS`` at most, by their places.

    A fault names the path in the document, the value there, and what is
    allowed. ``schema`` is the name of a file in ``schemas/``. What ``excess``
    objects to may take long to validate.
    """
    errors = sorted(
        islice(_validator(schema).iter_errors(document), MAX_FAULTS),
        key=lambda error: list(map(str, error.path)),
    )
    return [Fault(next(iter(error.absolute_path), None), _explain(error)) for error in errors]


def excess(document: Any, most_values: int) -> str | None:
    """Say in what a document is beyond all measure, before anything is done with it.

    ``most_values`` is how many values, and keys, it may hold.
    """
    level, values = [document], 0
    for _ in range(MAX_DEPTH + 1):
        texts = [value for value in level if isinstance(value, str)]
        if any(len(text) > MAX_CHARACTERS for text in texts):
            longest = max(texts, key=len)
            return f"the document: {_shown(longest)} is longer than {MAX_CHARACTERS} characters"
        values += len(level)
        if values > most_values:
            return f"the document: it holds over {most_values} values"
        inner = [value for value in level if isinstance(value, (dict, list))]
        level = [each for value in inner for each in value]
        level += [each for value in inner if isinstance(value, dict) for each in value.values()]
        if not level:
            return None
    return f"the document: it is nested over {MAX_DEPTH} deep"


@cache
def schema_text(name: str) -> str:
    """Return the JSON schema in a file of ``schemas/``."""
    installed = Path(__file__).parents[1] / "schemas" / name
    checkout = Path(__file__).parents[2] / "schemas" / name
    return (installed if installed.exists() else checkout).read_text("utf-8")


@cache
def _validator(schema: str) -> Any:
    import jsonschema
    from referencing import Registry, Resource

    def other(identity: str) -> Any:
        name = identity.split(":")[3]  # of urn:medigan-hub:schema:NAME:1
        return Resource.from_contents(json.loads(schema_text(f"{name}.schema.json")))

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
    registry: Any = Registry(retrieve=other)  # type: ignore[call-arg]
    return validator(json.loads(schema_text(schema)), registry=registry)


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
