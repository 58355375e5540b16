"""How samples are shown: a grid of pictures, and what a user sets of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from medigan_hub.app import pictures, work
from medigan_hub.app.context import AT_ONCE
from medigan_hub.app.html import render
from medigan_hub.app.pictures import Tile, Window

if TYPE_CHECKING:
    from medigan_hub.app.context import Context
    from medigan_hub.app.session import Made, Session
    from medigan_hub.metadata import ModelMetadata

# Both are the browser's own affair: the picture follows at once, and the server is not asked.
OPACITY = "v => { document.documentElement.style.setProperty('--mask-opacity', v / 100); }"
ZOOM = "v => { document.documentElement.style.setProperty('--zoom', v / 100); }"

# What is placed anew for each model must not listen to what stays on the page: of two such
# listeners the web framework hears one, and it goes on calling those that are gone. So the
# settings tell the document, and a picture listens to that while it is of the chosen model.
CHANGED = "medigan-settings"
TELL = f"() => {{ document.dispatchEvent(new Event('{CHANGED}')); }}"


def follower(model: ModelMetadata) -> str:
    """Return the script of a picture that asks to be drawn.

    It is an ``input`` when the settings change, and a ``focus`` when the picture comes into sight.
    """
    return f"""
        const ask = event => {{
            const chosen = document.querySelector('#model input')?.value;
            if (element.isConnected && chosen === {json.dumps(model.name)}) trigger(event, {{}});
        }};
        document.addEventListener('{CHANGED}', () => ask('input'));
        new IntersectionObserver(seen => {{
            if (seen.some(each => each.isIntersecting)) ask('focus');
        }}).observe(element);
    """


def settings() -> list[Any]:
    """Place what may be set of all pictures; return the fields that ``window`` reads."""
    with gr.Accordion("Display: masks, zoom, window", open=False):
        with gr.Row():
            opacity = gr.Slider(0, 100, 30, step=5, label="Opacity of masks (%)", min_width=200)
            zoom = gr.Slider(50, 800, 100, step=10, label="Zoom (%)", min_width=200)
        with gr.Row():
            level = gr.Slider(
                0, 100, 50, step=0.5, label="Window level (% of the value range)", min_width=200
            )
            width = gr.Slider(
                0.5, 200, 100, step=0.5, label="Window width (% of the value range)", min_width=200
            )
        stretch = gr.Checkbox(label="Window of each image: from its lowest to its highest value")
    followed = [(opacity, OPACITY), (zoom, ZOOM), (level, TELL), (width, TELL)]
    for slider, script in followed:
        for event in (slider.input, slider.release):  # its button to put it back is no input
            event(None, slider, None, js=script, api_visibility="private")
    stretch.input(None, None, None, js=TELL, api_visibility="private")
    return [level, width, stretch]


def window(values: Sequence[Any]) -> Window:
    """Return what the fields of ``settings`` say."""
    level, width, stretch = values
    return Window(level / 100, width / 100, stretch)


def follow_settings(
    context: Context,
    model: ModelMetadata,
    which: str,
    status: Any,
    picture: Any,
    show: Callable[[Made, Window], str],
) -> None:
    """Let what is shown of a model follow the settings.

    ``which`` is the attribute of ``Session`` that holds the samples, and
    ``show`` makes of them what ``picture``, which has the script of
    ``follower``, is to hold.
    """

    @work.in_words(status)
    def redraw(session: Session, *values: Any) -> dict[Any, Any]:
        made: Made | None = getattr(session, which)
        if made is None or made.model != model:
            return {picture: gr.skip()}
        return {picture: show(made, window(values))}

    picture.input(
        redraw,
        [context.session, *context.shown],
        [status, picture],
        trigger_mode="always_last",
        **AT_ONCE,
    )


def grid(made: Made, window: Window, *, large: bool = False) -> str:
    """Return the samples that were made, as HTML."""
    tiles = [
        tile
        for index, arrays in made.samples
        for tile in pictures.tiles(made.request, index, arrays, window)
    ]
    return tiled(tiles, pictures.legend(made.model), large=large)


def tiled(
    tiles: Sequence[Tile], legend: Sequence[tuple[str, str]] = (), *, large: bool = False
) -> str:
    """Return pictures side by side, as HTML; large ones below each other."""
    return render("grid.html", tiles=tiles, legend=legend, large=large)
