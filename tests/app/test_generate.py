from __future__ import annotations

import io
import re

import numpy as np
import PIL.Image
import pytest

from medigan_hub import Hub
from support.driving import (
    await_other,
    captions,
    complaint,
    expect,
    generate,
    move,
    opened,
    pick,
    pixels,
    put_back,
    sources,
    use,
)

MODEL = "fastgan-brain-mri"
GIVEN = {
    "name": "mass",
    "type": "string",
    "description": "Kind of mass.",
    "default": None,
    "choices": ["benign", "malignant"],
}


@pytest.fixture
def tab(page):
    return use(page, MODEL, "Generate")


@pytest.fixture
def toy(open_page, install, document, drawing):
    """Return a function that opens the form of a toy model, whose code and document may differ."""

    def open_form(code=drawing, **changes):
        install(code=code, document=document | changes)
        return use(open_page(), "toy-noise", "Generate")

    return open_form


def images(count, **wishes):
    """Return the images that the library makes: (count, height, width)."""
    batches = list(Hub().generate(MODEL, count, **wishes))
    return np.concatenate([batch.arrays["image"] for batch in batches])[..., 0]


def shown(tab):
    return np.stack([pixels(source) for source in sources(tab)])


def test_as_many_pictures_as_asked_for_are_exactly_those_of_the_library(tab):
    generate(tab, count="10", seed="18446744073709551615")
    assert np.array_equal(shown(tab), images(10, seed=2**64 - 1))
    assert tab.get_by_text("10 samples of").is_visible()


def test_each_picture_says_that_it_is_synthetic_on_the_page_and_in_its_file(tab):
    generate(tab, count="3", seed="5")
    assert len(captions(tab)) == 3
    for index, (caption, source) in enumerate(zip(captions(tab), sources(tab), strict=True)):
        assert caption.startswith(f"Synthetic · {MODEL} · seed 5 · sample {index} · height")
        info = opened(source).info
        assert info["Synthetic"] == "yes"
        assert MODEL in str(info)
    for alternative in tab.locator("figure.tile img:not(.mask)").all():
        assert alternative.get_attribute("alt").startswith("Synthetic: Axial T1-weighted brain MRI")
    for mask in tab.locator("img.mask").evaluate_all("masks => masks.map(mask => mask.src)"):
        assert "Synthetic" in str(opened(mask).info)


def test_the_same_seed_makes_the_same_pictures_and_another_seed_others(tab):
    generate(tab, count="2", seed="1")
    first = sources(tab)
    generate(tab, seed="2")
    other = sources(tab)
    generate(tab, seed="1")
    assert sources(tab) == first
    assert len({*first, *other}) == 4


def test_masks_lie_over_their_picture_as_strongly_as_the_slider_says(page, tab):
    generate(tab, count="1")
    arrays = next(iter(Hub().generate(MODEL, 1))).arrays
    masks = tab.locator("figure.tile img.mask")
    assert masks.count() == 2
    assert tab.get_by_label("Colours of the masks").inner_text().split("\n") == [
        "grey matter",
        "white matter",
    ]
    for mask, name in zip(masks.all(), ("grey_matter", "white_matter"), strict=True):
        alpha = np.asarray(opened(mask.get_attribute("src")))[..., 3]
        assert np.array_equal(alpha > 0, arrays[name][0, ..., 0] > 0)
    image = tab.locator("figure.tile img:not(.mask)").bounding_box()
    assert masks.first.bounding_box() == image
    expect(masks.first).to_have_css("opacity", "0.3")
    before = sources(tab)
    move(page, "Opacity of masks (%)", "End")
    expect(masks.first).to_have_css("opacity", "1")
    move(page, "Opacity of masks (%)", "Home")
    expect(masks.first).to_have_css("opacity", "0")
    put_back(page, "Opacity of masks (%)")
    expect(masks.first).to_have_css("opacity", "0.3")
    assert sources(tab) == before


def test_under_a_mask_that_covers_it_the_picture_is_seen(toy, document, drawing):
    (image,) = document["outputs"]
    mask = {**image, "name": "all", "kind": "mask", "range": [0, 1], "channels": ["all"]}
    code = drawing.replace("np.zeros", "np.ones")  # the mask of sample 0, else empty
    tab = toy(code=code, outputs=[{**image, "shape": [32, 32, 1]}, {**mask, "shape": [32, 32, 1]}])
    generate(tab, count="1")
    covered = seen(tab)
    move(tab.page, "Opacity of masks (%)", "Home")
    expect(tab.locator("figure.tile img.mask").first).to_have_css("opacity", "0")
    bare = seen(tab)
    for channel in range(3):
        contrast = covered[..., channel].std() / bare[..., channel].std()
        assert 0.6 <= contrast <= 0.8
    assert np.abs(covered - bare).mean() > 10, "the mask is seen, too"


def seen(tab):
    """Return the one picture as it is on the screen, with its masks."""
    shot = tab.locator("figure.tile .layers").screenshot()
    return np.asarray(PIL.Image.open(io.BytesIO(shot)).convert("RGB"), float)


def test_level_and_width_of_the_window_change_what_is_shown_and_not_what_was_made(page, tab):
    generate(tab, count="1")
    (image,) = images(1).astype(float)
    width = "Window width (% of the value range)"
    move(page, width, *["ArrowLeft"] * 79)
    page.wait_for_timeout(1000)  # a slow machine's browser may lose the last of many events
    move(page, width, "ArrowLeft")  # to 60 %
    await_levels(tab, (image - 0.2 * 255) / 0.6)
    move(page, "Window level (% of the value range)", "Home")  # to 0 %
    await_levels(tab, (image + 0.3 * 255) / 0.6)
    page.get_by_label("Window of each image: from its lowest to its highest value").check()
    await_levels(tab, (image - image.min()) / (image.max() - image.min()) * 255)


