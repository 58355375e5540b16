"""Compare: models side by side, real images beside them, and a blind reading test."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np

from medigan_hub import generation, inputs, provenance
from medigan_hub.app import curves, display, form, pictures, work
from medigan_hub.app.context import AT_ONCE, QUIETLY
from medigan_hub.app.html import render
from medigan_hub.app.session import Reading, Session
from medigan_hub.errors import RequestError, whole_number
from medigan_hub.evaluation import reading
from medigan_hub.models.base import fractions
from medigan_hub.preview import to_screen

if TYPE_CHECKING:
    from medigan_hub.app.context import Context
    from medigan_hub.generation import Wishes

MAX_SAMPLES = 8
"""Samples of a model that are compared."""
MAX_READ = 50
"""Images of each kind in a reading test."""


def build(context: Context, tab: gr.Tab) -> None:
    """Place the tab's contents."""
    gr.Markdown(
        "The same seed, or the same input, through several models; your real images beside them. "
        "What you upload stays on this machine, and goes when this page is closed."
    )
    with gr.Row():
        models = gr.Dropdown([], multiselect=True, label="Models, side by side", scale=3)
        count = gr.Number(4, label="Samples of each", info=f"1 to {MAX_SAMPLES}", min_width=120)
        seed = form.seed_field()
    with gr.Row():
        given = form.files("Input for models that start from an image", context.session, height=120)
        real = form.files("Real images, to compare with", context.session, height=120)
    with gr.Row():
        start = gr.Button("Compare", variant="primary", min_width=100)
        cancel = gr.Button("Cancel", min_width=100)
    status = work.status("compare-status")
    side_by_side = gr.HTML(elem_id="side-by-side", apply_default_css=False)
    distribution = gr.HTML(elem_id="levels", apply_default_css=False)

    @work.in_words(status)
    def compare(
        session: Session,
        names: list[str],
        count: Any,
        seed: str,
        given: Any,
        real: Any,
        *shown: Any,
    ) -> Iterator[Any]:
        window = display.window(shown)
        if not names and not real:
            raise RequestError("nothing is chosen to compare; choose models, or upload real images")
        number = form.whole("the number of samples", count)
        whole_number("the number of samples", number, 1, MAX_SAMPLES)
        wishes: Wishes = {"seed": form.whole("the seed", seed)}
        uploads = session.keep({"input": given or [], "real": real or []})
        rows: list[dict[str, Any]] = []
        sources: dict[str, list[np.ndarray]] = {}
        if "real" in uploads:
            uploaded = inputs.find(uploads["real"])
            found = list(uploaded)
            sources["real images"] = [fractions(image) for image in found]
            tiles = [
                pictures.plain(image, "Real", [f"image {n}"])
                for n, image in enumerate(found[: 2 * MAX_SAMPLES], 1)
            ]
            taken = f"as uploaded: {uploaded.summary}"
            rows.append({"name": "Real images", "title": taken, "tiles": tiles, "legend": []})
        yield {status: work.said("Loading the models ..."), side_by_side: "", distribution: ""}
        with work.job(session) as stop:
            for done, name in enumerate(names):
                yield {
                    status: work.progress("Models", done, len(names)),
                    side_by_side: render("rows.html", rows=rows),
                }
                row, images = _of_model(context, name, number, wishes, uploads, window, stop)
                rows.append(row)
                sources[name] = images
        yield {
            side_by_side: render("rows.html", rows=rows),
            distribution: curves.drawn(sources),
            status: work.said(f"{len(names)} models, seed {wishes['seed']}."),
        }

    start.click(
        compare,
        [context.session, models, count, seed, given, real, *context.shown],
        [status, side_by_side, distribution],
        **QUIETLY,
    )
    cancel.click(Session.cancel, context.session, None, **AT_ONCE)
    context.loads.append((lambda: {models: gr.Dropdown(context.installed())}, [], [models]))
    _reading_test(context, real)


