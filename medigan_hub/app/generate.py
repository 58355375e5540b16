"""Generate: a form from the metadata, and a grid of what was made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import gradio as gr

from medigan_hub import generation
from medigan_hub.app import display, form, work
from medigan_hub.app.context import AT_ONCE, QUIETLY
from medigan_hub.app.session import Made, Session
from medigan_hub.app.settings import MAX_SHOWN
from medigan_hub.errors import whole_number

if TYPE_CHECKING:
    from medigan_hub.app.context import Context
    from medigan_hub.metadata import ModelMetadata


def build(context: Context, tab: gr.Tab) -> None:
    """Place the tab's contents."""

    @gr.render(inputs=[context.model], queue=False)
    def place(name: str) -> None:
        entry = context.entry(name)
        if entry.plugin is None:
            form.not_installed(entry.metadata)
        else:
            _fields(context, entry.metadata)


def _fields(context: Context, model: ModelMetadata) -> None:
    """Place the form of a model, and the grid of what comes of it."""
    unless = ", where no images are uploaded" if model.inputs else ""
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            form.heading(model)
            count = gr.Number(
                4,
                label="Number of samples",
                info=f"1 to {MAX_SHOWN}{unless}",
                interactive=True,
            )
            seed = form.seed_field()
            asked = form.build(model, context.session)
            with gr.Row():
                start = gr.Button("Generate", variant="primary", min_width=100)
                cancel = gr.Button("Cancel", min_width=100)
        with gr.Column(scale=2, min_width=280):
            status = work.status("generate-status")
            grid = gr.HTML(
                elem_id="grid", apply_default_css=False, js_on_load=display.follower(model)
            )

    @work.in_words(status)
    def make(session: Session, count: Any, seed: str, *values: Any) -> Iterator[Any]:
        window = display.window(values[: len(context.shown)])
        wishes = asked.wishes(values[len(context.shown) :], session)
        wishes["seed"] = form.whole("the seed", seed)
        number = None  # as many as there are images
        if "inputs" not in wishes:
            number = form.whole("the number of samples", count)
            whole_number("the number of samples", number, 1, MAX_SHOWN)
        yield {status: work.loading(model), grid: ""}
        with work.job(session) as stop:
            plugin, request = context.request(model.name, number, wishes)
            made = Made(request, wishes, [])
            total = len(request.indices)
            for batch in generation.stream(plugin, request):
                made.samples.extend(batch)
                session.made = session.generated = made
                yield {
                    status: work.progress("Making samples", len(made.samples), total),
                    grid: display.grid(made, window),
                }
                if stop.is_set() and len(made.samples) < total:
                    raise work.Stopped
        words = "1 sample" if total == 1 else f"{total} samples"
        taken = [f" {name}: {images.summary}." for name, images in request.inputs.items()]
        taken += [f" {line}." for line in request.told]
        yield {
            status: work.said(
                f"{words} of {model.name}, seed {request.seed}.{''.join(taken)} "
                "To keep them, or to make them again: Take away."
            )
        }

    start.click(
        make,
        [context.session, count, seed, *context.shown, *asked.fields],
        [status, grid],
        **QUIETLY,
    )
    cancel.click(Session.cancel, context.session, None, **AT_ONCE)
    display.follow_settings(context, model, "generated", status, grid, display.grid)
