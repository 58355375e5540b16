from __future__ import annotations

import re

import numpy as np
import PIL.Image
import pytest

from medigan_hub import Hub
from support.driving import (
    IMAGE,
    captions,
    complaint,
    expect,
    open_tab,
    opened,
    pick,
    pixels,
    sources,
    upload,
)

MODEL = "fastgan-brain-mri"


@pytest.fixture
def tab(open_page, install):
    """The tab Compare, with a toy model beside the others."""
    install()
    page = open_page()
    pick(page.get_by_label("Model", exact=True), MODEL)
    return open_tab(page, "Compare")


@pytest.fixture
def real(tmp_path):
    """Three images of two sizes, as files."""
    rng = np.random.default_rng(0)
    found = []
    for number, size in enumerate([(40, 30), (40, 30), (20, 50)]):
        found.append(tmp_path / f"real-{number}.png")
        PIL.Image.fromarray(rng.integers(50, 100, size, np.uint8)).save(found[-1])
    return found


def choose(tab, *models):
    pick(tab.get_by_label("Models, side by side"), *models)


def compare(tab):
    tab.get_by_role("button", name="Compare", exact=True).click()
    tab.locator("#levels svg").wait_for()


def files(tab, label):
    return tab.locator(".block").filter(has=tab.page.get_by_text(label)).last


def table(tab):
    """Return the numbers of the table of grey levels, by its rows."""
    rows = {}
    for row in tab.locator("#levels tbody tr").all():
        numbers = [float(text) for text in row.locator("td").all_inner_texts()]
        rows[row.get_by_role("rowheader").inner_text()] = numbers
    return rows


def test_models_stand_in_rows_with_the_same_seed_and_real_images_beside_them(tab, real):
    choose(tab, MODEL, "toy-noise")
    tab.get_by_label("Samples of each").fill("2")
    tab.get_by_label("Seed").first.fill("9")
    upload(files(tab, "Real images, to compare with"), *real)
    compare(tab)
    rows = tab.locator("#side-by-side section")
    assert [row.get_attribute("aria-label") for row in rows.all()] == [
        "Real images",
        MODEL,
        "toy-noise",
    ]
    assert captions(rows.first) == ["Real · image 1", "Real · image 2", "Real · image 3"]
    for file, source in zip(real, sources(rows.first), strict=True):
        assert np.array_equal(pixels(source), np.asarray(PIL.Image.open(file)))
        assert opened(source).info == {}, "nothing is said of where it comes from"
    for row, model in zip(rows.all()[1:], (MODEL, "toy-noise"), strict=True):
        (batch,) = Hub().generate(model, 2, seed=9)
        shown = [pixels(source) for source in sources(row)]
        assert np.array_equal(shown, batch.arrays["image"][..., 0])
        assert all(caption.startswith(f"Synthetic · {model} · seed 9") for caption in captions(row))


def test_grey_levels_are_drawn_and_told_as_numbers(tab, real):
    choose(tab, MODEL)
    upload(files(tab, "Real images, to compare with"), *real)
    compare(tab)
    assert tab.locator("#levels polyline").count() == 2
    values = np.concatenate([np.asarray(PIL.Image.open(file)).ravel() / 255 for file in real])
    made = np.concatenate(
        [batch.arrays["image"].ravel() / 255 for batch in Hub().generate(MODEL, 4)]
    )
    shown = table(tab)
    assert list(shown) == ["real images", MODEL]
    for name, expected in (("real images", values), (MODEL, made)):
        facts = [expected.mean(), expected.std(), *np.percentile(expected, [1, 50, 99])]
        assert shown[name] == pytest.approx(facts, abs=6e-4)


