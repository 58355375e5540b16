"""How samples are shown: a grid of pictures, and what a user sets of it."""

from __future__ import annotations

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
    for slider, script in ((opacity, OPACITY), (zoom, ZOOM)):
        slider.input(None, slider, None, js=script, api_visibility="private")
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
    ``show`` makes of them what ``picture`` is to hold.
    """

    @work.in_words(status)
    def redraw(session: Session, *values: Any) -> dict[Any, Any]:
        made: Made | None = getattr(session, which)
        if made is None or made.model != model:
            return {}
        return {picture: show(made, window(values))}

    for setting in context.shown:
        setting.input(
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
        for tile in pictures.tiles(made.job, index, arrays, window)
    ]
    return tiled(tiles, pictures.legend(made.model), large=large)


def tiled(
    tiles: Sequence[Tile], legend: Sequence[tuple[str, str]] = (), *, large: bool = False
) -> str:
    """Return pictures side by side, as HTML; large ones below each other."""
    return render("grid.html", tiles=tiles, legend=legend, large=large)
