"""Copies of training images among synthetic ones, held against images that no model has seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import gradio as gr

from medigan_hub.app import form, judged, work
from medigan_hub.app.context import AT_ONCE, QUIETLY
from medigan_hub.app.session import Session
from medigan_hub.errors import RequestError

if TYPE_CHECKING:
    from medigan_hub.app.context import Context
    from medigan_hub.evaluation.privacy.judged import JudgedPrivacy

MAX_FILES = 160
"""Files of each of three sets, which a page holds together; the command takes any number."""


def build(context: Context) -> None:
    """Place the search, folded up, and under it what it finds."""
    with gr.Accordion("Copies of training images", open=False, elem_id="copies"):
        gr.Markdown(
            "Does a model give away the images that it was trained on? Synthetic images, yours or "
            "samples of the model at the top of the page, are held against them, and against "
            "held-out images of the same kind that the model never saw: 20 or more, of other "
            "patients. Each file, or DICOM series, is taken for a patient of its own, and up to "
            f"{MAX_FILES} files are taken of each kind; `medigan privacy` takes any number, and "
            "knows with `--patients` whose they are."
        )
        with gr.Row():
            training = form.files("Training images of the model", context.session, height=140)
            heldout = form.files("Held-out images", context.session, height=140)
            synthetic = form.files("Synthetic images, if any", context.session, height=140)
        how = judged.how(
            "Samples to look through", "as many as are held out, 500 at least", "Seed of the search"
        )
        chosen = judged.features("Features to look by, beside the pixels")
        with gr.Row():
            start = gr.Button("Look for copies", variant="primary", min_width=140)
            cancel = gr.Button("Cancel the search", min_width=140)
    outcome = judged.Outcome.place(
        "copies", "copies-found", "Report, without training images, and what was found"
    )

    @work.in_words(outcome.status)
    def look(
        session: Session,
        model: str,
        training: list[str] | None,
        heldout: list[str] | None,
        synthetic: list[str] | None,
        count: str,
        *how: Any,
    ) -> Iterator[Any]:
        seed, way, features = how
        for given, kind in ((training, "training"), (heldout, "held-out")):
            if not given:
                raise RequestError(f"there are no {kind} images; upload some")
        if not features:
            raise RequestError("no features are chosen to look by; choose some")
        uploads = session.keep(
            {"training": training or [], "heldout": heldout or [], "synthetic": synthetic or []},
            most=MAX_FILES,
        )
        ours = judged.uploaded(uploads["training"], "training")
        others = judged.uploaded(uploads["heldout"], "held-out")
        theirs, number = judged.synthetic(uploads, model, count)
        wishes = context.wishes({"seed": form.whole("the seed", seed)})

        def search(tell: work.Tell) -> JudgedPrivacy:
            return context.hub.privacy(
                ours,
                others,
                theirs,
                extractors=features,
                normalize=way,
                num_samples=number,
                progress=tell,
                **wishes,
            )

        yield from outcome.follow(session, search, "The search has ended; below is what it found.")

    start.click(
        look,
        [context.session, context.model, training, heldout, synthetic, *how, chosen],
        outcome.changed,
        **QUIETLY,
    )
    cancel.click(Session.cancel, context.session, None, **AT_ONCE)
