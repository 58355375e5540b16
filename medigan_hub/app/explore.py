"""Explore: the catalogue as cards, searched, filtered and sorted; a model's card."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import gradio as gr

from medigan_hub import card, reference
from medigan_hub.app import work
from medigan_hub.app.context import AT_ONCE
from medigan_hub.app.html import render
from medigan_hub.errors import RequestError
from medigan_hub.search.fields import FILTERS
from medigan_hub.search.ranking import metrics

if TYPE_CHECKING:
    from medigan_hub.app.context import Context
    from medigan_hub.catalogue import Entry

SHOWN_FILTERS = ("modality", "organ", "task", "licence", "framework")
NO_METRIC = "relevance"
MAX_CARDS = 200
MAX_CHARACTERS = 200
"""Characters of a search: each word is held against all that are known."""

# A click on a card's button, by mouse or keyboard, is an event that says which it was.
BUTTONS = """
element.addEventListener('click', event => {
    const button = event.target.closest('button[data-model]');
    if (button) trigger('select', {value: button.dataset.model, index: button.dataset.what});
});
"""
INTO_VIEW = "() => document.querySelector('#card').scrollIntoView({behavior: 'smooth'})"


def build(context: Context, tab: gr.Tab) -> None:
    """Place the tab's contents."""
    with gr.Row():
        words = gr.Textbox(
            label="Search",
            placeholder="breast mass",
            info="Words are matched in every form and with their synonyms.",
            scale=3,
            min_width=260,
            elem_id="search",
        )
        rank_by = gr.Dropdown(
            [NO_METRIC],
            value=NO_METRIC,
            label="Sort by",
            info="The better value first.",
            scale=2,
            min_width=220,
        )
    with gr.Row():
        filters = {
            name: gr.Dropdown([], multiselect=True, label=name.capitalize(), min_width=150)
            for name in SHOWN_FILTERS
        }
        installed = gr.Checkbox(label="Only installed models", min_width=150)
    status = work.status()
    cards = gr.HTML(elem_id="cards", js_on_load=BUTTONS, apply_default_css=False)
    about = gr.Markdown(elem_id="card", elem_classes="card-of-model")

    @work.in_words(status)
    def search(words: str, rank_by: str, installed: bool, *values: list[str]) -> dict[Any, Any]:
        if len(words) > MAX_CHARACTERS:
            raise RequestError(
                f"the search has {len(words)} characters; at most {MAX_CHARACTERS} are taken"
            )
        chosen: dict[str, Any] = {
            name: value or None for name, value in zip(filters, values, strict=True)
        }
        metric = None if rank_by == NO_METRIC else rank_by
        result = context.index.search(
            words, installed=True if installed else None, rank_by=metric, **chosen
        )
        found = [
            _card(match.entry, match.metric, match.value) for match in result.matches[:MAX_CARDS]
        ]
        total = len(context.hub.models())
        lines = [f"{len(result.matches)} of {total} models.", *result.advice, *result.notes]
        if len(result.matches) > MAX_CARDS:
            lines.append(f"The first {MAX_CARDS} are shown.")
        return {status: work.said(" ".join(lines)), cards: render("cards.html", cards=found)}

    @work.in_words(status)
    def choose(event: gr.EventData) -> dict[Any, Any]:
        told = event._data or {}  # nothing where no page sent it
        entry = context.entry(str(told.get("value")))
        if told.get("index") == "use":
            return {context.model: entry.metadata.name, context.tabs: gr.Tabs(selected="generate")}
        return {about: card.readme(entry.metadata)}

    def offer() -> dict[Any, Any]:
        """Return what there is to choose from, now."""
        models = [entry.metadata for entry in context.hub.models()]
        names = sorted(  # those of which it is known what is better
            metric.name
            for metric in metrics(models).values()
            if metric.better is not None or metric.ideal is not None
        )
        offered: dict[Any, Any] = {rank_by: gr.Dropdown([NO_METRIC, *names])}
        for name, dropdown in filters.items():
            values = {value for model in models for value in FILTERS[name](model)}
            offered[dropdown] = gr.Dropdown(sorted(values))
        return offered

    asked: list[Any] = [words, rank_by, installed, *filters.values()]
    for changed in (field.change for field in asked):
        changed(search, asked, [status, cards], trigger_mode="always_last", **AT_ONCE)
    cards.select(choose, None, [status, about, context.model, context.tabs], **AT_ONCE).then(
        None, None, None, js=INTO_VIEW
    )
    context.loads.append((offer, [], [rank_by, *filters.values()]))
    context.loads.append((search, asked, [status, cards]))


def _card(entry: Entry, metric: str | None, value: float | None) -> dict[str, Any]:
    model = entry.metadata
    return {
        "name": model.name,
        "title": model.title,
        "id": model.medigan_id,
        "picture": _sample(entry),
        "installed": entry.plugin is not None,
        "facts": {
            "modality": ", ".join(model.modality),
            "organ": ", ".join(model.organ),
            "task": model.task,
            "network": f"{model.architecture} ({model.framework})",
            "licence": model.licence or "not stated",
        },
        "metric": metric,
        "value": None if value is None else f"{value:g}",
    }


def _sample(entry: Entry) -> str | None:
    """Return the first of the samples that a package brings, as a data URI."""
    if entry.plugin is None:
        return None
    name = next(output.name for output in entry.metadata.outputs if output.kind == "image")
    path = entry.plugin.folder / reference.FOLDER / name / "000000.png"
    if not path.is_file():
        return None
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
