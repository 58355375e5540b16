"""The options of a command that say how samples are made, from the fields of ``Execution``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

import typer

from medigan_hub.execution import KNOBS, words
from medigan_hub.spelling import flag

Command = TypeVar("Command", bound=Callable[..., Any])


def with_knobs(*names: str) -> Callable[[Command], Command]:
    """Give a command these knobs, by default all, as options in the place of ``**knobs``."""

    def decorate(command: Command) -> Command:
        # Typer reads the options off the signature, and takes one that is set as evaluated.
        kinds = {parameter.kind: name for name, parameter in _signature(command).items()}
        command.__annotations__.pop(kinds[inspect.Parameter.VAR_KEYWORD], None)
        parameters = [
            parameter
            for parameter in _signature(command, eval_str=True).values()
            if parameter.kind is not inspect.Parameter.VAR_KEYWORD
        ]
        for name in names or KNOBS:
            default = KNOBS[name].default
            kind: Any = type(default)
            option: Any = Annotated[kind, typer.Option(flag(name), help=words(name))]
            command.__annotations__[name] = option
            parameters.append(
                inspect.Parameter(
                    name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=option
                )
            )
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return command

    return decorate


def _signature(command: Callable[..., Any], **how: Any) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(command, **how).parameters
