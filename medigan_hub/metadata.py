"""Model metadata: the JSON document of a model, and the hub's view of it."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medigan_hub import __version__
from medigan_hub.errors import MetadataError, RequestError
from medigan_hub.files import cache_folder, write_atomically

if TYPE_CHECKING:
    import numpy as np

SCHEMA_NAME = "model-metadata.schema.json"
OPPOSITE = {"R": "L", "A": "P", "I": "S"}
PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "integer": (int,),
    "number": (int, float),
    "string": (str,),
    "boolean": (bool,),
}


@dataclass(frozen=True)
class Output:
    """One named array of a sample."""

    name: str
    kind: str
    """``image``, ``mask`` or ``label``."""
    shape: tuple[int | None, ...]
    """Shape of one sample, channels last; None where a size is free."""
    dtype: str
    range: tuple[float, float]
    """Lowest and highest value."""
    channels: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    """Names of the values 0, 1, ... of a mask or label."""
    spacing: tuple[float, ...] | None = None
    """Distance of neighbouring pixels in millimetres, in the order of the shape."""
    orientation: tuple[str, ...] | None = None
    """Where each axis runs to in the patient, in the order of the shape: L, R, A, P, S or I."""


@dataclass(frozen=True)
class Files:
    """Images in the published archive."""

    path: str
    """Pattern of their paths, such as ``images/*``."""
    when: Mapping[str, Any] = field(default_factory=dict)
    """Values of conditions that they are for."""


@dataclass(frozen=True)
class Input:
    """An image that the model starts from."""

    name: str
    kind: str
    channels: tuple[str, ...]
    required: bool
    files: tuple[Files, ...] = ()
    """Where the published archive has images to start from: the first that fits is taken."""


@dataclass(frozen=True)
class Parameter:
    """A condition or an option: a typed value that the caller may set."""

    name: str
    type: str
    """``integer``, ``number``, ``string`` or ``boolean``."""
    description: str
    default: Any
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[Any, ...] = ()
    unit: str | None = None
    turns: tuple[Any, ...] = ()
    """What samples take turns in where the caller gives no value, in place of a default."""

    def parse(self, value: Any) -> Any:
        """Return ``value`` (which may be the text of one) in this parameter's type.

        Raises
        ------
        RequestError
            The value has another type, or is out of range.

        >>> Parameter("size", "integer", "", 64, minimum=1).parse("128")
        128
        """
        if getattr(value, "ndim", None) == 0:  # a number of NumPy
            value = value.item()
        parsed = _from_text(value, self.type) if isinstance(value, str) else value
        if self.accepts(parsed):
            return parsed
        raise RequestError(f"{self.name}={value!r} is not possible; {self.name} is {self.allowed}")

    def parse_several(self, value: Any) -> Any:
        """Return ``value`` as ``parse`` does, or a tuple where it holds several.

        Several are a sequence, an array, or a text with commas.

        >>> Parameter("size", "integer", "", 64).parse_several("64, 128")
        (64, 128)
        """
        if isinstance(value, str):
            if "," not in value or self.accepts(value):
                return self.parse(value)
            return tuple(self.parse(part.strip()) for part in value.split(","))
        if hasattr(value, "tolist"):  # of NumPy, a number or an array
            value = value.tolist()
        if not isinstance(value, Sequence) or isinstance(value, (bytes, bytearray)):
            return self.parse(value)
        if not value:
            raise RequestError(f"{self.name} was given no value; {self.name} is {self.allowed}")
        return tuple(self.parse(part) for part in value)

    @property
    def values(self) -> tuple[Any, ...]:
        """All values that the parameter takes, where they are few; otherwise nothing."""
        return (False, True) if self.type == "boolean" else self.choices

    @property
    def can_draw(self) -> bool:
        """Whether there are choices, or both ends of a range."""
        return bool(self.values) or (self.minimum is not None and self.maximum is not None)

    def draw(self, rng: np.random.Generator) -> Any:
        """Draw a value uniformly, where ``can_draw``: of the choices, or from the range."""
        if self.values:
            return self.values[rng.integers(len(self.values))]
        low, high = self.minimum or 0, self.maximum or 0
        if self.type == "integer":
            return int(rng.integers(math.ceil(low), math.floor(high) + 1))
        return float(rng.uniform(low, high))

    @property
    def allowed(self) -> str:
        """What the parameter takes, in words."""
        if len(self.choices) == 1:
            return f"{self.choices[0]} alone"
        if self.choices:
            return "one of " + ", ".join(str(choice) for choice in self.choices)
        article = "an" if self.type == "integer" else "a"
        words = f"{article} {self.type}"
        unit = f" {self.unit}" if self.unit else ""
        if self.minimum is not None and self.maximum is not None:
            return f"{words} from {self.minimum:g} to {self.maximum:g}{unit}"
        if self.minimum is not None:
            return f"{words} of at least {self.minimum:g}{unit}"
        if self.maximum is not None:
            return f"{words} of at most {self.maximum:g}{unit}"
        return words

    def accepts(self, value: Any) -> bool:
        """Tell whether ``value`` is of the parameter's type and in its range."""
        if not isinstance(value, PYTHON_TYPES[self.type]):
            return False
        if isinstance(value, bool) and self.type != "boolean":
            return False
        if self.choices:
            return value in self.choices
        if isinstance(value, str):  # half a character, as of a file's name, can't be written
            return not any("\ud800" <= character <= "\udfff" for character in value)
        if isinstance(value, (int, float)):
            above = self.minimum is None or value >= self.minimum
            below = self.maximum is None or value <= self.maximum
            # No plugin can hold an integer of more than 64 bits.
            finite = math.isfinite(value) if isinstance(value, float) else abs(value) < 2**63
            return above and below and finite
        return True


@dataclass(frozen=True)
class Latent:
    """The random vector that a noise-to-image model starts from."""

    size: int
    distribution: str
    """``normal`` (standard normal) or ``uniform`` (in [-1, 1))."""


@dataclass(frozen=True)
class Weights:
    """Where the trained parameters are."""

    source: str
    """``bundled`` in the plugin's package, or ``remote``."""
    format: str
    file: str | None
    """Path in the plugin's package, or name of the file that is downloaded."""
    sha256: str | None
    md5: str | None = None
    record: str | None = None
    """Number of the Zenodo record."""
    member: str | None = None
    """Path of the parameters in the file, where that is an archive."""
    url: str | None = None


@dataclass(frozen=True)
class Archive:
    """How a model is called as medigan published it."""

    package: str
    """Folder of the package in the archive; its code may also lie at the top."""
    function: str
    arguments: Mapping[str, Any]
    """Arguments beside the usual ones, with their published defaults."""
    dependencies: tuple[str, ...]
    """What the package needs, as pip requirements."""


@dataclass(frozen=True)
class ModelMetadata:
    """What the hub needs to know of a model; ``document`` holds all of it."""

    name: str
    version: str
    plugin: str
    medigan_id: str | None
    title: str
    task: str
    architecture: str
    framework: str
    organ: tuple[str, ...]
    modality: tuple[str, ...]
    dataset: tuple[str, ...]
    """Names of the training data sets."""
    licence: str | None
    outputs: tuple[Output, ...]
    inputs: tuple[Input, ...]
    conditions: tuple[Parameter, ...]
    options: tuple[Parameter, ...]
    latent: Latent | None
    weights: Weights
    archive: Archive | None
    runtimes: tuple[str, ...]
    """What can run it, the default first: ``native``, the plugin's own code, and
    ``archive``, the code that medigan published."""
    document: Mapping[str, Any] = field(repr=False)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> ModelMetadata:
        """Read a document that is valid (see ``validate``)."""
        latent = document.get("latent")
        archive = document.get("archive")
        return cls(
            **{
                key: document[key]
                for key in (
                    *("name", "version", "plugin", "title", "task"),
                    *("architecture", "framework", "licence"),
                )
            },
            medigan_id=document.get("medigan_id"),
            organ=tuple(document["organ"]),
            modality=tuple(document["modality"]),
            dataset=tuple(entry["name"] for entry in document["training_data"]),
            outputs=tuple(
                Output(
                    name=entry["name"],
                    kind=entry["kind"],
                    shape=tuple(entry["shape"]),
                    dtype=entry["dtype"],
                    range=(entry["range"][0], entry["range"][1]),
                    channels=tuple(entry.get("channels", ())),
                    classes=tuple(entry.get("classes", ())),
                    spacing=_tuple_or_none(entry.get("spacing_mm")),
                    orientation=_tuple_or_none(entry.get("orientation")),
                )
                for entry in document["outputs"]
            ),
            inputs=tuple(
                Input(
                    name=entry["name"],
                    kind=entry["kind"],
                    channels=tuple(entry["channels"]),
                    required=entry["required"],
                    files=tuple(Files(**files) for files in entry.get("files", ())),
                )
                for entry in document.get("inputs", ())
            ),
            conditions=_parameters(document.get("conditions", ())),
            options=_parameters(document.get("options", ())),
            latent=Latent(latent["size"], latent["distribution"]) if latent else None,
            weights=Weights(**{"file": None, "sha256": None, **document["weights"]}),
            archive=Archive(
                package=archive["package"],
                function=archive["function"],
                arguments=archive.get("arguments", {}),
                dependencies=tuple(archive.get("dependencies", ())),
            )
            if archive
            else None,
            runtimes=tuple(document.get("execution", {}).get("runtimes", ("native",))),
            document=document,
        )


def load(path: Path) -> ModelMetadata:
    """Read and validate the metadata document at ``path``.

    The verdict on a document is kept in the cache under the document's hash,
    so that a document that was found valid costs one hash from then on.

    Raises
    ------
    MetadataError
        The file is missing, is not JSON, or does not fit the schema; the
        message names every fault.
    """
    return checked(read(path), str(path))


def read(path: Path) -> Any:
    """Return the JSON value in a file.

    Raises
    ------
    MetadataError
        The file can't be read, or is not JSON.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise MetadataError(f"{path} can't be read: {error.strerror}") from error
    return parse(content, str(path))


def parse(content: bytes, where: str) -> Any:
    """Return the JSON value in ``content``; ``where`` it is from is for the message.

    Raises
    ------
    MetadataError
        The content is not JSON.
    """
    try:
        value = json.loads(content, parse_constant=_refuse, parse_float=_float, parse_int=_int)
        # Half a character of UTF-16 is JSON, and can be neither printed nor stored.
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise MetadataError(f"{where} is not JSON that can be used: {error}") from error
    return value


def checked(document: Any, where: str) -> ModelMetadata:
    """Return a document as metadata, once it is found to be valid.

    Raises
    ------
    MetadataError
        The document does not fit the schema; the message names every fault.
    """
    faults = _faults_remembered(document)
    if faults:
        raise MetadataError(f"{where} is not valid: " + "; ".join(faults))
    return ModelMetadata.from_document(document)


def validate(document: Any) -> list[str]:
    """Return every fault of a metadata document, or an empty list.

    A fault names the path in the document, the value there, and what is
    allowed.
    """
    errors = sorted(
        _validator().iter_errors(document), key=lambda error: list(map(str, error.path))
    )
    faults = dict.fromkeys(_explain(error) for error in errors)
    if isinstance(document, dict):
        broken = {error.absolute_path[0] for error in errors if error.absolute_path}
        for sections, check in _CONSISTENCY:
            if not broken.intersection(sections) and all(name in document for name in sections[:1]):
                faults.update(dict.fromkeys(check(document)))
    return list(faults)


def parse_parameters(
    kind: str, declared: Sequence[Parameter], given: Mapping[str, Any], model: str
) -> dict[str, Any]:
    """Return a value for each declared parameter: the one given, else its default.

    ``kind`` is ``condition`` or ``option``, for messages.

    Raises
    ------
    RequestError
        A parameter is given that the model does not declare, or a value that
        it does not take.

    A condition may be given several values; see ``Parameter.parse_several``.
    """
    known = {parameter.name: parameter for parameter in declared}
    if not isinstance(given, Mapping):
        raise RequestError(f"the {kind}s are {given!r}; give a mapping from names to values")
    for name in given:
        if name not in known:
            offers = f"it has {', '.join(known)}" if known else "it has none"
            raise RequestError(f"{model} has no {kind} {name!r}; {offers}")
    parse = Parameter.parse_several if kind == "condition" else Parameter.parse
    return {
        name: parse(parameter, given[name]) if name in given else parameter.default
        for name, parameter in known.items()
    }


@cache
def _validator() -> Any:
    import jsonschema

    def is_integer(_: Any, value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool)  # 2.0 is none

    def matches(_: Any, pattern: str, value: Any, schema: Any) -> Iterator[Any]:
        # In Python alone, $ also matches before a line break at the end.
        ends_too_early = pattern.endswith("$") and str(value).endswith("\n")
        if isinstance(value, str) and (ends_too_early or not re.search(pattern, value)):
            yield jsonschema.ValidationError(f"{value!r} does not match {pattern!r}")

    draft = jsonschema.Draft202012Validator
    types = draft.TYPE_CHECKER.redefine("integer", is_integer)
    validator = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
        draft, {"pattern": matches}, type_checker=types
    )
    return validator(json.loads(_schema_text()))


@cache
def _schema_text() -> str:
    installed = Path(__file__).parent / "schemas" / SCHEMA_NAME
    checkout = Path(__file__).parent.parent / "schemas" / SCHEMA_NAME
    return (installed if installed.exists() else checkout).read_text("utf-8")


def _refuse(name: str) -> None:
    """Refuse NaN and Infinity, which Python reads and JSON does not have."""
    raise ValueError(f"{name} is no JSON number")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:20]} is too large")
    return value


def _int(text: str) -> int:
    if len(text) > 16:  # beyond this, other languages and floats lose digits
        raise ValueError(f"the number {text[:20]}... is too large")
    return int(text)


def _faults_remembered(document: Any) -> list[str]:
    key = hashlib.sha256(json.dumps(document).encode())
    key.update(_schema_text().encode())
    key.update(__version__.encode())
    verdict = cache_folder() / "verdicts" / f"{key.hexdigest()}.json"
    try:
        remembered = json.loads(verdict.read_text("utf-8"))
        if isinstance(remembered, list) and all(isinstance(fault, str) for fault in remembered):
            return remembered
    except (OSError, ValueError):
        pass
    faults = validate(document)
    with suppress(OSError):  # a cache that can't be written costs time, nothing else
        write_atomically(verdict, json.dumps(faults).encode())
    return faults


def _parameters(entries: Sequence[Mapping[str, Any]]) -> tuple[Parameter, ...]:
    return tuple(
        Parameter(
            **{
                **entry,
                "choices": tuple(entry.get("choices", ())),
                "turns": tuple(entry.get("turns", ())),
            }
        )
        for entry in entries
    )


def _tuple_or_none(values: Sequence[Any] | None) -> tuple[Any, ...] | None:
    return None if values is None else tuple(values)


def _from_text(text: str, type_name: str) -> Any:
    """Read a value of the given type; text that is none stays text."""
    try:
        if type_name == "integer":
            return int(text)
        if type_name == "number":
            return float(text)
    except ValueError:
        return text
    if type_name == "boolean":
        return {"true": True, "yes": True, "false": False, "no": False}.get(text.lower(), text)
    return text


def _path(parts: Sequence[str | int]) -> str:
    """Write a path in a document as one would in JavaScript: ``outputs[0].dtype``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return text.removeprefix(".") or "the document"


def _explain(error: Any) -> str:
    where = _path(list(error.absolute_path))
    value = json.dumps(error.instance)
    value = value if len(value) <= 60 else value[:57] + "..."
    rule, limit = error.validator, error.validator_value
    if rule == "additionalProperties":
        known = error.schema["properties"]
        unknown = ", ".join(key for key in error.instance if key not in known)
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
        for files in entry.get("files", ()):
            unknown = ", ".join(set(files.get("when", ())) - conditions)
            if unknown:
                yield f"inputs[{i}].files: {unknown} is no condition of the model"


def _runtimes_fit(document: Mapping[str, Any]) -> Iterator[str]:
    if "archive" in document["execution"]["runtimes"] and "archive" not in document:
        yield "execution.runtimes: archive needs the section archive"


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
    conditions = {p.name: p for p in _parameters(document.get("conditions", ()))}
    for i, output in enumerate(document["outputs"]):
        condition = conditions.get(output["name"])
        if output["kind"] != "label" or condition is None:
            continue
        missing = set(condition.choices).difference(output.get("classes", ()))
        if condition.type == "string" and (missing or not condition.choices):
            words = ", ".join(sorted(missing)) or "the condition's choices"
            yield f"outputs[{i}].classes: lack {words}: the condition of this name may have them"
        low, high = output["range"]
        ends = [end for end in (condition.minimum, condition.maximum) if end is not None]
        if any(not low <= end <= high for end in ends):
            yield f"outputs[{i}].range: {output['range']} is narrower than its condition's"


def _options_fit(document: Mapping[str, Any]) -> Iterator[str]:
    return _defaults_fit(document, "options")


def _defaults_fit(document: Mapping[str, Any], group: str) -> Iterator[str]:
    for i, parameter in enumerate(_parameters(document[group])):
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
    (("execution", "archive"), _runtimes_fit),
    (("outputs", "inputs"), _arrays_have_names_of_their_own),
    (("conditions", "options"), _parameters_have_names_of_their_own),
    (("conditions",), _conditions_fit),
    (("outputs", "conditions"), _labels_fit),
    (("options",), _options_fit),
)
