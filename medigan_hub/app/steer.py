"""Steer: a picture that follows sliders through the latent space; before and after."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np

from medigan_hub import generation, preview, provenance, steering
from medigan_hub.app import display, form, pictures, work
from medigan_hub.app.context import AT_ONCE, QUIETLY
from medigan_hub.app.html import render
from medigan_hub.app.session import Made, Session
from medigan_hub.contribution.card import plain
from medigan_hub.errors import RequestError, whole_number

if TYPE_CHECKING:
    from medigan_hub.app.context import Context
    from medigan_hub.generation import Wishes
    from medigan_hub.metadata import ModelMetadata, Parameter
    from medigan_hub.plugins import Plugin
    from medigan_hub.samples import GenerationRequest

GROUPED = "Groups of components"
PRINCIPAL = "Principal directions"
ROWS = 10
"""Sliders of either kind."""
REACH = 3.0
"""How far a slider goes, in standard deviations of a component."""
STEPS = (2, 24)

# The frames lie in the page; which one is seen is the browser's own affair.
PLAYER = """
let timer = null;
const stop = () => {
    clearInterval(timer);
    timer = null;
    const play = element.querySelector('.play');
    if (play) play.textContent = 'Play';
};
const show = number => {
    element.querySelectorAll('.frames img').forEach((frame, n) => { frame.hidden = n != number; });
    element.querySelector('.frame-number').value = number;
};
element.addEventListener('input', event => {
    if (event.target.matches('.frame-number')) { stop(); show(Number(event.target.value)); }
});
element.addEventListener('click', event => {
    if (!event.target.matches('.play')) return;
    if (timer) { stop(); return; }
    event.target.textContent = 'Pause';
    let step = 1;
    timer = setInterval(() => {
        const range = element.querySelector('.frame-number');
        if (!range) { stop(); return; }
        const last = Number(range.max);
        const now = Number(range.value);
        if (now + step > last || now + step < 0) step = -step;
        show(now + step);
    }, 120);
});
"""
DIVIDER = """
element.addEventListener('input', event => {
    if (event.target.matches('.cut'))
        event.target.closest('.divided').style.setProperty('--cut', event.target.value + '%');
});
"""


def build(context: Context, tab: gr.Tab) -> None:
    """Place the tab's contents."""

    @gr.render(inputs=[context.model], queue=False)
    def place(name: str) -> None:
        entry = context.entry(name)
        model = entry.metadata
        if entry.plugin is None:
            form.not_installed(model)
        elif model.inputs:
            _translation(context, model)
        elif model.latent is not None:
            conditions = _sliders(context, model)
            _interpolation(context, model, conditions)
        else:
            gr.Markdown(
                f"## {name}\n{name} has no latent vector to steer by. What may be set of it "
                "is under **Generate**."
            )


