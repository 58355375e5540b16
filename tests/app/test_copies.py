from __future__ import annotations

import json
import re

import PIL.Image
import pytest

from medigan_hub import Hub
from medigan_hub.evaluation.report.pictures import withheld
from support.driving import complaint, fetch, files, open_tab, opened, pick, press, upload
from support.fields import fields

pytest.importorskip("scipy")

MODEL = "toy-noise"
TRAINING, HELDOUT = "Training images of the model", "Held-out images"
SYNTHETIC = "Synthetic images, if any"
FILES = "Report, without training images, and what was found"
NUMBER, COPIED = 20, 6


@pytest.fixture
def tab(open_page, install):
    """The tab Judge of a toy model, with the search for copies unfolded."""
    install()
    page = open_page()
    pick(page.get_by_label("Model", exact=True), MODEL)
    tab = open_tab(page, "Judge")
    tab.get_by_role("button", name="Copies of training images").click()
    tab.locator("#copies").get_by_label("imagenet").uncheck()
    return tab


@pytest.fixture
def sets(tmp_path):
    """The files of training, held-out and synthetic images; some of the last are copies."""
    training, heldout, synthetic = (fields(NUMBER, seed, 16) for seed in (1, 2, 3))
    synthetic[:COPIED] = training[:COPIED]
    found = {}
    for name, images in {TRAINING: training, HELDOUT: heldout, SYNTHETIC: synthetic}.items():
        folder = tmp_path / name.partition(" ")[0]
        folder.mkdir()
        found[name] = [folder / f"{folder.name}-{n}.png" for n in range(NUMBER)]
        for path, image in zip(found[name], images, strict=True):
            PIL.Image.fromarray(image[..., 0]).save(path)
    return found


def look(tab, sets):
    for label, paths in sets.items():
        upload(files(tab, label), *paths)
    press(tab, "Look for copies")


def embedded(text):
    """Return the pictures in HTML, and what each says of itself."""
    uris = re.findall(r'src="(data:image/png[^"]*)"', text)
    return {uri: opened(uri).info.get("Synthetic") for uri in uris}


def test_copies_are_called_so_and_no_training_image_is_handed_out(tab, sets):
    look(tab, sets)
    shown = tab.locator("#copies-found")
    shown.locator("svg").first.wait_for()
    told = shown.inner_text()
    assert f"Copies of training images were found among {NUMBER} synthetic images." in told
    assert f"{COPIED} are one of {NUMBER} training images, pixel for pixel" in told
    for kind in ("training", "held-out", "synthetic"):
        assert f"{kind} images, as uploaded" in told
    assert {*embedded(shown.inner_html()).values()} == {"yes", "no"}

    held = fetch(files(tab, FILES))
    assert {*held} == {"report.html", "privacy.json"}
    found = json.loads(held["privacy.json"])
    same = Hub().privacy(*(paths[0].parent for paths in sets.values()), extractors=["texture"])
    assert (found["found"], found["duplicates"]) == ("copies", COPIED)
    assert found["spaces"] == json.loads(json.dumps(same.document()["spaces"]))
    pictures = embedded(held["report.html"])
    assert "yes" in pictures.values()
    assert {uri for uri, said in pictures.items() if said != "yes"} == {withheld("").uri}
    assert "Real, confidential" not in held["report.html"]
    for text in (*held.values(), shown.inner_html()):
        assert "Copies of training images were found" in text
        assert "medigan-app-" not in text, "no path of this machine"
        assert "medigan-passing-" not in text


def test_without_uploads_samples_of_the_model_are_looked_through(tab, sets):
    tab.get_by_label("Samples to look through").fill("15")
    tab.get_by_label("Seed of the search").fill("7")
    look(tab, {label: sets[label] for label in (TRAINING, HELDOUT)})
    shown = tab.locator("#copies-found")
    shown.locator("svg").first.wait_for()
    assert "No copies of training images were found among 15 synthetic" in shown.inner_text()
    assert f"model:{MODEL}" in shown.inner_text()
    assert json.loads(fetch(files(tab, FILES))["privacy.json"])["settings"]["seed"] == 7

    # Beside it stand the figures of the same tab: no link of one leads into the other.
    upload(files(tab, "Real images"), *sets[TRAINING])
    tab.get_by_label("imagenet").first.uncheck()
    press(tab, "Judge")
    tab.locator("#figures svg").first.wait_for()
    assert shown.locator("svg").first.is_visible()
    ids = tab.page.locator("[id]:not([id=''])").evaluate_all("all => all.map(each => each.id)")
    assert [each for each in {*ids} if ids.count(each) > 1] == []
    for result in (shown, tab.locator("#figures")):
        for link in result.locator("nav a").all():
            assert result.locator(link.get_attribute("href")).count() == 1


def test_what_is_missing_or_too_little_is_said_in_one_line(tab, sets):
    look(tab, {})
    assert complaint(tab).endswith("there are no training images; upload some")
    look(tab, {TRAINING: sets[TRAINING]})
    assert complaint(tab).endswith("there are no held-out images; upload some")
    look(tab, {HELDOUT: sets[HELDOUT][:3]})
    words = complaint(tab)
    assert "3 held-out images, and 20 are needed" in words
    assert "\n" not in words
    assert tab.locator("#copies-found").inner_text() == ""
