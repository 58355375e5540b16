"""What is taken away is the very same as what was made, and stands on its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from medigan_hub import Hub
from support.driving import (
    IMAGE,
    await_other,
    complaint,
    generate,
    move,
    open_tab,
    pick,
    pixels,
    sources,
    upload,
    use,
)

MODEL = "fastgan-brain-mri"


@pytest.fixture
def take(tmp_path):
    """Return a function that downloads what a link leads to, into a folder."""

    def download(link, folder):
        folder.mkdir(exist_ok=True)
        with link.page.expect_download() as download:
            link.click()
        target = folder / download.value.suggested_filename
        download.value.save_as(target)
        return target

    return download


@pytest.fixture
def data_set(take, tmp_path):
    """Return a function that has the page make a data set, and returns its folder, unpacked."""

    def make(tab):
        tab.get_by_role("button", name="Make the data set").click()
        tab.get_by_text("The data set is ready.").wait_for()
        field = tab.locator(".block").filter(has=tab.page.get_by_text("Data set, with")).last
        archive = take(field.get_by_test_id("download-link"), tmp_path / "taken")
        with zipfile.ZipFile(archive) as content:
            content.extractall(archive.parent)
        folder = archive.with_suffix("")
        assert Hub().verify(folder).ok
        return folder

    return make


@pytest.fixture
def again(take, tmp_path):
    """Return a function that makes the data set again by what the page shows.

    ``beside`` are the files that the lines or the command need where they run.
    """

    def run(tab, which, *beside):
        folder = tmp_path / which
        folder.mkdir()
        for file in beside:
            shutil.copy(file, folder)
        script = take(tab.locator(f"#{which}").get_by_test_id("download-link"), tmp_path / "shown")
        program = [sys.executable] if which == "python" else ["/bin/sh", "-e"]
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        result = subprocess.run(
            [*program, str(script)],
            cwd=folder,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stderr
        return folder / "out"

    return run


def images(folder, contents):
    found = contents(folder / "image")
    assert found
    return found


def test_the_data_set_the_lines_and_the_command_are_the_same(page, data_set, again, contents):
    generate(use(page, MODEL, "Generate"), count="3", seed="5", **{"height (mm)": "20,30.5"})
    shown = [pixels(source) for source in sources(page.get_by_role("tabpanel"))]
    tab = open_tab(page, "Take away")
    tab.get_by_text(f"Made last: 3 samples of {MODEL} 1.0.0, seed 5.").wait_for()
    folder = data_set(tab)
    assert folder.name == f"{MODEL}-seed-5-png"
    for number, picture in enumerate(shown):
        saved = np.asarray(PIL.Image.open(folder / "image" / f"{number:06d}.png"))
        assert np.array_equal(saved, picture)
    assert contents(again(tab, "python")) == contents(folder)
    assert contents(again(tab, "command")) == contents(folder)


def test_more_samples_and_another_format_are_asked_for_on_the_page(page, data_set, again, contents):
    generate(use(page, MODEL, "Generate"), count="2", seed="18446744073709551615")
    tab = open_tab(page, "Take away")
    tab.get_by_text("Made last: 2 samples").wait_for()
    tab.get_by_label("Number of samples").fill("5")
    pick(tab.get_by_label("Format"), "npz")
    tab.locator("#command").get_by_text("--format npz").wait_for()
    folder = data_set(tab)
    assert len(list(folder.rglob("*.npz"))) == 5
    assert contents(again(tab, "command")) == contents(folder)


def test_an_upload_goes_by_its_name_and_has_to_lie_beside(
    page, data_set, again, contents, tmp_path
):
    scan = tmp_path / "scan.png"
    PIL.Image.fromarray(np.arange(4800).reshape(60, 80).astype(np.uint8)).save(scan)
    tab = use(page, "cyclegan-dbt", "Generate")
    upload(tab.locator("#upload-mammogram"), scan)
    generate(tab)
    tab = open_tab(page, "Take away")
    folder = data_set(tab)
    assert np.array_equal(
        np.asarray(PIL.Image.open(folder / "mammogram" / "000000.png")),
        np.asarray(PIL.Image.open(scan)),
    )
    assert "scan.png" in tab.locator("#python").inner_text()
    assert images(again(tab, "python", scan), contents) == images(folder, contents)
    assert images(again(tab, "command", scan), contents) == images(folder, contents)


def test_a_latent_vector_that_was_steered_to_is_taken_along(
    page, take, data_set, again, contents, tmp_path
):
    tab = use(page, MODEL, "Steer")
    tab.locator("#steered").locator(IMAGE).wait_for()
    for slider in ("Components 1 to 5", "Offset of all components"):
        before = sources(tab.locator("#steered"))[0]
        move(page, slider, "PageUp")
        await_other(tab.locator("#steered"), before)
    (steered,) = sources(tab.locator("#steered"))
    tab = open_tab(page, "Take away")
    folder = data_set(tab)
    saved = np.asarray(PIL.Image.open(folder / "image" / "000000.png"))
    assert np.array_equal(saved, pixels(steered))
    field = tab.locator(".block").filter(has=page.get_by_text("Latent vectors, for")).last
    latents = take(field.get_by_test_id("download-link"), tmp_path / "latents")
    assert latents.name == "latents.npy"
    assert images(again(tab, "python"), contents) == images(folder, contents)
    assert images(again(tab, "command", latents), contents) == images(folder, contents)


def test_with_nothing_made_yet_it_says_what_to_do(page):
    tab = open_tab(page, "Take away")
    assert "Nothing has been made yet: make samples under Generate" in complaint(tab)
    tab.get_by_role("button", name="Make the data set").click()
    assert "Nothing has been made yet" in complaint(tab)


def test_a_number_that_is_not_possible_is_said_in_words(page):
    generate(use(page, MODEL, "Generate"), count="1")
    tab = open_tab(page, "Take away")
    tab.get_by_text("Made last: 1 sample of").wait_for()
    for value in ("0", "1001", "2.5", ""):
        tab.get_by_label("Number of samples").fill(value)
        assert "number of samples" in complaint(tab)
        tab.get_by_label("Number of samples").fill("1")
        tab.get_by_role("alert").wait_for(state="detached")


def test_cancel_stops_a_data_set_and_leaves_nothing_of_it(
    open_page, install, document, drawing, temporary
):
    slow = drawing.replace(
        "for indices in request.batches():",
        "import time\n        for indices in request.batches():\n            time.sleep(0.2)",
    )
    install(code=slow, document=document)
    page = open_page()
    generate(use(page, "toy-noise", "Generate"), count="1")
    tab = open_tab(page, "Take away")
    tab.get_by_text("Made last: 1 sample of").wait_for()
    tab.get_by_label("Number of samples").fill("1000")
    tab.get_by_role("button", name="Make the data set").click()
    tab.get_by_text(re.compile(r"Making samples: \d+ of 1000")).wait_for()
    tab.get_by_role("button", name="Cancel").click()
    tab.get_by_text("Cancelled.").wait_for()
    assert list(temporary.rglob("toy-noise-seed-*")) == []