def await_levels(tab, levels):
    """Wait until the one picture shows grey levels, up to their rounding."""
    while True:
        (source,) = sources(tab)
        if np.abs(pixels(source) - np.clip(levels, 0, 255)).max() <= 1:
            return
        await_other(tab, source)


def test_zoom_enlarges_the_pictures(page, tab):
    generate(tab, count="1")
    image = tab.locator("figure.tile img:not(.mask)")
    assert image.bounding_box()["width"] == 160
    move(page, "Zoom (%)", *["ArrowRight"] * 5)  # to 150 %
    expect(image).to_have_css("width", "240px")


def test_values_of_a_condition_are_taken_in_turns_and_shown(tab):
    generate(tab, count="3", **{"height (mm)": "20, 30.5"})
    heights = [caption.rpartition("height ")[2] for caption in captions(tab)]
    assert heights == ["20 mm", "30.5 mm", "20 mm"]
    assert np.array_equal(shown(tab), images(3, conditions={"height": [20, 30.5]}, balance=True))


def test_choices_of_a_condition_are_picked_from_a_list(toy, document):
    label = {"name": "mass", "kind": "label", "shape": [], "dtype": "uint8", "range": [0, 1]}
    code = """
    import numpy as np
    from medigan_hub.plugin import NoiseToImage, NetworkRuntime

    class Constant(NetworkRuntime):
        def open(self, files, device, precision):
            return lambda kinds: np.ones((1, 8, 6, 1), np.float32) * kinds[:, None, None, None]

    class Plugin(NoiseToImage):
        def network_inputs(self, request, indices):
            kinds = [GIVEN.index(kind) for kind in request.condition("mass", indices)]
            return (np.float32(kinds),)

    GIVEN = ["benign", "malignant"]
    plugin = Plugin(__file__, numpy=Constant())
    """
    tab = toy(
        code,
        conditions=[GIVEN],
        outputs=[*document["outputs"], label | {"classes": GIVEN["choices"]}],
    )
    pick(tab.get_by_label("mass"), "malignant")
    generate(tab, count="2")
    assert [caption.rpartition(" · ")[2] for caption in captions(tab)] == ["malignant"] * 2
    assert (shown(tab) == 255).all()


def test_what_is_not_possible_is_said_in_words_and_changes_nothing(tab):
    generate(tab, count="1", seed="7")
    made = sources(tab)
    start = tab.get_by_role("button", name="Generate", exact=True)
    status = tab.locator("#generate-status")
    for field, value, words in [
        ("Seed", "-1", "seed is -1"),
        ("Seed", str(2**64), "seed is 18446744073709551616"),
        ("Seed", "x", "the seed is 'x'; type a whole number"),
        ("Seed", "", "the seed is ''; type a whole number"),
        (
            "Number of samples",
            "0",
            "the number of samples is 0; it must be a whole number from 1 to 64",
        ),
        (
            "Number of samples",
            "65",
            "the number of samples is 65; it must be a whole number from 1 to 64",
        ),
        ("Number of samples", "1.5", "the number of samples is 1.5; type a whole number"),
        ("Number of samples", "", "type a whole number"),
        ("height (mm)", "61", "height"),
        ("height (mm)", "tall", "height"),
    ]:
        entry = tab.get_by_label(field)
        usual = entry.input_value()
        entry.fill(value)
        start.click()
        said = complaint(status)
        assert words in said, (field, value)
        assert "Traceback" not in said
        assert "fault of the hub" not in said
        entry.fill(usual)
        generate(tab)
        assert sources(tab) == made


def test_a_plugin_that_fails_is_named_and_what_it_made_before_stays(toy, drawing, capsys):
    broken = drawing.replace(
        "for indices in request.batches():",
        "for number, indices in enumerate(request.batches()):\n"
        "            if number == 1: raise OSError('out of ink')",
    )
    tab = toy(broken)
    tab.get_by_label("Number of samples").fill("20")
    tab.get_by_role("button", name="Generate", exact=True).click()
    said = complaint(tab)
    assert "toy-noise" in said
    assert "out of ink" in said
    assert "Traceback" not in tab.inner_text()
    assert len(sources(tab)) == 8
    generate(tab, count="5")
    assert len(sources(tab)) == 5


def test_cancel_stops_a_job_after_the_batch_in_hand(toy, drawing, tmp_path):
    batches = tmp_path / "batches"
    slow = drawing.replace(
        "for indices in request.batches():",
        "import time\n"
        "        for indices in request.batches():\n"
        "            time.sleep(1)\n"
        f"            with open({str(batches)!r}, 'a') as file: file.write('x')",
    )
    tab = toy(slow)
    tab.get_by_label("Number of samples").fill("64")
    tab.get_by_role("button", name="Generate", exact=True).click()
    tab.get_by_text(re.compile(r"Making samples: \d+ of 64")).wait_for()
    tab.get_by_role("button", name="Cancel").click()
    tab.get_by_text("Cancelled.").wait_for()
    made = len(sources(tab))
    assert 8 <= made < 64
    assert len(batches.read_text()) * 8 == made
    generate(tab, count="2")
    assert len(sources(tab)) == 2
