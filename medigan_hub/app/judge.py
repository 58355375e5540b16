"""Judge: how far synthetic images, or those of a model, are from real ones, in figures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from medigan_hub.app import form, work
from medigan_hub.app.context import AT_ONCE, QUIETLY
from medigan_hub.app.session import Session
from medigan_hub.errors import RequestError, whole_number
from medigan_hub.evaluation import extractors, judging, metrics, sources
from medigan_hub.evaluation.judged import Judged
from medigan_hub.evaluation.report.page import fragment
from medigan_hub.evaluation.sources import ImageSet

if TYPE_CHECKING:
    from medigan_hub.app.context import Context

MAX_FILES = 250
"""Images of each set that are uploaded; the command takes any number."""
MAX_SAMPLES = 1000
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
    file = gr.File(
        label="Report, without real images, and its figures",
        file_count="multiple",
        interactive=False,
        visible=False,
    )

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

        def measure(tell: work.Tell) -> Judged:
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
        saved, page = (session.folder() / name for name in ("evaluation.json", "report.html"))
        found.save(saved)
        found.report(page)
        yield {
            status: work.said("These are the figures, each with its interval of 95 %."),
            shown: fragment(found.content(show_real=True)),
            file: gr.File([session.hand_out(each) for each in (page, saved)], visible=True),
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
