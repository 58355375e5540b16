"""The page as a whole, whatever it shows."""

from __future__ import annotations

import pytest

from support.driving import generate, open_tab, use

TABS = ("Explore", "Generate", "Steer", "Compare", "Judge", "Take away")


@pytest.mark.parametrize("width", [1280, 400])
def test_every_tab_fits_the_width_of_the_screen(open_page, install, width):
    install()
    page = open_page(apart=True)
    page.set_viewport_size({"width": width, "height": 800})
    generate(use(page, "toy-noise", "Generate"), count="8")
    for name in TABS:
        open_tab(page, name).wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        for tab in TABS:
            box = page.get_by_role("tab", name=tab).bounding_box()
            assert 0 <= box["x"] <= box["x"] + box["width"] <= width, f"{tab} is out of sight"


def test_it_says_first_of_all_that_pictures_are_synthetic_and_not_for_diagnosis(page):
    notice = page.locator("#notice").inner_text()
    assert "synthetic: it shows no patient and is not fit for diagnosis" in notice
    for name in TABS:
        open_tab(page, name)
        assert page.locator("#notice").is_visible()
