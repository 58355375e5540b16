"""What is asked for a package, and which answers are possible."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec

from importlib_metadata import PackageNotFoundError, distribution

from medigan_hub import plugins
from medigan_hub.catalogue import Catalogue
from medigan_hub.contribution import recognition
from medigan_hub.contribution.scaffold.licences import spdx
from medigan_hub.contribution.scaffold.starts import OWN, Start
from medigan_hub.contribution.scaffold.template import settings
from medigan_hub.errors import RequestError, close_to

NAME = re.compile("[a-z][a-z0-9]*(-[a-z0-9]+)*")
MAX_NAME_CHARACTERS = 64
MAX_CHARACTERS = 200
"""Characters of an answer."""
DEVICES = {
    *("con", "prn", "aux", "nul"),
    *(f"{port}{number}" for port in ("com", "lpt") for number in range(10)),
}
"""Names that Windows has no files of."""
RESERVED = {*DEVICES, *map(str.lower, (*keyword.kwlist, *keyword.softkwlist))} | {
    *("all", "hub", "medigan", "medigan-hub", "model", "models", "own", "test", "tests"),
}
PREFIX = "medigan-model-"
OPTIONAL = ("affiliation", "orcid")


@dataclass(frozen=True)
class Question:
    """What is asked for a package."""

    key: str
    words: str
    default: str
    choices: tuple[str, ...] = ()


@cache
def questions() -> tuple[Question, ...]:
    """Return the questions, in their order."""
    raw = settings()
    words = raw["__prompts__"]
    asked = [key for key in raw if not key.startswith("_")]
    found = []
    for key in asked:
        value = raw[key]
        choices = tuple(value) if isinstance(value, list) else ()
        found.append(Question(key, words[key], choices[0] if choices else value, choices))
    networks = Question("network", "Network: own, or one of the hub's", OWN)
    place = asked.index("framework") + 1
    return (*found[:place], networks, *found[place:])


def check(key: str, value: str, answers: Mapping[str, str], start: Start) -> str:
    """Return an answer in its right form; ``answers`` are those before it.

    Raises
    ------
    RequestError
        The answer is not possible; the message says why, and what is.
    """
    value = value.strip()
    known = {question.key: question for question in questions()}
    if key not in known:
        close = ", ".join(close_to(key, known) or known)
        raise RequestError(f"there is no key {key!r}; use {close}")
    if key in start.fixed and value != start.fixed[key]:
        raise RequestError(
            f"{key}={value} is not possible: with this file it is {start.fixed[key]}; leave it out"
        )
    if not value.isprintable():
        raise RequestError(f"the {key} {value!r} holds characters that can't be printed")
    if len(value) > MAX_CHARACTERS:
        raise RequestError(f"the {key} has {len(value)} characters; {MAX_CHARACTERS} are the most")
    if not value and key not in OPTIONAL:
        raise RequestError(f"the {key} is empty; give one: {known[key].words}")
    choices = known[key].choices
    if choices and value not in choices:
        raise RequestError(f"there is no {key} {value!r}; use {', '.join(choices)}")
    checks = {
        "name": _check_name,
        "task": _check_task,
        "network": _check_network,
        "licence": _check_licence,
        "orcid": _check_orcid,
        "organ": _check_words,
        "modality": _check_words,
    }
    return checks[key](value, answers, start) if key in checks else value


def check_digit(orcid: str) -> str:
    """Return the last character of an ORCID iD, given the others: ISO 7064, MOD 11-2.

    >>> check_digit("0000-0002-1825-009")
    '7'
    """
    total = 0
    for digit in orcid.replace("-", ""):
        total = (total + int(digit)) * 2
    value = (12 - total % 11) % 11
    return "X" if value == 10 else str(value)


def _check_name(name: str, answers: Mapping[str, str], start: Start) -> str:
    if not NAME.fullmatch(name) or len(name) > MAX_NAME_CHARACTERS:
        better = re.sub("[^a-z0-9]+", "-", name.lower()).lstrip("-0123456789").rstrip("-")
        better = better[:MAX_NAME_CHARACTERS].rstrip("-")
        offer = f", such as {better}" if NAME.fullmatch(better) else ""
        raise RequestError(
            f"the name {name!r} is not possible; use lower case, digits and hyphens, at most "
            f"{MAX_NAME_CHARACTERS} characters, the first a letter{offer}"
        )
    if name.startswith(PREFIX):
        raise RequestError(
            f"the name {name} has what the package's name begins with; use "
            f"{name.removeprefix(PREFIX)}"
        )
    if name in RESERVED:
        raise RequestError(f"the name {name} is reserved; choose another, such as {name}-gan")
    taken = _taken(name)
    if taken:
        raise RequestError(f"the name {name} is taken: {taken}; choose another with name=NAME")
    return name


def _taken(name: str) -> str | None:
    """Say who has a name already, or None. What PyPI has is not asked."""
    for entry in Catalogue().entries():
        if entry.metadata.name == name:
            return f"the catalogue has it ({entry.metadata.title})"
    if any(broken.name == name for broken in plugins.discover()[1]):
        return "an installed plugin has it"
    with suppress(PackageNotFoundError):
        return f"{distribution(PREFIX + name).name} is installed"
    if find_spec(import_name(name)) is not None:
        return f"there is a package {import_name(name)} that Python would import"
    return None


def _check_task(task: str, answers: Mapping[str, str], start: Start) -> str:
    if start.tasks and task not in start.tasks:
        raise RequestError(
            f"the network of this checkpoint is for {' or '.join(start.tasks)}, not for {task}"
        )
    return task


def _check_network(network: str, answers: Mapping[str, str], start: Start) -> str:
    if network == OWN or start.network is not None:
        return network
    tasks = recognition.kind_of(network).tasks
    framework, task = answers["framework"], answers["task"]
    if framework != "torch":
        raise RequestError(
            f"the network {network} runs on torch, not on {framework}; use network=own"
        )
    if task not in tasks:
        raise RequestError(
            f"the network {network} is for {' or '.join(tasks)}, not for {task}; "
            f"use task={tasks[0]}"
        )
    return network


def _check_licence(licence: str, answers: Mapping[str, str], start: Start) -> str:
    found = spdx(licence)
    if found is None:
        raise RequestError(
            f"the licence {licence!r} is no SPDX identifier, such as MIT, Apache-2.0, "
            "BSD-3-Clause or CC-BY-4.0; see https://spdx.org/licenses/"
        )
    return found


def _check_orcid(orcid: str, answers: Mapping[str, str], start: Start) -> str:
    orcid = orcid.removeprefix("https://orcid.org/").upper()
    if not orcid:
        return ""
    if not re.fullmatch("[0-9]{4}-[0-9]{4}-[0-9]{4}-[0-9]{3}[0-9X]", orcid):
        raise RequestError(f"{orcid!r} is no ORCID iD; it has the form 0000-0002-1825-0097")
    if check_digit(orcid[:-1]) != orcid[-1]:
        raise RequestError(f"{orcid} is no ORCID iD: its check digit is wrong; see orcid.org")
    return orcid


def _check_words(text: str, answers: Mapping[str, str], start: Start) -> str:
    words = list(dict.fromkeys(filter(None, (word.strip() for word in text.split(",")))))
    if not words:
        raise RequestError(f"{text!r} holds no words; give one, or several with commas")
    return ", ".join(words)


def import_name(name: str) -> str:
    """Return the name of a model's import package.

    >>> import_name("my-gan")
    'medigan_model_my_gan'
    """
    return f"medigan_model_{name.replace('-', '_')}"
