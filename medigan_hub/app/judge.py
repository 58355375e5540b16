"""Judge: how far synthetic images, or those of a model, are from real ones, in figures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import gradio as gr

from medigan_hub.app import copies, form, judged, work
from medigan_hub.app.context import AT_ONCE, QUIETLY
from medigan_hub.app.session import Session
from medigan_hub.errors import RequestError
from medigan_hub.evaluation import judging, metrics

if TYPE_CHECKING:
    from medigan_hub.app.context import Context
    from medigan_hub.evaluation.judged import Judged

MAX_FILES = 250
"""Images of each set that are uploaded; the command takes any number."""


def build(context: Context, tab: gr.Tab) -> None:
    """Place the tab's contents."""
    gr.Markdown(
        "Real images against synthetic ones: yours, or samples of the model at the top of the "
        "page. What you upload stays on this machine, and goes when this page is closed. "
        "`medigan evaluate` does the same for folders of any size, and with `--by` for groups of "
        "patients; whether synthetic images help a task is told by `medigan utility`. Copies of "
        "training images are looked for at the end of this page."
    )
    with gr.Row():
        real = form.files("Real images", context.session, height=140)
        synthetic = form.files(
            "Synthetic images (without any, the model makes them)", context.session, height=140
        )
    how = judged.how("Samples of the model", "as many as are real", "Seed")
    with gr.Row():
        chosen = judged.features("Features")
        names = [name for name in metrics.names() if metrics.find(name).extractors is None]
        usual = [name for name in judging.METRICS if name in names]
        measured = gr.CheckboxGroup(names, value=usual, label="Metrics")
    with gr.Row():
        start = gr.Button("Judge", variant="primary", min_width=100)
        cancel = gr.Button("Cancel", min_width=100)
    outcome = judged.Outcome.place(
        "judge", "figures", "Report, without real images, and its figures"
    )

    @work.in_words(outcome.status)
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
        ours = judged.uploaded(uploads["real"], "real")
        other, number = judged.synthetic(uploads, model, count)
        wishes = context.wishes({"seed": form.whole("the seed", seed)})

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
                **wishes,
            )

        words = "These are the figures, each with its interval of 95 %."
        yield from outcome.follow(session, measure, words)

    start.click(
        judge,
        [context.session, context.model, real, synthetic, *how, chosen, measured],
        outcome.changed,
        **QUIETLY,
    )
    cancel.click(Session.cancel, context.session, None, **AT_ONCE)
    copies.build(context)
