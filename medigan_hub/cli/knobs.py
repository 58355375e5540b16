"""The options of a command that say how samples are made, from the fields of ``Execution``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer

from medigan_hub.execution import KNOBS, words
from medigan_hub.spelling import flag

Command = TypeVar("Command", bound=Callable[..., Any])


def with_knobs(*names: str) -> Callable[[Command], Command]:
    """Give a command these knobs, by default all, as options in the place of ``**knobs``."""

    def decorate(command: Command) -> Command:
        # Typer reads a command's options off its signature, with the annotations evaluated.
        annotations = command.__annotations__
        del annotations["knobs"]  # which only type checkers can read
        signature = inspect.signature(command, eval_str=True)
        taken = [
            parameter
            for parameter in signature.parameters.values()
            if parameter.kind is not parameter.VAR_KEYWORD
        ]
        for name in names or KNOBS:
            default = KNOBS[name].default
            kind: Any = type(default)
            option: Any = Annotated[kind, typer.Option(flag(name), help=words(name))]
            taken.append(
                inspect.Parameter(
                    name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=option
                )
            )
            annotations[name] = option
        command.__signature__ = signature.replace(parameters=taken)  # type: ignore[attr-defined]
        return command

    return decorate
