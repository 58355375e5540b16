from __future__ import annotations

import json

import numpy as np
import PIL.Image
import pytest

from medigan_hub import Hub
from support.driving import complaint, expect, fetch, files, open_tab, pick, upload

MODEL = "toy-noise"


@pytest.fixture
def tab(open_page, install):
    """The tab Judge, of a toy model."""
    install()
    page = open_page()
    pick(page.get_by_label("Model", exact=True), MODEL)
    return open_tab(page, "Judge")


@pytest.fixture
def real(tmp_path):
    """Twelve images as files, smooth as no noise is."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "real"
    folder.mkdir()
    for number in range(12):
        small = PIL.Image.fromarray(rng.integers(0, 255, (6, 6), np.uint8))
        small.resize((32, 32)).save(folder / f"{number}.png")
    return folder


FILES = "Report, without real images, and its figures"
SYNTHETIC = "Synthetic images (without any, the model makes them)"


def judge(tab):
    tab.get_by_label("imagenet").uncheck()
    tab.get_by_role("button", name="Judge", exact=True).click()


def test_real_images_are_held_against_a_model_in_figures_and_a_picture(tab, real):
    upload(files(tab, "Real images"), *sorted(real.iterdir()))
    judge(tab)
    tab.locator("#figures svg").first.wait_for()
    rows = {
        row.get_by_role("rowheader").inner_text(): row.locator("td").all_inner_texts()
        for row in tab.locator("#figures table")
        .filter(has_text="baseline with")
        .locator("tbody tr")
        .all()
    }
    found = Hub().evaluate(real, f"model:{MODEL}", extractors=["texture"])
    assert {*rows} == {figure.metric for figure in found.figures}
    kid = found.figures[0]
    assert float(rows["KID"][0]) == pytest.approx(kid.value, rel=0.01)
    told = tab.locator("#figures").inner_text()
    assert f"12 synthetic images by {MODEL}" in told
    assert "real images, as uploaded" in told
    assert "/" not in told.partition("How it was judged")[0], "no path of this machine"
    shown = tab.locator("#figures figure")
    assert shown.filter(has_text="Synthetic").count() == 12
    assert shown.filter(has_text="the nearest real image").count() == 12
    held = fetch(files(tab, FILES))
    assert json.loads(held["evaluation.json"])["figures"][0]["value"] == pytest.approx(kid.value)
    assert "Real, confidential" not in held["report.html"]
    assert "Nearest to a real image" in held["report.html"]


def test_two_uploads_are_held_against_each_other(tab, real, tmp_path):
    rng = np.random.default_rng(1)
    noise = [tmp_path / f"noise-{number}.png" for number in range(12)]
    for path in noise:
        PIL.Image.fromarray(rng.integers(0, 255, (32, 32), np.uint8)).save(path)
    upload(files(tab, "Real images"), *sorted(real.iterdir()))
    upload(files(tab, SYNTHETIC), *noise)
    judge(tab)
    tab.locator("#figures svg").first.wait_for()
    assert "12 synthetic images by a model that is not known" in (
        tab.locator("#figures").inner_text()
    )
    assert tab.locator("#figures figure").filter(has_text="Synthetic").count() == 12


def test_what_is_missing_or_too_little_is_said_in_one_line(tab, real):
    judge(tab)
    assert complaint(tab).endswith("there are no real images; upload some")
    upload(files(tab, "Real images"), next(iter(real.iterdir())))
    tab.get_by_role("button", name="Judge", exact=True).click()
    expect(tab.locator("#judge-status .complaint")).to_contain_text("1 real image")
