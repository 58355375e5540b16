"""Take away: what was made last, as a data set, as lines of Python and as a command."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np

from medigan_hub import recipe, writers
from medigan_hub.app import form, work
from medigan_hub.app.context import AT_ONCE, QUIETLY
from medigan_hub.app.session import Made, Session
from medigan_hub.app.settings import MAX_SAVED
from medigan_hub.errors import RequestError, whole_number

if TYPE_CHECKING:
    from medigan_hub.app.context import Context

NOTHING = "Nothing has been made yet: make samples under Generate, or steer to one."


def build(context: Context, tab: gr.Tab) -> None:
    """Place the tab's contents."""
    status = work.status("takeaway-status")
    with gr.Row():
        count = gr.Number(
            1, label="Number of samples", info=f"1 to {MAX_SAVED}; the command makes any number"
        )
        format_name = gr.Dropdown(["png"], value="png", label="Format")
    with gr.Row():
        start = gr.Button("Make the data set", variant="primary", min_width=160)
        cancel = gr.Button("Cancel", min_width=100)
    data = gr.File(label="Data set, with its manifest", interactive=False, visible=False)
    latents = gr.File(label="Latent vectors, for the command", interactive=False, visible=False)
    told: dict[str, Any] = {"interactive": False, "wrap_lines": True, "elem_classes": "plain"}
    lines = gr.Code(label="The same in Python", language="python", elem_id="python", **told)
    command = gr.Code(
        label="The same on the command line", language="shell", elem_id="command", **told
    )

    @work.in_words(status)
    def describe(session: Session, count: Any, format_name: str) -> dict[Any, Any]:
        made = _made(session)
        number = _number(made, count)
        wishes = context.wishes(made.wishes)
        return {
            status: work.said(_words(made)),
            lines: recipe.python(made.model, number, wishes, format=format_name),
            command: recipe.command(made.model, number, wishes, format=format_name),
        }

    @work.in_words(status)
    def arrive(session: Session, format_name: str) -> dict[Any, Any]:
        made = _made(session)
        able = writers.able(made.request)
        chosen = format_name if format_name in able else able[0]
        number = len(made.samples)
        file = None
        if made.request.given_latents is not None:
            path = session.folder() / "latents.npy"
            np.save(path, made.request.given_latents, allow_pickle=False)
            file = session.hand_out(path)
        return {
            **describe(session, number, chosen),
            count: number,
            format_name_field: gr.Dropdown(able, value=chosen),
            data: gr.File(None, visible=False),
            latents: gr.File(file, visible=file is not None),
        }

    format_name_field = format_name

    @work.in_words(status)
    def make(session: Session, count: Any, format_name: str) -> Iterator[Any]:
        made = _made(session)
        number = _number(made, count)
        folder = session.folder()
        name = f"{made.model.name}-seed-{made.request.seed}-{format_name}"
        yield {status: work.loading(made.model), data: gr.File(None, visible=False)}

        def save(tell: work.Tell) -> str:
            context.hub.save(
                made.model.name,
                number,
                folder / name,
                format=format_name,
                progress=tell,
                **context.wishes(made.wishes),
            )
            archive = shutil.make_archive(str(folder / name), "zip", folder, name)
            return session.hand_out(Path(archive))

        try:
            with work.job(session) as stop:
                archive = yield from work.follow(
                    save,
                    stop,
                    lambda done, total: {status: work.progress("Making samples", done, total)},
                )
        finally:
            shutil.rmtree(folder / name, ignore_errors=True)
        yield {
            status: work.said(
                f"The data set is ready. Unpack it; medigan verify {name} holds it against "
                "its manifest."
            ),
            data: gr.File(archive, visible=True),
        }

    described = [status, lines, command]
    tab.select(
        arrive,
        [context.session, format_name],
        [*described, count, format_name, data, latents],
        **AT_ONCE,
    )
    for field in (count, format_name):
        field.input(
            describe,
            [context.session, count, format_name],
            described,
            trigger_mode="always_last",
            **AT_ONCE,
        )
    start.click(make, [context.session, count, format_name], [status, data], **QUIETLY)
    cancel.click(Session.cancel, context.session, None, **AT_ONCE)


def _made(session: Session) -> Made:
    if session.made is None or not session.made.samples:
        raise RequestError(NOTHING)
    return session.made


def _number(made: Made, count: Any) -> int:
    number = whole_number(
        "the number of samples", form.whole("the number of samples", count), 1, MAX_SAVED
    )
    for what in ("inputs", "given_latents"):
        given = getattr(made.request, what)
        if given is not None and len(given):
            most = len(made.request.indices)
            whole_number("the number of samples", number, 1, most)
    return number


def _words(made: Made) -> str:
    count = len(made.samples)
    samples = "1 sample" if count == 1 else f"{count} samples"
    return (
        f"Made last: {samples} of {made.model.name} {made.model.version}, seed {made.request.seed}."
    )
