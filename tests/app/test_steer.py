from __future__ import annotations

import re

import numpy as np
import PIL.Image
import pytest

from medigan_hub import Hub
from support.driving import (
    IMAGE,
    await_other,
    captions,
    complaint,
    expect,
    move,
    opened,
    pixels,
    put_back,
    sources,
    upload,
    use,
)

MODEL = "fastgan-brain-mri"
MIDDLE = {"height": 15}
"""Where the sliders of the conditions begin."""


@pytest.fixture
def tab(page):
    panel = use(page, MODEL, "Steer")
    panel.locator("#steered").locator(IMAGE).wait_for()
    return panel


def picture(tab):
    (source,) = sources(tab.locator("#steered"))
    return source


def moved(tab, slider, *keys):
    """Press keys on a slider, and return the picture that follows."""
    before = picture(tab)
    move(tab.page, slider, *keys)
    await_other(tab.locator("#steered"), before)
    return picture(tab)


def image(model=MODEL, **wishes):
    return next(iter(Hub().generate(model, 1, **wishes))).arrays["image"][0, ..., 0]


def test_it_starts_from_sample_0_of_the_seed(tab):
    assert np.array_equal(pixels(picture(tab)), image(seed=0, conditions=MIDDLE))
    first = picture(tab)
    seed = tab.get_by_label("Start: sample 0 of the seed")
    seed.fill("8")
    seed.press("Enter")
    await_other(tab.locator("#steered"), first)
    assert np.array_equal(pixels(picture(tab)), image(seed=8, conditions=MIDDLE))
    (caption,) = captions(tab.locator("#steered"))
    assert caption.startswith("Synthetic")
    assert opened(picture(tab)).info["Synthetic"] == "yes"


def test_the_picture_follows_the_sliders_and_reset_brings_the_first_one_back(tab):
    first = pixels(picture(tab))
    one = pixels(moved(tab, "Components 1 to 5", "PageUp"))
    two = pixels(moved(tab, "Offset of all components", "PageUp"))
    three = pixels(moved(tab, "height (mm)", "PageUp"))
    assert len({each.tobytes() for each in (first, one, two, three)}) == 4
    assert np.array_equal(pixels(moved(tab, "height (mm)", "PageDown")), two)
    before = picture(tab)
    tab.get_by_role("button", name="Reset", exact=True).click()
    await_other(tab.locator("#steered"), before)
    assert np.array_equal(pixels(picture(tab)), first)
    for slider in ("Components 1 to 5", "Offset of all components"):
        assert tab.get_by_label(f"range slider for {slider}", exact=True).input_value() == "0"


def test_a_slider_can_be_put_back_alone(tab):
    first = pixels(picture(tab))
    before = moved(tab, "Components 6 to 10", "End")
    put_back(tab.page, "Components 6 to 10")
    await_other(tab.locator("#steered"), before)
    assert np.array_equal(pixels(picture(tab)), first)


def test_another_model_chosen_meanwhile_is_drawn(tab, install):
    install()
    page = tab.page
    use(page, "cyclegan-dbt", "Steer")
    use(page, MODEL, "Steer")
    expect(tab.locator("#steered figcaption")).to_contain_text(MODEL)
    moved(tab, "height (mm)", "ArrowRight")


def test_principal_directions_take_the_place_of_the_groups(open_page, install):
    install()
    tab = use(open_page(), "toy-noise", "Steer")
    tab.locator("#steered").locator(IMAGE).wait_for()
    first = picture(tab)
    groups = tab.get_by_label(re.compile("range slider for Components?"))
    assert groups.count() == 10
    tab.get_by_label("Principal directions").check()
    tab.get_by_label("range slider for Direction 10").wait_for()
    assert groups.count() == 0
    assert moved(tab, "Direction 1", "PageUp") != first
    before = picture(tab)
    tab.get_by_label("Groups of components").check()
    groups.first.wait_for()
    await_other(tab.locator("#steered"), before)
    assert np.array_equal(pixels(picture(tab)), pixels(first))