def _of_model(
    context: Context,
    name: str,
    number: int,
    wishes: Wishes,
    uploads: Mapping[str, Path],
    window: pictures.Window,
    stop: Event,
) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Return the row of a model, and its images as fractions of their range."""
    model = context.entry(name).metadata
    count: int | None = number
    if model.inputs and "input" in uploads:
        if len(model.inputs) > 1:
            raise RequestError(
                f"{name} starts from {len(model.inputs)} images together; "
                "give them under Generate, and leave it out here"
            )
        wishes = {**wishes, "inputs": {model.inputs[0].name: str(uploads["input"])}}
        count = None
    plugin, request = context.request(name, count, wishes)
    image = next(output for output in model.outputs if output.kind == "image")
    low, high = image.range
    tiles, found = [], []
    for batch in generation.stream(plugin, request):
        for index, arrays in batch:
            tiles += pictures.tiles(request, index, arrays, window)
            found.append((arrays[image.name].astype(np.float32) - low) / (high - low))
        if stop.is_set():
            raise work.Stopped
    row = {"name": name, "title": model.title, "tiles": tiles, "legend": pictures.legend(model)}
    return row, found


def _reading_test(context: Context, real: gr.File) -> None:
    """Place the test in which a reader says of each image whether it is real."""
    with gr.Accordion("Blind reading test: real or synthetic?", open=False):
        gr.Markdown(
            "Your real images from above and samples of the model at the top of the page come in "
            "random order, in one size and with 8 bits. **Some of the images are synthetic**; "
            "which is said at the end."
        )
        with gr.Row():
            count = gr.Number(
                10,
                label="Images of each kind",
                info=f"1 to {MAX_READ}; as many as are real, at most",
            )
            seed = form.seed_field("", "Seed of the test")
            start = gr.Button("Start the test", min_width=140)
        status = work.status("reading-status")
        image = gr.HTML(elem_id="reading", apply_default_css=False)
        with gr.Row():
            says_real = gr.Button("Real", interactive=False, min_width=120)
            says_synthetic = gr.Button("Synthetic", interactive=False, min_width=120)

    buttons = [says_real, says_synthetic]
    changed = [status, image, *buttons]

    @work.in_words(status)
    def begin(
        session: Session, model: str, count: Any, seed: str, real: list[str] | None
    ) -> Iterator[Any]:
        number = form.whole("the number of images", count)
        whole_number("the number of images", number, 1, MAX_READ)
        if not real:
            raise RequestError("there are no real images; upload some above, as Real images")
        chosen = form.whole("the seed", seed) if seed.strip() else secrets.randbelow(2**32)
        yield {status: work.said("Preparing the test ...")}
        ours = list(inputs.find(session.keep({"real": real})["real"])[:number])
        with work.job(session) as stop:
            theirs = _samples(context, model, len(ours), chosen, stop)
        every = {reading.REAL: ours, reading.SYNTHETIC: theirs}
        order = reading.order(len(ours), len(theirs), chosen)
        session.reading = Reading(
            images=reading.alike([every[kind][n] for kind, n in order], theirs[0].shape[:2]),
            truth=[kind for kind, _ in order],
            seed=chosen,
            model=model,
        )
        yield _question(session.reading) | dict.fromkeys(buttons, gr.Button(interactive=True))

    def _question(test: Reading) -> dict[Any, Any]:
        number, total = len(test.answers) + 1, len(test.images)
        shown = test.images[number - 1]
        return {
            status: work.progress("Image", number, total),
            image: render(
                "reading.html", uri=pictures.uri(shown, {}), alt=f"Image {number} of {total}"
            ),
        }

    def answer(says: str) -> Any:
        @work.in_words(status)
        def take(session: Session) -> dict[Any, Any]:
            test = session.reading
            if test is None or len(test.answers) == len(test.truth):
                raise RequestError("no test is under way; start one")
            test.answers.append(says)
            if len(test.answers) < len(test.truth):
                return _question(test)
            score = reading.score(test.truth, test.answers)
            return {
                status: work.said("The test is over."),
                image: _result(test, score),
                **dict.fromkeys(buttons, gr.Button(interactive=False)),
            }

        return take

    start.click(begin, [context.session, context.model, count, seed, real], changed, **QUIETLY)
    for button, says in ((says_real, reading.REAL), (says_synthetic, reading.SYNTHETIC)):
        button.click(answer(says), context.session, changed, **AT_ONCE)


def _samples(context: Context, model: str, number: int, seed: int, stop: Event) -> list[np.ndarray]:
    """Return images of a model in 8 bits: (height, width, 3)."""
    plugin, request = context.request(model, number, {"seed": seed})
    image = next(output for output in request.metadata.outputs if output.kind == "image")
    found = []
    for batch in generation.stream(plugin, request):
        for array in batch.arrays[image.name]:
            found.append(to_screen(array, *image.range))
        if stop.is_set():
            raise work.Stopped
    return found


def _result(test: Reading, score: reading.Score) -> str:
    made = {
        "Synthetic": "yes",
        "Description": provenance.NOTICE,
        "Model": test.model,
        "Seed": str(test.seed),
    }
    tiles = [
        pictures.plain(
            shown,
            truth.capitalize(),
            [f"you said {says}", "right" if says == truth else "wrong"],
            made if truth == reading.SYNTHETIC else None,
        )
        for shown, truth, says in zip(test.images, test.truth, test.answers, strict=True)
    ]
    return render("score.html", score=score, test=test, tiles=tiles)