def test_a_background_of_one_level_does_not_flatten_the_curve_of_the_rest(tab, tmp_path):
    scan = np.zeros((100, 100), np.uint8)
    scan[40:60, 40:60] = np.random.default_rng(0).integers(64, 192, (20, 20))
    PIL.Image.fromarray(scan).save(tmp_path / "scan.png")
    upload(files(tab, "Real images, to compare with"), tmp_path / "scan.png")
    compare(tab)
    svg = tab.locator("#levels svg")
    points = svg.locator("polyline").get_attribute("points")
    ys = np.array([float(point.split(",")[1]) for point in points.split()])
    marks = {}
    for text in svg.locator("text[text-anchor=end]").all():
        if text.text_content().endswith("%"):
            share = float(text.text_content().strip("≤ %")) / 100
            marks[share] = float(text.get_attribute("y"))
    ground, top = marks[1e-4], marks[1.0]
    assert len(marks) == 5
    assert np.ptp(np.diff([marks[share] for share in sorted(marks)])) < 1e-6, "a decade is one step"
    # The body is a 25th of the picture, over 32 of 64 bins, and stands well above the ground.
    body = (ground - ys[16:48]) / (ground - top)
    assert 0.2 < body.min() < body.max() < 0.5
    shares = np.histogram(scan / 255, 64, (0, 1))[0] / scan.size
    heights = (np.log10(np.maximum(shares, 1e-4)) + 4) / 4
    assert np.ptp((ground - ys) / (ground - top) - heights) < 1e-3
    assert "share of the pixels, logarithmic" in svg.text_content()
    assert "logarithmic" in svg.get_attribute("aria-label")


def test_one_input_goes_through_the_models_that_start_from_an_image(tab, real):
    choose(tab, "cyclegan-dbt", "toy-noise")
    upload(files(tab, "Input for models that start from an image"), real[0])
    compare(tab)
    row = tab.get_by_role("region", name="cyclegan-dbt")
    before, after = sources(row)
    scan = np.asarray(PIL.Image.open(real[0]))
    assert np.array_equal(pixels(before), scan)
    (batch,) = Hub().generate("cyclegan-dbt", inputs=scan)
    assert np.array_equal(pixels(after), batch.arrays["image"][0, ..., 0])
    assert [caption.split(" · ")[0] for caption in captions(row)] == [
        "Input, as given",
        "Synthetic",
    ]


def test_with_nothing_to_compare_it_says_what_is_missing(tab):
    tab.get_by_role("button", name="Compare", exact=True).click()
    assert "choose models, or upload real images" in complaint(tab)
    choose(tab, "toy-noise")
    tab.get_by_label("Samples of each").fill("9")
    tab.get_by_role("button", name="Compare", exact=True).click()
    tab.get_by_text("the number of samples is 9; it must be a whole number from 1 to 8").wait_for()


def test_a_reading_test_is_taken_by_keyboard_alone_and_tells_nothing_before_its_end(tab, real):
    page = tab.page
    upload(files(tab, "Real images, to compare with"), *real)

    def press(name):
        """Go to a button by the tabulator key, and press it."""
        for _ in range(120):
            page.keyboard.press("Tab")
            focused = page.locator(":focus")
            if focused.count() and focused.inner_text().strip().startswith(name):
                page.keyboard.press("Enter")
                return
        pytest.fail(f"the button {name} is not reached by keyboard")

    press("Blind reading test")
    tab.get_by_role("button", name="Start the test").wait_for()
    press("Start the test")
    status = tab.locator("#reading-status")
    picture = tab.locator("#reading img")
    sizes = set()
    for number in range(1, 7):
        status.get_by_text(f"Image: {number} of 6").wait_for()
        expect(picture).to_have_attribute("alt", f"Image {number} of 6")
        shown = opened(picture.get_attribute("src"))
        assert shown.info == {}, "the file tells what it is"
        sizes.add((shown.size, shown.mode))
        told = tab.locator("#reading").evaluate("e => e.innerHTML.replace(/base64,[^\"]*/g, '')")
        assert not re.search("real|synth", told, re.IGNORECASE)
        press("Synthetic")
    assert len(sizes) == 1, "all images have one size and one mode"
    result = tab.locator("#reading")
    result.get_by_text("3 of 6").first.wait_for()
    assert "50%" in result.inner_text()
    assert "does not show that there is none" in result.inner_text()
    truths = [caption.split(" · ")[0] for caption in captions(result)]
    assert sorted(truths) == ["Real"] * 3 + ["Synthetic"] * 3
    said = [opened(source).info.get("Synthetic") for source in sources(result)]
    assert said == ["yes" if truth == "Synthetic" else None for truth in truths]
    assert "Seed of the test" in result.inner_text()
    for name in ("Real", "Synthetic"):
        expect(tab.get_by_role("button", name=name, exact=True)).to_be_disabled()


def test_a_reading_test_needs_real_images(tab):
    tab.get_by_role("button", name="Blind reading test").click()
    tab.get_by_role("button", name="Start the test").click()
    assert "there are no real images; upload some above" in complaint(tab)
    assert tab.locator("#reading").locator(IMAGE).count() == 0
