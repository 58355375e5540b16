"""Judge: how far synthetic images, or those of a model, are from real ones, in figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from markupsafe import Markup

from medigan_hub import inputs
from medigan_hub.app import form, pictures, work
from medigan_hub.app.context import AT_ONCE, QUIETLY
from medigan_hub.app.html import render
from medigan_hub.app.session import Session
from medigan_hub.errors import RequestError, whole_number
from medigan_hub.evaluation import extractors, judging, metrics, picture, results, sources, table
from medigan_hub.evaluation.sources import ImageSet

if TYPE_CHECKING:
    from medigan_hub.app.context import Context

MAX_FILES = 250
"""Images of each set that are uploaded; the command takes any number."""
MAX_SAMPLES = 1000
SHOWN = 4
"""Images of each set that are shown beside the figures."""
OFFERED = ("texture", "imagenet", "random")
"""Extractors that need no file, and no longer than a page is waited for."""


def build(context: Context, tab: gr.Tab) -> None:
    """Place the tab's contents."""
    gr.Markdown(
        "Real images against synthetic ones: yours, or samples of the model at the top of the "
        "page. What you upload stays on this machine, and goes when this page is closed. "
        "`medigan evaluate` does the same for folders of any size."
    )
    with gr.Row():
        real = form.files("Real images", context.session, height=140)
        synthetic = form.files(
            "Synthetic images (without any, the model makes them)", context.session, height=140
        )
    with gr.Row():
        count = gr.Textbox(
            "",
            label="Samples of the model",
            info=f"up to {MAX_SAMPLES}; empty: as many as are real",
            max_lines=1,
        )
        seed = form.seed_field()
        normalize = gr.Dropdown(
            ["none", "minmax", "both"],
            value="none",
            label="Normalise",
            info="minmax: each image's least and greatest value become black and white",
        )
    with gr.Row():
        known = [extractors.find(name) for name in OFFERED]
        there = [each.name for each in known if each.missing() is None]
        chosen = gr.CheckboxGroup(there, value=there[:2], label="Features")
        names = [name for name in metrics.names() if metrics.find(name).extractors is None]
        usual = [name for name in judging.METRICS if name in names]
        measured = gr.CheckboxGroup(names, value=usual, label="Metrics")
    with gr.Row():
        start = gr.Button("Judge", variant="primary", min_width=100)
        cancel = gr.Button("Cancel", min_width=100)
    status = work.status("judge-status")
    shown = gr.HTML(elem_id="figures", apply_default_css=False)
    file = gr.File(label="evaluation.json", interactive=False, visible=False)

    @work.in_words(status)
    def judge(
        session: Session,
        model: str,
        real: list[str] | None,
        synthetic: list[str] | None,
        count: str,
        seed: str,
        *how: Any,
    ) -> Iterator[Any]:
        way, features, names = how
        if not real:
            raise RequestError("there are no real images; upload some")
        if not features or not names:
            raise RequestError("nothing is chosen to measure; choose features and metrics")
        uploads = session.keep({"real": real, "synthetic": synthetic or []}, most=MAX_FILES)
        ours = _titled(uploads["real"], "real images, as uploaded")
        other = (
            _titled(uploads["synthetic"], "synthetic images, as uploaded")
            if "synthetic" in uploads
            else f"model:{model}"
        )
        number = None
        if "synthetic" not in uploads and count.strip():
            number = form.whole("the number of samples", count)
            whole_number("the number of samples", number, 1, MAX_SAMPLES)
        yield {status: work.said("Reading the images ..."), shown: "", file: gr.File(visible=False)}

        def measure(tell: work.Tell) -> results.Evaluation:
            return context.hub.evaluate(
                ours,
                other,
                # Of the usual ones, those are left out that need more images.
                metrics=() if {*names} == {*judging.METRICS} else names,
                extractors=features,
                normalize=way,
                num_samples=number,
                progress=tell,
                **context.wishes({"seed": form.whole("the seed", seed)}),
            )

        with work.job(session) as stop:
            found = yield from work.follow(
                measure,
                stop,
                lambda done, total: {status: work.progress("Describing images", done, total)},
            )
        saved = session.folder() / "evaluation.json"
        found.save(saved)
        yield {
            status: work.said("These are the figures, each with its interval of 95 %."),
            shown: _page(found, uploads),
            file: gr.File(session.hand_out(saved), visible=True),
        }

    start.click(
        judge,
        [
            *(context.session, context.model, real, synthetic),
            *(count, seed, normalize, chosen, measured),
        ],
        [status, shown, file],
        **QUIETLY,
    )
    cancel.click(Session.cancel, context.session, None, **AT_ONCE)


def _titled(path: Path, title: str) -> ImageSet:
    """Return uploaded images under a title: where they lie is nobody's business."""
    found = sources.find(path)
    found.title = title
    return found


def _page(found: results.Evaluation, uploads: Mapping[str, Path]) -> str:
    """Return the figures as a picture and a table, and a few of the images that were uploaded."""
    tiles = [
        pictures.plain(image, name.capitalize(), [f"image {n}, as uploaded"])
        for name, path in uploads.items()
        for n, image in enumerate(inputs.find(path)[:SHOWN], 1)
    ]
    return render(
        "figures.html",
        drawing=Markup(picture.svg(found)),  # noqa: S704 (its words are escaped)
        columns=table.COLUMNS,
        sections=table.sections(found),
        remarks=[f"{found.about}.", *table.reading(found)],
        tiles=tiles,
    )
