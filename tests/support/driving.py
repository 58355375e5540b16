"""What tests do with a page of the app, as its users do it, and what they see there."""

from __future__ import annotations

import base64
import io
import json
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import numpy as np
import PIL.Image

expect: Any = None
with suppress(ImportError):  # without which no page is driven
    from playwright.sync_api import expect  # noqa: F401 (for whoever imports it from here)

IMAGE = "figure.tile img:not(.mask)"


def open_tab(page: Any, tab: str) -> Any:
    """Open a tab, and return it."""
    page.get_by_role("tab", name=tab).click()
    return page.get_by_role("tabpanel")


def use(page: Any, model: str, tab: str) -> Any:
    """Choose a model at the top of the page and open a tab; return it when it is about the model.

    The form of the model before stays where it is until the new one has come.
    """
    field = page.get_by_label("Model", exact=True)
    if field.input_value() != model:
        pick(field, model)
    panel = open_tab(page, tab)
    panel.get_by_role("heading", name=model, exact=True).wait_for()
    return panel


def pick(field: Any, *options: str) -> None:
    """Choose from a field's list."""
    field.click()
    options_of_field = field.page.locator("#" + field.get_attribute("aria-controls"))
    for option in options:
        options_of_field.get_by_role("option", name=option, exact=True).click()
    if len(options) > 1 or options_of_field.is_visible():
        field.page.keyboard.press("Escape")


def generate(tab: Any, **fields: str) -> None:
    """Fill in fields of Generate, start, and wait for the end; a field's name is its label's."""
    for name, value in fields.items():
        labels = {"count": "Number of samples", "seed": "Seed"}
        tab.get_by_label(labels.get(name, name)).fill(value)
    press(tab, "Generate")
    said = tab.locator("#generate-status p:not([data-old])")
    said.get_by_text("To keep them").wait_for()


def press(region: Any, button: str) -> None:
    """Press a button; what was said before is marked, so that new words can be told from it."""
    region.locator(".status p").evaluate_all("all => all.forEach(p => { p.dataset.old = true; })")
    region.get_by_role("button", name=button, exact=True).click()


def sources(region: Any) -> list[str]:
    """Return the addresses of the pictures in a part of the page, without masks."""
    return region.locator(IMAGE).evaluate_all("images => images.map(image => image.src)")


def captions(region: Any) -> list[str]:
    return region.locator("figure.tile figcaption").all_inner_texts()


def content(uri: str) -> bytes:
    """Return what is in a data URI."""
    head, _, data = uri.partition(",")
    assert head.startswith("data:image/png"), head
    return base64.b64decode(data) if head.endswith(";base64") else unquote_to_bytes(data)


def opened(uri: str) -> PIL.Image.Image:
    """Return the picture in a data URI, with what its file says in ``.info``."""
    picture = PIL.Image.open(io.BytesIO(content(uri)))
    picture.load()
    return picture


def pixels(uri: str) -> np.ndarray:
    """Return the pixels of a grey picture in a data URI: (height, width)."""
    colours = np.asarray(opened(uri).convert("RGB"))
    assert (colours == colours[..., :1]).all()
    return colours[..., 0]


def complaint(region: Any) -> str:
    """Return what the page says went wrong since a button was pressed, when it says so."""
    alert = region.locator("[role=alert]:not([data-old])")
    alert.wait_for()
    return alert.inner_text()


def move(page: Any, slider: str, *keys: str) -> None:
    """Press keys on a slider, found by its label; the settings of the display are opened for it."""
    field = page.get_by_label(f"range slider for {slider}", exact=True)
    if not field.is_visible():
        page.get_by_role("button", name="Display: masks, zoom, window").click()
    field.focus()
    for key in keys:
        page.keyboard.press(key)


def put_back(page: Any, slider: str) -> None:
    """Press a slider's own button that puts it back to where it was in the beginning."""
    field = page.get_by_label(f"range slider for {slider}", exact=True)
    block = page.locator(".block").filter(has=field).last
    block.get_by_label("Reset to default value").click()


def await_other(region: Any, source: str) -> None:
    """Wait until the first picture in a part of the page is another than that at an address."""
    region.locator(IMAGE).first.wait_for()
    region.page.wait_for_function(
        "([image, source]) => image.src !== source || !image.isConnected",
        arg=[region.locator(IMAGE).first.element_handle(), source],
    )


def files(region: Any, label: str) -> Any:
    """Return a field for files, or of files to fetch, by its label."""
    return region.locator(".block").filter(has=region.page.get_by_text(label, exact=True)).last


def upload(field: Any, *files: Path) -> None:
    """Put files into a field for files, in the place of others."""
    if field.get_by_role("button", name="Clear").is_visible():
        field.get_by_role("button", name="Clear").click()
    field.locator("input[type=file]").set_input_files(files)
    for file in files:
        field.locator(f".filename[aria-label={json.dumps(file.name)}]").wait_for()


def fetch(field: Any) -> dict[str, str]:
    """Fetch the files of a field, all texts; return them by their names."""
    held = {}
    for link in field.locator("a").all():
        with field.page.expect_download() as download:
            link.click()
        held[download.value.suggested_filename] = download.value.path().read_text()
    return held
