"""The page: what every tab shares, and the tabs."""

from __future__ import annotations

import functools
from importlib import resources
from typing import Any

import gradio as gr

from medigan_hub._version import __version__
from medigan_hub.app import compare, display, explore, generate, judge, steer, takeaway, work
from medigan_hub.app.context import AT_ONCE, Context, Hub
from medigan_hub.app.session import Session, Sessions
from medigan_hub.app.settings import MAX_AT_A_TIME, MAX_WAITING, Settings
from medigan_hub.errors import HubError

NOTICE = (
    "Every picture that a model makes here is **synthetic**: it shows no patient and is not fit "
    "for diagnosis."
)
NEVER_EMPTY = (gr.Checkbox, gr.Slider, gr.Textbox)
"""Fields that a page sends a value of, whatever its user does."""
# The machine's own fonts: none is fetched from anywhere.
FONT = ["system-ui", "Segoe UI", "Roboto", "sans-serif"]
FIXED = ["ui-monospace", "Menlo", "Consolas", "monospace"]


class _Page(gr.Blocks):
    async def preprocess_data(
        self, block_fn: Any, inputs: list[Any], state: Any, explicit_call: bool = False
    ) -> Any:
        """Return the values of an event's fields; whoever sends others is told so in one line."""
        try:
            if block_fn.fn is None:
                raise LookupError("the browser handles this event alone")
            values = await super().preprocess_data(block_fn, inputs, state, explicit_call)
            for field, value in zip(block_fn.inputs, values, strict=True):
                if value is None and isinstance(field, NEVER_EMPTY):
                    raise ValueError("nothing")
            return values
        except Exception as error:
            # The terminal of the app is not for what any client may cause as often as it likes.
            raise gr.Error(
                "a field holds what it does not offer; load this page again", print_exception=False
            ) from error


def build(hub: Hub, settings: Settings, sessions: Sessions) -> gr.Blocks:
    """Return the page of a hub."""
    chosen = hub.model(settings.model).metadata.name if settings.model is not None else None
    page: gr.Blocks
    with _Page(title="medigan-hub", analytics_enabled=False) as page:
        gr.Markdown(f"# medigan-hub\n\n{NOTICE}", elem_id="notice")
        session = gr.State(Session())  # until the page has one of its own
        first = next((entry for entry in hub.models() if entry.plugin), hub.models()[0])
        model = gr.Dropdown(
            _choices(hub), value=chosen or first.metadata.name, label="Model", elem_id="model"
        )
        shown = display.settings()
        tabs = gr.Tabs(selected="explore" if chosen is None else "generate")
        context = Context(hub, settings, session, model, tabs, shown)
        parts = {
            "Explore": explore,
            "Generate": generate,
            "Steer": steer,
            "Compare": compare,
            "Judge": judge,
            "Take away": takeaway,
        }
        with tabs:
            for title, part in parts.items():
                with gr.Tab(title, id=title.lower().replace(" ", "-")) as tab:
                    part.build(context, tab)
        gr.Markdown(f"medigan-hub {__version__}", elem_id="foot")

        def open_page(request: gr.Request) -> dict[Any, Any]:
            new = sessions.begin(str(request.session_hash))
            context.refresh()
            return {session: new, model: gr.Dropdown(_choices(context.hub))}

        def close_page(request: gr.Request) -> None:
            sessions.end(str(request.session_hash))

        opened = page.load(open_page, None, [session, model], **AT_ONCE)
        page.unload(close_page)
        for handler, asked, changed in context.loads:
            opened.then(handler, asked, changed, **AT_ONCE)
    for event in page.fns.values():
        if event.renderable is not None:
            event.fn = _one_at_a_time(event.fn)
    page.queue(default_concurrency_limit=MAX_AT_A_TIME, api_open=False, max_size=MAX_WAITING)
    return page


def _one_at_a_time(place: Any) -> Any:
    """Return a function that places a form, to be called on the server's own thread.

    All forms of a page are placed together when it is opened or the model changes, on a state
    that the web framework lets several threads change at a time.
    """

    @functools.wraps(place)
    async def placed(model: Any) -> None:
        try:
            place(str(model))
        except HubError as error:  # of a model that was uninstalled, or that no page offers
            raise gr.Error(work.shown(error), print_exception=False) from error

    return placed


def looks() -> dict[str, Any]:
    """Return how the page looks, as ``gr.Blocks.launch`` takes it."""
    folder = resources.files("medigan_hub.app")
    return {
        "theme": gr.themes.Default(primary_hue="teal", font=FONT, font_mono=FIXED).set(
            # Darker, and lighter in the dark, than usual: to be read by everyone.
            button_primary_background_fill="*primary_700",
            button_primary_background_fill_hover="*primary_800",
            button_primary_background_fill_dark="*primary_700",
            button_primary_background_fill_hover_dark="*primary_800",
            block_info_text_color="*neutral_600",
            block_info_text_color_dark="*neutral_300",
            body_text_color_subdued="*neutral_600",
            body_text_color_subdued_dark="*neutral_300",
            block_label_text_color="*neutral_700",
            block_title_text_color="*neutral_700",
        ),
        "css": (folder / "page.css").read_text("utf-8"),
    }


def _choices(hub: Hub) -> list[tuple[str, str]]:
    """Return the models to choose from, those that can run here first."""
    entries = sorted(hub.models(), key=lambda entry: entry.plugin is None)
    return [
        (
            f"{entry.metadata.name}{'' if entry.plugin else ' (not installed)'}",
            entry.metadata.name,
        )
        for entry in entries
    ]
