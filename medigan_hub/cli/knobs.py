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
        signature = inspect.signature(command)
        taken = [
            parameter
            for parameter in signature.parameters.values()
            if parameter.kind is not parameter.VAR_KEYWORD
        ]
        annotations = {
            name: annotation
            for name, annotation in command.__annotations__.items()
            if name in {"return", *(parameter.name for parameter in taken)}
        }
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
        command.__annotations__ = annotations
        return command

    return decorate
