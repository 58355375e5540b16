"""Take the pictures of the app that stand in the docs: ``make screenshots``.

Each page at the width of a desk's screen and of a telephone, with fixed seeds, into
``docs/images``. Needs Chromium, and the bundled models.
"""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from medigan_hub import Hub
from medigan_hub.app.server import serve
from medigan_hub.app.settings import Settings

IMAGES = Path(__file__).parent / "images"
SIZES = {1280: 960, 400: 860}
"""Width of the page, and the height that is shown of it, in pixels."""
BROWSERS = ("chromium", "chromium-browser", "chromium-headless-shell")
MODEL = "fastgan-brain-mri"
COMPARED = (MODEL, "cdcgan-breast-mass")


def explore(page: Any) -> None:
    page.get_by_label("Search").fill("brain MRI")
    page.get_by_text("fastgan-brain-mri").first.wait_for()


def generate(page: Any) -> None:
    page.get_by_label("Number of samples").fill("8")
    page.get_by_role("tabpanel").get_by_label("Seed").fill("7")
    page.get_by_role("button", name="Generate", exact=True).click()
    page.get_by_text("8 samples of").wait_for()
    page.locator("#grid").scroll_into_view_if_needed()


def steer(page: Any) -> None:
    page.locator("#steered img").first.wait_for()
    page.get_by_label("Principal directions").check()
    page.get_by_label("range slider for Direction 1", exact=True).wait_for()
    for number, steps in ((1, -30), (2, 24), (3, 16)):
        slider = page.get_by_label(f"range slider for Direction {number}", exact=True)
        before = page.locator("#steered img").first.get_attribute("src")
        slider.fill(str(steps * 0.05))
        page.wait_for_function(
            "before => document.querySelector('#steered img').src !== before", arg=before
        )


def compare(page: Any) -> None:
    page.get_by_label("Models, side by side").click()
    for name in COMPARED:
        page.get_by_role("option", name=name, exact=True).click()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Compare", exact=True).click()
    page.locator("#levels svg").wait_for()
    page.locator("#side-by-side").scroll_into_view_if_needed()


def judge(page: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        # Other samples of the model stand in for real images: the docs show no person.
        Hub().save(MODEL, 60, folder, seed=8, overwrite=True)
        field = page.get_by_role("tabpanel").locator("input[type=file]").first
        field.set_input_files(sorted(Path(folder, "image").iterdir()))
        page.locator('.filename[aria-label="000059.png"]').wait_for()
        page.get_by_role("button", name="Judge", exact=True).click()
        page.locator("#figures svg").first.wait_for()


def take_away(page: Any) -> None:
    page.get_by_role("button", name="Make the data set").click()
    page.get_by_text("The data set is ready").wait_for()


PAGES: dict[str, Callable[[Any], None]] = {
    "Explore": explore,
    "Generate": generate,
    "Take away": take_away,  # what Generate made
    "Steer": steer,
    "Compare": compare,
    "Judge": judge,
}
TOPS = {
    1280: {"Steer": "#model", "Compare": "#side-by-side", "Judge": "#figures"},
    400: {
        "Explore": ".status",
        "Generate": "#generate-status",
        "Steer": "#model",
        "Compare": "#compare-status",
        "Judge": "#figures",
        "Take away": "#model",
    },
}
"""What a picture begins with, where that is not the top of the page."""


def main() -> None:
    running = serve(Hub(), Settings(), port=0)
    try:
        with sync_playwright() as playwright:
            program = next(filter(None, map(shutil.which, BROWSERS)), None)
            browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
            for width, height in SIZES.items():
                _take(browser.new_page(viewport={"width": width, "height": height}), running.url)
            browser.close()
    finally:
        running.close()


def _take(page: Any, url: str) -> None:
    width = page.viewport_size["width"]
    page.goto(url)
    page.get_by_text(" models.").first.wait_for()
    field = page.get_by_label("Model", exact=True)
    field.click()
    page.get_by_role("option", name=MODEL, exact=True).click()
    for title, show in PAGES.items():
        page.get_by_role("tab", name=title).click()
        if title in ("Generate", "Steer"):
            page.get_by_role("tabpanel").get_by_role("heading", name=MODEL, exact=True).wait_for()
        show(page)
        page.mouse.move(0, 0)
        page.evaluate("() => document.activeElement.blur()")
        page.evaluate(
            "top => top ? document.querySelector(top).scrollIntoView() : scrollTo(0, 0)",
            TOPS[width].get(title),
        )
        page.wait_for_timeout(300)  # for what moves into its place
        name = f"app-{title.lower().replace(' ', '-')}-{width}.png"
        picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        # A palette halves the file, and no eye sees it: this one keeps rare colours too.
        palette = picture.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        palette.save(IMAGES / name, optimize=True)
        print(IMAGES / name)


if __name__ == "__main__":
    main()
