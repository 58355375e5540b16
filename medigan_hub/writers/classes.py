"""Classes: what tells the class of a sample, and the folder of a class."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from medigan_hub import provenance
from medigan_hub.errors import OutputError, RequestError, named
from medigan_hub.samples import GenerationRequest

INPUT = "input_class"
"""Name of the class that a sample has from the folder which its input lay in."""
FORBIDDEN = frozenset('/\\:*?"<>|%')
"""Characters that no folder's name has on every system, and the one that stands for them."""
LEADING = frozenset(".-=+@~")
"""Characters that make something else of a name which begins with them."""
TAKEN = frozenset(
    ("con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10)))
)
"""Names that Windows keeps for itself, whatever follows a dot."""
MAX_BYTES = 200
"""In a folder's name; most systems allow 255."""


@dataclass(frozen=True)
class Classes:
    """What tells the class of each sample."""

    name: str
    """Of a label, of a condition, or ``INPUT``."""
    kind: str
    """Where the facts of a sample have it: ``labels``, ``conditions`` or ``INPUT``."""
    names: tuple[str, ...] = ()
    """Of a label: the names of its values 0, 1, and so on."""

    def of(self, facts: Mapping[str, Any]) -> str:
        """Return the class of the sample with these facts.

        Raises
        ------
        OutputError
            Its label is none that has a name.
        """
        if self.kind == INPUT:
            return str(facts[INPUT])
        value = facts[self.kind][self.name]
        if self.kind == "labels":
            if not 0 <= value < len(self.names):
                raise OutputError(
                    f"sample {facts['index']} has the {self.name} {value}, and the model names "
                    f"the classes 0 to {len(self.names) - 1}; use another layout"
                )
            return self.names[int(value)]
        return str(value).lower() if isinstance(value, bool) else str(value)


def find(request: GenerationRequest, wanted: str | None) -> Classes:
    """Return what tells the class of each sample of a job.

    Parameters
    ----------
    wanted
        The name of a label, of a condition, or ``INPUT``; None where there is one alone.

    Raises
    ------
    RequestError
        There is nothing that tells it, several things do, or not of every sample.
    """
    known = {each.name: each for each in _known(request)}
    model = request.metadata.name
    if wanted is None and len(known) > 1:
        examples = named("layout", f"classes:{next(iter(known))}")
        raise RequestError(
            f"{', '.join(known)} tell classes of the samples of {model}; choose, such as {examples}"
        )
    if not known or wanted not in (None, *known):
        what = "nothing tells a class" if wanted is None else f"{wanted} tells no class"
        others = (
            f"{', '.join(known)} would"
            if known
            else "a label or condition of classes would, or the folders of inputs"
        )
        raise RequestError(
            f"{what} of the samples of {model}: {others}; use {named('layout', 'folders')}"
        )
    found = known[wanted or next(iter(known))]
    if found.kind == INPUT:
        for index in request.indices:
            facts = provenance.facts(request, index, {})
            if not facts.get(INPUT):
                raise RequestError(
                    f"the input {facts.get('input', index)} of sample {index} lies in no folder of "
                    f"a class; move it into one, or use {named('layout', 'folders')}"
                )
    return found


def _known(request: GenerationRequest) -> list[Classes]:
    """Return all that tells classes; of a label and a condition with one name, the label."""
    model = request.metadata
    found = [
        Classes(output.name, "labels", output.classes)
        for output in model.outputs
        if output.kind == "label" and output.classes and not output.shape
    ]
    names = {each.name for each in found}
    found += [
        Classes(parameter.name, "conditions")
        for parameter in model.conditions
        if parameter.values and parameter.name not in names
    ]
    if request.inputs and INPUT not in names:
        facts = provenance.facts(request, request.indices[0], {})
        found += [Classes(INPUT, INPUT)] if facts.get(INPUT) else []
    return found


def folder(name: str) -> str:
    """Return a class's name as that of a folder on every system, another for each class.

    >>> folder("BI-RADS 4"), folder("a/b"), folder("-1")
    ('BI-RADS 4', 'a%2Fb', '%2D1')
    """
    last = len(name) - 1
    safe = "".join(
        _spelt(character)
        if character in FORBIDDEN
        or not character.isprintable()
        or (place == 0 and character in LEADING)
        or (place in (0, last) and character in " .")
        else character
        for place, character in enumerate(name)
    )
    if safe.partition(".")[0].casefold() in TAKEN or _is_described(safe):
        safe = _spelt(safe[0]) + safe[1:]
    if len(safe.encode()) > MAX_BYTES:
        safe = f"{safe[:40]}-{hashlib.sha256(name.encode()).hexdigest()[:32]}"
    return safe or "%"


def _spelt(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


def _is_described(name: str) -> bool:
    """Tell whether a name may be that of a file beside the classes' folders."""
    return name.casefold().endswith((".json", ".md", ".csv", ".jsonl", ".part"))
