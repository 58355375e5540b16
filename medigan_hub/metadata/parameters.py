"""Conditions and options: typed values that a caller may set."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medigan_hub.errors import RequestError

if TYPE_CHECKING:
    import numpy as np

PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "integer": (int,),
    "number": (int, float),
    "string": (str,),
    "boolean": (bool,),
}


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


def parameters_of(entries: Sequence[Mapping[str, Any]]) -> tuple[Parameter, ...]:
    """Return the parameters that a valid document declares."""
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
