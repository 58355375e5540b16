"""How samples are made: each knob once, with its default and its words.

The command line, the methods of ``Hub``, the app and the header of a data set
follow from the fields of ``Execution``.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


def knob(default: Any, words: str, *, kind: type | None = None, recorded: bool = True) -> Any:
    """Return a field: its default, what it is in words, and whether data sets record it.

    ``kind`` is what the command line takes it for, where the default is not of that type.
    """
    kind = type(default) if kind is None else kind
    return field(default=default, metadata={"words": words, "kind": kind, "recorded": recorded})


@dataclass(frozen=True)
class Execution:
    """How samples are made. Which they are does not depend on it, but pixels may be rounded."""

    runtime: str = knob(
        "auto",
        "What runs the model: torch, tensorflow, onnx and so on, of which it has weights; archive, "
        "the code that was published with it; or auto, the first that can.",
    )
    precision: str = knob("float32", "float32, or bfloat16: faster on some machines, and coarser.")
    device: str = knob("auto", "auto, cpu, cuda, cuda:N (such as cuda:0) or mps.")
    batch_size: int = knob(8, "Samples made at a time.")
    allow_archive_code: bool = knob(
        False,
        "Let code that was published with the model run; asked once for each archive.",
        recorded=False,
    )


KNOBS = {each.name: each for each in fields(Execution)}


def words(name: str) -> str:
    """Return what a knob is.

    >>> words("batch_size")
    'Samples made at a time.'
    """
    return str(KNOBS[name].metadata["words"])


def documented(**tables: Mapping[str, Field[Any]]) -> Callable[[Function], Function]:
    """Write fields, as ``knob`` makes them, into a docstring, where it has a line for a table.

    ``documented(knobs=KNOBS)`` takes the line ``{knobs}`` among the parameters.
    """

    def decorate(function: Function) -> Function:
        text = function.__doc__ or ""
        for line in text.splitlines():
            table = tables.get(line.strip().removeprefix("{").removesuffix("}"))
            if table is None or not line.strip().startswith("{"):
                continue
            indent = line[: len(line) - len(line.lstrip())]
            lines = []
            for name, each in table.items():
                about = f"{each.metadata['words']} By default {each.default}."
                lines += [
                    f"{indent}{name}",
                    textwrap.indent(textwrap.fill(about, 72), indent + "    "),
                ]
            text = text.replace(line, "\n".join(lines))
        function.__doc__ = text
        return function

    return decorate
