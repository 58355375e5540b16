"""A report in a real browser: no request, room on a small screen, and a way by keyboard."""

from __future__ import annotations

import numpy as np
import pytest

from medigan_hub import Hub


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A report of two sets of noise, with real images."""
    folder = tmp_path_factory.mktemp("report")
    rng = np.random.default_rng(0)
    sets = rng.integers(0, 255, (2, 14, 40, 40, 1), np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDIGAN_CACHE", str(folder / "cache"))
        found = Hub().evaluate(*sets, extractors=["texture"], normalize="both")
        return found.report(folder / "report.html", show_real=True)


@pytest.fixture
def opened(browser, file):
    """Return a function that opens the report, which in the end asked for nothing else."""
    contexts, asked, said = [], [], []

    def open_at(width, **more):
        context = browser.new_context(viewport={"width": width, "height": 800}, **more)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.goto(file.as_uri())
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [file.as_uri()]


@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_is_wider_than_the_screen(opened, width):
    page = opened(width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    sizes = page.locator(".report p, .report td, .report figcaption").evaluate_all(
        "all => all.map(each => parseFloat(getComputedStyle(each).fontSize))"
    )
    assert min(sizes) >= 12
    # What is wider than its box can be scrolled to by keyboard.
    boxes = page.locator(".wide").evaluate_all(
        "all => all.filter(each => each.scrollWidth > each.clientWidth).map(each => each.tabIndex)"
    )
    assert {*boxes} <= {0}


def test_the_keyboard_leads_to_the_words_and_through_the_page(opened):
    page = opened(400)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To what was found"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#report-verdict"
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.tagName"))
    assert {"A", "DIV", "SUMMARY"} <= reached


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_the_paper(opened, scheme):
    page = opened(1280, color_scheme=scheme)
    colours = page.locator(".report .faint").evaluate_all(
        """all => all.map(each => {
            const rgb = text => text.match(/[0-9.]+/g).slice(0, 3).map(Number);
            const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
                .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
                .reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
            const paper = light(rgb(getComputedStyle(each.closest('.report')).backgroundColor));
            const ink = light(rgb(getComputedStyle(each).color));
            return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
        })"""
    )
    assert min(colours) >= 4.5


def test_pictures_say_what_they_are(opened):
    page = opened(1280)
    words = page.locator("img").evaluate_all("all => all.map(each => each.alt)")
    assert words
    assert all(each.startswith(("Synthetic: ", "Real, confidential: ")) for each in words)