def test_a_seed_that_is_none_is_said_in_words(tab):
    seed = tab.get_by_label("Start: sample 0 of the seed")
    seed.fill("minus one")
    seed.press("Enter")
    assert "the seed is 'minus one'; type a whole number" in complaint(tab)
    seed.fill("3")
    seed.press("Enter")
    tab.get_by_role("alert").wait_for(state="detached")


def test_a_strip_of_pictures_goes_from_one_seed_to_another(tab):
    tab.get_by_label("From seed").fill("3")
    tab.get_by_label("To seed").fill("4")
    tab.get_by_label("number input for Pictures").fill("6")
    tab.get_by_role("button", name="Interpolate").click()
    tab.get_by_text("6 synthetic pictures from seed 3 to 4.").wait_for()
    strip = tab.locator("#strip")
    shown = [pixels(source) for source in sources(strip)]
    assert len({each.tobytes() for each in shown}) == 6
    assert np.array_equal(shown[0], image(seed=3, conditions=MIDDLE))
    assert np.array_equal(shown[-1], image(seed=4, conditions=MIDDLE))
    assert all(caption.startswith("Synthetic") for caption in captions(strip))

    number = strip.get_by_label("Picture of the animation")
    frames = strip.locator(".frames img:visible")
    assert number.input_value() == "0"
    strip.get_by_role("button", name="Play").click()
    tab.page.wait_for_function("number => number.value >= 3", arg=number.element_handle())
    assert frames.count() == 1
    strip.get_by_role("button", name="Pause").click()
    number.press("Home")
    number.press("ArrowRight")
    assert np.array_equal(pixels(frames.get_attribute("src")), shown[1])

    with tab.page.expect_download() as download:
        strip.get_by_role("link", name="Download the animation").click()
    assert download.value.suggested_filename == f"{MODEL}-synthetic-seed-3-to-4.png"
    with PIL.Image.open(download.value.path()) as animation:
        assert animation.info["Synthetic"] == "yes"
        assert animation.info["Seed"] == "3 to 4"
        assert animation.n_frames == 10  # there and back
        for number, expected in enumerate([*shown, *shown[-2:0:-1]]):
            animation.seek(number)
            assert np.array_equal(np.asarray(animation.convert("L")), expected)


def test_what_a_model_makes_of_an_image_is_seen_under_one_divider(page, tmp_path):
    scan = np.random.default_rng(0).integers(0, 256, (64, 80), np.uint8)
    PIL.Image.fromarray(scan).save(tmp_path / "scan.png")
    tab = use(page, "cyclegan-dbt", "Steer")
    upload(tab.locator("#upload-mammogram"), tmp_path / "scan.png")
    tab.get_by_role("button", name="Translate").click()
    tab.get_by_text("Move the divider").wait_for()
    halves = tab.locator("#steered .halves")
    after = pixels(halves.locator(".after").get_attribute("src"))
    assert np.array_equal(after, image("cyclegan-dbt", inputs=tmp_path / "scan.png"))
    before = opened(halves.locator(".before").get_attribute("src"))
    assert np.array_equal(np.asarray(before)[..., 0], scan)
    assert before.info["Synthetic"] == "not known"
    words = tab.locator("#steered .sides").inner_text()
    assert "Input, as given · scan.png" in words
    assert "Synthetic · cyclegan-dbt" in words

    def share():
        whole, line = halves.bounding_box(), halves.locator(".line").bounding_box()
        return (line["x"] - whole["x"]) / whole["width"]

    assert share() == pytest.approx(0.5, abs=0.01)
    tab.get_by_label("Divider between input and output").press("End")
    assert share() == pytest.approx(1, abs=0.01)
    for _ in range(20):
        tab.page.keyboard.press("ArrowLeft")
    assert share() == pytest.approx(0.8, abs=0.01)


def test_a_model_without_a_latent_vector_has_nothing_to_steer_by(
    open_page, install, document, drawing
):
    document["latent"] = None
    install(code=drawing, document=document)
    tab = use(open_page(), "toy-noise", "Steer")
    assert "no latent vector to steer by" in tab.inner_text()
