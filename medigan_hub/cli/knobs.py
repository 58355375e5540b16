"""The options of a command that follow from the fields of ``Execution`` and ``Reading``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

import typer

from medigan_hub.execution import KNOBS
from medigan_hub.reading import READING
from medigan_hub.spelling import flag

DECLARED = READING | KNOBS

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
        for name in names or DECLARED:
            default, about = DECLARED[name].default, DECLARED[name].metadata
            kind: Any = about["kind"] if default is not None else about["kind"] | None
            # A switch whose default is neither on nor off can be switched off, too.
            is_open = default is None and about["kind"] is bool
            spelt = f"{flag(name)}/--no-{flag(name)[2:]}" if is_open else flag(name)
            option: Any = Annotated[
                kind, typer.Option(spelt, help=about["words"], show_default=default is not None)
            ]
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
