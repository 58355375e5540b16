"""What can go wrong, in words for the person who can mend it.

Every error that the hub raises on purpose is a ``HubError`` whose message is
one line: what is wrong, with which value, and what to do about it.
"""

from __future__ import annotations

import importlib
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

MAX_CHARACTERS = 2000
"""Characters that a message may have."""


NAMED = re.compile("\x1f(\\w+)(?:=([^\x1f]*))?\x1f")
"""A parameter in a message, as ``named`` writes it."""


def named(parameter: str, value: object = None) -> str:
    """Return a parameter, with a value that it should have, for a message.

    The message of the error has it as in a call of Python; the command line
    spells it as its own option. Of a mapping, such as that of inputs, each
    entry is spelt.

    >>> str(RequestError(f"let them take turns with {named('balance', True)}"))
    'let them take turns with balance=True'
    """
    if isinstance(value, Mapping):
        value = "{" + ", ".join(f"{key!r}: {each}" for key, each in value.items()) + "}"
    return f"\x1f{parameter}\x1f" if value is None else f"\x1f{parameter}={value}\x1f"


def _as_in_python(parameter: str, value: str | None) -> str:
    return parameter if value is None else f"{parameter}={value}"


def spelt(text: str, spell: Callable[[str, str | None], str]) -> str:
    """Return a text, with parameters (and their values) as ``spell`` writes them."""
    return NAMED.sub(lambda found: spell(found[1], found[2]), text)


class _Bounded:
    """A message that stays readable, whatever went into it; its end says what to do."""

    def __str__(self) -> str:
        return self.spelt(_as_in_python)

    def spelt(self, spell: Callable[[str, str | None], str]) -> str:
        """Return the message, with parameters (and their values) as ``spell`` writes them."""
        text = spelt(super().__str__(), spell)
        if len(text) <= MAX_CHARACTERS:
            return text
        return f"{text[: MAX_CHARACTERS - 400]} ... ({len(text)} characters) ... {text[-300:]}"


class HubError(_Bounded, Exception):
    """Base of all errors that the hub raises on purpose."""


class UnknownModelError(HubError):
    """No model has the given name, medigan id or number."""


class MetadataError(HubError):
    """A document, such as a model's metadata, does not fit its schema."""


class PluginError(HubError):
    """A plugin can't be imported, breaks its contract or raises."""


class RequestError(HubError):
    """A value that the caller gave can't be used."""


class WeightsError(HubError):
    """Weights are missing, changed, or not those of the network."""


class OutputError(HubError):
    """The data set can't be written where it was asked for."""


class NetworkError(HubError):
    """Something must be fetched, and the network is forbidden or fails."""


class MissingDependencyError(HubError):
    """A package that only some uses need is not installed."""


class Interrupted(_Bounded, KeyboardInterrupt):
    """An interrupt (Ctrl-C) that took effect in order: the message says what is finished."""


class HubWarning(_Bounded, UserWarning):
    """Something is wrong that does not stop the work at hand."""


class HubNote(HubWarning):
    """Nothing is wrong: it says what was taken where a caller, or a file, left it open."""


def shortened(value: object, most: int = 200) -> str:
    r"""Return what came from others as it can stand in a message: on one line, and not too long.

    What steers a terminal is written out. An object that can't be written, such
    as an exception that raises another, is its type.

    >>> shortened("a\nb"), shortened("x" * 500, 4)
    ('a\\nb', 'xxxx... (500 characters)')
    """
    try:
        text = str(value)
    except Exception:
        text = f"<{type(value).__name__}>"
    shown = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text[:most]
    )
    return shown if len(text) <= most else f"{shown}... ({len(text)} characters)"


def listed(
    values: Iterable[object], separator: str = ", ", most: int = 10, length: int = 200
) -> str:
    """Return the ``most`` first values, each shortened to ``length``, and how many more there are.

    >>> listed(range(12))
    '0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more'
    """
    every = list(values)
    text = separator.join(shortened(each, length) for each in every[:most])
    return text if len(every) <= most else f"{text} and {len(every) - most} more"


def close_to(value: str, known: Iterable[str], *, most: int = 3, least: float = 0.6) -> list[str]:
    """Return the known names that are closest to a misspelt one, the closest first.

    Case and the kind of dashes don't count; ``least`` is how alike they must be, 0 to 1.

    >>> close_to("toy_nois", ["toy-noise", "brain"])
    ['toy-noise']
    """
    import difflib

    by_fold: dict[str, str] = {}
    sought = value.casefold().replace("_", "-")
    for name in known:
        # Much longer or shorter names can't be alike enough; most are left out by that alone.
        if 2 * min(len(name), len(value)) >= least * (len(name) + len(value)):
            by_fold.setdefault(name.casefold().replace("_", "-"), name)
    found = difflib.get_close_matches(sought, by_fold, n=most, cutoff=least)
    return [by_fold[fold] for fold in found]


def whole_number(what: str, value: Any, low: int, high: int | None = None) -> int:
    """Return ``value``, of whatever integer type, as an int; ``what`` it is goes into the message.

    Raises
    ------
    RequestError
        It is no whole number, or not one from ``low`` to ``high``.

    >>> whole_number("the seed", 7, 0)
    7
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = low - 1
    if isinstance(value, bool) or number < low or (high is not None and number > high):
        limit = f"of at least {low}" if high is None else f"from {low} to {high}"
        raise RequestError(f"{what} is {value!r}; it must be a whole number {limit}")
    return number


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import an optional ``module``, or say which extra brings it.

    >>> require("json", extra="none", purpose="reading JSON").__name__
    'json'
    >>> require("no_such_module", extra="dicom", purpose="reading DICOM files")
    Traceback (most recent call last):
    ...
    medigan_hub.errors.MissingDependencyError: reading DICOM files needs no_such_module, \
which is not installed: pip install 'medigan-hub[dicom]'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.split(".")[0] != module.split(".")[0]:
            raise
        raise MissingDependencyError(
            f"{purpose} needs {module.split('.')[0]}, which is not installed: "
            f"pip install 'medigan-hub[{extra}]'"
        ) from error
