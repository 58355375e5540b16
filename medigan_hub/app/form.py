"""A form from a model's metadata alone: what may be set, and back to a job's wishes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from medigan_hub.app.context import AT_ONCE
from medigan_hub.card import plain
from medigan_hub.errors import RequestError
from medigan_hub.execution import words

if TYPE_CHECKING:
    from medigan_hub.app.session import Session
    from medigan_hub.generation import Wishes
    from medigan_hub.metadata import Input, ModelMetadata, Parameter

MAX_CHARACTERS = 100
"""Characters of a number that a user types."""
YES_NO = {"yes": True, "no": False}


@dataclass(frozen=True)
class Form:
    """The fields of one model, in the order in which an event gets their values."""

    model: ModelMetadata
    conditions: Mapping[str, Any]
    options: Mapping[str, Any]
    inputs: Mapping[str, Any]
    runtime: Any | None

    @property
    def fields(self) -> list[Any]:
        """All fields, in the order in which the page hands their values over."""
        runtime = [] if self.runtime is None else [self.runtime]
        groups = (self.conditions, self.options, self.inputs)
        return [field for group in groups for field in group.values()] + runtime

    def wishes(self, values: Sequence[Any], session: Session) -> Wishes:
        """Return what the fields ask for; empty ones are left to the model.

        Raises
        ------
        RequestError
            An upload is none that can be taken.
        """
        rest = iter(values)
        conditions = {name: next(rest) for name in self.conditions}
        options = {name: next(rest) for name in self.options}
        uploads = {name: next(rest) or [] for name in self.inputs}
        wishes: Wishes = {}
        chosen = _set(self.model.conditions, conditions)
        if chosen:
            wishes["conditions"] = chosen
        if any(isinstance(value, tuple) for value in chosen.values()):
            wishes["balance"] = True  # samples take turns in the values that were chosen
        defaults = {parameter.name: parameter.default for parameter in self.model.options}
        given = _set(self.model.options, options)
        changed = {name: value for name, value in given.items() if value != defaults[name]}
        if changed:
            wishes["options"] = changed
        kept = session.keep(uploads)
        if kept:
            wishes["inputs"] = {name: str(path) for name, path in kept.items()}
        runtime = next(rest, None)
        if runtime not in (None, "auto"):
            wishes["runtime"] = runtime
        return wishes


def build(model: ModelMetadata, session: gr.State) -> Form:
    """Place the fields of a model on the page."""
    if model.conditions:
        gr.Markdown("### Conditions")
    conditions = {p.name: _field(p, several=True) for p in model.conditions}
    if model.options:
        gr.Markdown("### Options")
    options = {p.name: _field(p, several=False) for p in model.options}
    inputs = {entry.name: upload(entry, session) for entry in model.inputs}
    runtime = None
    if len(model.runtimes) > 1:
        runtime = gr.Dropdown(
            ["auto", *model.runtimes],
            value="auto",
            label="Runtime",
            info=words("runtime"),
            interactive=True,
        )
    return Form(model, conditions, options, inputs, runtime)


def not_installed(model: ModelMetadata) -> None:
    """Say how to install a model."""
    gr.Markdown(f"**{model.name}** is not installed. Run this, then load this page again:")
    gr.Code(f"medigan install {model.name}", language="shell", label="Install", elem_id="install")


def heading(model: ModelMetadata) -> None:
    """Say which model a form is of."""
    gr.Markdown(f"## {model.name}\n{plain(model.title)}")


def upload(entry: Input, session: gr.State) -> gr.File:
    """Place the field for the images that a model starts from."""
    needed = "" if entry.required else " (optional: without one the model's own are used)"
    label = f"{entry.name}: images to start from, PNG, TIFF, JPEG, DICOM, NIfTI or NumPy{needed}"
    return files(label, session, height=140, elem_id=f"upload-{entry.name}")


def files(label: str, session: gr.State, **looks: Any) -> gr.File:
    """Place a field for files, which belong to the page from when they are there."""
    field = gr.File(label=label, file_count="multiple", **looks)
    # Nothing is to be done: with any event that names a file it becomes its page's own.
    field.upload(_none, [session, field], None, **AT_ONCE)
    return field


def seed_field(value: str = "0", label: str = "Seed") -> gr.Textbox:
    """Place the field of a seed: text, since a browser's numbers end at 2**53."""
    return gr.Textbox(
        value, label=label, info="0 to 18446744073709551615", max_lines=1, interactive=True
    )


def whole(what: str, text: Any) -> int:
    """Return the whole number that a user typed.

    Raises
    ------
    RequestError
        It is none.
    """
    number = None
    typed = str(text).strip()
    try:
        number = int(typed) if len(typed) <= MAX_CHARACTERS else None
    except ValueError:
        if isinstance(text, float) and text.is_integer():
            number = int(text)
    if number is None:
        raise RequestError(f"{what} is {shortened(text)}; type a whole number")
    return number


def shortened(value: Any) -> str:
    """Return a value as an error shows it.

    >>> shortened("7" * 1000)[-20:]
    '7777777777777777 ...'
    """
    shown = repr(value)
    return shown if len(shown) <= MAX_CHARACTERS else f"{shown[:MAX_CHARACTERS]} ..."


def _none(*values: Any) -> None:
    pass


def _field(parameter: Parameter, *, several: bool) -> Any:
    label = parameter.name + (f" ({parameter.unit})" if parameter.unit else "")
    empty = "" if parameter.default is not None else _empty(parameter)
    # Gradio takes it for Markdown.
    info = plain(f"{parameter.description} {parameter.allowed.capitalize()}{empty}.")
    if parameter.values:
        names = [name_of(value) for value in parameter.values]
        default = None if parameter.default is None else name_of(parameter.default)
        return gr.Dropdown(
            names,
            value=([] if default is None else [default]) if several else default,
            multiselect=several,
            label=label,
            info=info,
            interactive=True,
        )
    # Text, since a field for numbers shows 0 where nothing is given.
    default = "" if parameter.default is None else f"{parameter.default}"
    several_of = " Several values, with commas, are taken in turns." if several else ""
    return gr.Textbox(default, label=label, info=info + several_of, max_lines=1, interactive=True)


def _empty(parameter: Parameter) -> str:
    if parameter.turns:
        return f"; empty: {', '.join(map(str, parameter.turns))} in turn"
    return "; empty: drawn for each sample" if parameter.can_draw else "; must be given"


def _set(parameters: Sequence[Parameter], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that were given, in their own types; several as a tuple.

    Raises
    ------
    RequestError
        A value is not possible.
    """
    found: dict[str, Any] = {}
    for parameter in parameters:
        value = values[parameter.name]
        if value is None or value in ("", []):
            continue
        if parameter.values:
            by_name = {name_of(each): each for each in parameter.values}
            chosen = [by_name[name] for name in (value if isinstance(value, list) else [value])]
            found[parameter.name] = chosen[0] if len(chosen) == 1 else tuple(chosen)
        else:
            found[parameter.name] = parameter.parse_several(str(value))
    return found


def name_of(value: Any) -> str:
    """Return what a value is called on the page."""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