def _sliders(context: Context, model: ModelMetadata) -> dict[str, Any]:
    """Place the sliders of a model and the picture that follows them; return its conditions."""
    latent = steering.latent_of(model)
    grouped = steering.grouped(latent.size, ROWS)
    with gr.Row():
        with gr.Column(min_width=280):
            form.heading(model)
            seed = form.seed_field(label="Start: sample 0 of the seed")
            with gr.Row():
                another = gr.Button("New seed", min_width=100)
                reset = gr.Button("Reset", min_width=100)
                cancel = gr.Button("Cancel", min_width=100)
            conditions = {parameter.name: _condition(parameter) for parameter in model.conditions}
            kind = gr.Radio(
                [GROUPED, PRINCIPAL],
                value=GROUPED,
                label="Sliders",
                info="Neighbouring components together, or along what changes the picture most.",
                interactive=True,
            )
            amounts = [_slider(-REACH, REACH, 0, _run(row)) for row in grouped]
            offset = _slider(-REACH, REACH, 0, "Offset of all components")
        with gr.Column(min_width=280, elem_classes="follows"):
            status = work.status("steer-status", "Loading the model ...")
            picture = gr.HTML(
                elem_id="steered",
                apply_default_css=False,
                js_on_load=display.follower(model),
            )

    def basis(session: Session, kind: str) -> np.ndarray:
        if kind == GROUPED:
            return grouped
        if model.name not in session.bases:
            raise RequestError("the principal directions are not found yet; choose them once more")
        return session.bases[model.name]

    @work.in_words(status)
    def draw(session: Session, seed: str, kind: str, offset: float, *values: Any) -> dict[Any, Any]:
        window = display.window(values[: len(context.shown)])
        values = values[len(context.shown) :]
        wishes = _wishes(conditions, values[len(amounts) :], form.whole("the seed", seed))
        plugin, request = context.request(model.name, 1, wishes)
        rows = basis(session, kind)
        vector = steering.move(latent, request.latents([0])[0], rows, values[: len(rows)], offset)
        wishes["latents"] = vector[np.newaxis]
        made = _run_one(plugin, steering.at(request, vector), wishes)
        session.made = session.steered = made
        return {picture: display.grid(made, window, large=True), status: ""}

    asked = [context.session, seed, kind, offset, *context.shown, *amounts, *conditions.values()]
    changed = [picture, status]

    @work.in_words(status)
    def choose(session: Session, kind: str, *values: Any) -> Iterator[Any]:
        names = [_run(row) for row in grouped]
        if kind == PRINCIPAL:
            with work.job(session) as stop:
                session.bases[model.name] = yield from work.follow(
                    lambda tell: context.hub.directions(
                        model.name, len(amounts), progress=tell, **context.wishes({})
                    ),
                    stop,
                    lambda done, total: {
                        status: work.progress("Finding principal directions", done, total)
                    },
                )
            # A short latent vector has fewer.
            names = [f"Direction {number}" for number, _ in enumerate(session.bases[model.name], 1)]
        yield {status: ""} | {
            slider: gr.Slider(value=0, label=name, visible=name is not None)
            for slider, name in zip_longest(amounts, names)
        }

    def to_zero() -> list[Any]:
        return [0.0] * (len(amounts) + 1)

    followed = [*amounts, offset, *conditions.values()]
    for field in followed:
        # A text is a value when it is left; a slider at every step.
        event = field.blur if isinstance(field, gr.Textbox) else field.input
        event(draw, asked, changed, trigger_mode="always_last", **AT_ONCE)
        if isinstance(field, gr.Slider):  # whose own button to put it back is no input
            field.release(draw, asked, changed, trigger_mode="always_last", **AT_ONCE)
    seed.submit(draw, asked, changed, **AT_ONCE)
    seed.blur(draw, asked, changed, **AT_ONCE)
    another.click(lambda: str(secrets.randbelow(2**32)), None, seed, **AT_ONCE).then(
        draw, asked, changed, **AT_ONCE
    )
    reset.click(to_zero, None, [*amounts, offset], **AT_ONCE).then(draw, asked, changed, **AT_ONCE)
    kind.input(choose, [context.session, kind], [status, *amounts], **QUIETLY).then(
        draw, asked, changed, **AT_ONCE
    )
    display.follow_settings(
        context, model, "steered", status, picture, partial(display.grid, large=True)
    )
    picture.focus(draw, asked, changed, **AT_ONCE)
    cancel.click(Session.cancel, context.session, None, **AT_ONCE)
    return conditions


def _interpolation(context: Context, model: ModelMetadata, conditions: dict[str, Any]) -> None:
    """Place what is needed to go from one sample to another."""
    gr.Markdown("## From one seed to another")
    with gr.Row():
        with gr.Column(min_width=280):
            with gr.Row():
                first = form.seed_field("0", "From seed")
                last = form.seed_field("1", "To seed")
            steps = gr.Slider(*STEPS, 8, step=1, label="Pictures", interactive=True)
            with gr.Row():
                start = gr.Button("Interpolate", min_width=100)
                cancel = gr.Button("Cancel", min_width=100)
        with gr.Column(min_width=280):
            status = work.status("strip-status")
            strip = gr.HTML(elem_id="strip", apply_default_css=False, js_on_load=PLAYER)

    @work.in_words(status)
    def run(session: Session, first: str, last: str, steps: int, *values: Any) -> Iterator[Any]:
        window = display.window(values[: len(context.shown)])
        ends = (form.whole("the first seed", first), form.whole("the last seed", last))
        number = whole_number("the number of pictures", steps, *STEPS)
        wishes = _wishes(conditions, values[len(context.shown) :], ends[0])
        yield {status: work.loading(model), strip: ""}
        with work.job(session) as stop:
            plugin, request = context.request(model.name, 1, wishes)
            frames = []
            for picture in steering.between(request, ends[1], number):
                made = _run_one(plugin, picture, wishes)
                frames.append(pictures.tiles(made.request, *made.samples[0], window)[-1])
                yield {status: work.progress("Making pictures", len(frames), number)}
                if stop.is_set():
                    raise work.Stopped
        words = provenance.text(request) | {"Seed": f"{ends[0]} to {ends[1]}"}
        animation = preview.animation([tile.pixels for tile in frames], words)
        name = f"{model.name}-synthetic-seed-{ends[0]}-to-{ends[1]}.png"
        yield {
            strip: render(
                "strip.html",
                frames=frames,
                ends=ends,
                name=name,
                animation="data:image/png;base64," + base64.b64encode(animation).decode(),
            ),
            status: work.said(f"{number} synthetic pictures from seed {ends[0]} to {ends[1]}."),
        }

    start.click(
        run,
        [context.session, first, last, steps, *context.shown, *conditions.values()],
        [status, strip],
        **QUIETLY,
    )
    cancel.click(Session.cancel, context.session, None, **AT_ONCE)


def _translation(context: Context, model: ModelMetadata) -> None:
    """Place what is needed to see an input and what is made of it, one over the other."""
    with gr.Row():
        with gr.Column(min_width=280):
            form.heading(model)
            seed = form.seed_field()
            asked = form.build(model, context.session)
            with gr.Row():
                start = gr.Button("Translate", variant="primary", min_width=100)
                cancel = gr.Button("Cancel", min_width=100)
        with gr.Column(min_width=280, elem_classes="follows"):
            status = work.status("steer-status")
            picture = gr.HTML(
                elem_id="steered",
                apply_default_css=False,
                js_on_load=DIVIDER + display.follower(model),
            )

    @work.in_words(status)
    def run(session: Session, seed: str, *values: Any) -> Iterator[Any]:
        window = display.window(values[: len(context.shown)])
        wishes = asked.wishes(values[len(context.shown) :], session)
        wishes["seed"] = form.whole("the seed", seed)
        yield {status: work.loading(model), picture: ""}
        with work.job(session):
            plugin, request = context.request(model.name, 1, wishes)
            made = _run_one(plugin, request, wishes)
        session.made = session.steered = made
        yield {
            picture: _divided(made, window),
            status: work.said(
                "Move the divider: the input is on its left, what was made on its right."
            ),
        }

    start.click(
        run,
        [context.session, seed, *context.shown, *asked.fields],
        [status, picture],
        **QUIETLY,
    )
    cancel.click(Session.cancel, context.session, None, **AT_ONCE)
    display.follow_settings(context, model, "steered", status, picture, _divided)


def _divided(made: Made, window: pictures.Window) -> str:
    tiles = pictures.tiles(made.request, *made.samples[0], window)
    return render("divider.html", before=tiles[0], after=tiles[-1])


def _wishes(fields: Any, values: Sequence[Any], seed: int) -> Wishes:
    """Return what is to be made: sample 0 of a seed, with the conditions of the fields."""
    given = {
        name: value for name, value in zip(fields, values, strict=True) if value not in (None, "")
    }
    wishes: Wishes = {"seed": seed}
    if given:
        wishes["conditions"] = given
    return wishes


def _run_one(plugin: Plugin, request: GenerationRequest, wishes: Wishes) -> Made:
    samples = [sample for batch in generation.stream(plugin, request) for sample in batch]
    return Made(request, wishes, samples)


def _condition(parameter: Parameter) -> Any:
    """Place the field of a condition, whose value is the same for every picture."""
    described = plain(parameter.description)
    label = parameter.name + (f" ({parameter.unit})" if parameter.unit else "")
    if parameter.values:
        names = [(form.name_of(value), value) for value in parameter.values]
        first = parameter.default if parameter.default is not None else parameter.values[0]
        return gr.Radio(names, value=first, label=label, info=described, interactive=True)
    low, high = parameter.minimum, parameter.maximum
    if low is not None and high is not None:
        whole = parameter.type == "integer"
        middle = (low + high) / 2
        first = parameter.default if parameter.default is not None else middle
        step = 1 if whole else (high - low) / 200
        first = round(first) if whole else first
        return _slider(low, high, first, label, step, info=described)
    default = "" if parameter.default is None else str(parameter.default)
    return gr.Textbox(
        default,
        label=label,
        info=f"{described} {plain(parameter.allowed)}",
        interactive=True,
    )


def _slider(
    low: float, high: float, value: float, label: str, step: float = 0.05, info: str | None = None
) -> gr.Slider:
    return gr.Slider(low, high, value, step=step, label=label, info=info, interactive=True)


def _run(row: np.ndarray) -> str:
    """Return which components a row of the basis moves.

    >>> _run(np.array([0, 1, 1, 0]))
    'Components 2 to 3'
    """
    members = np.flatnonzero(row) + 1
    if len(members) == 1:
        return f"Component {members[0]}"
    return f"Components {members[0]} to {members[-1]}"
