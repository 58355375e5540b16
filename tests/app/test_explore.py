from __future__ import annotations

import json
import re

import pytest

from medigan_hub import Hub
from support.driving import expect, open_tab, pick, use


@pytest.fixture
def names(page):
    """Return a function that waits for so many cards, and returns the names on them in order."""

    def read(count):
        page.locator(".status").get_by_text(re.compile(rf"^{count} of \d+ models\.")).wait_for()
        return page.locator(".card").get_by_role("heading").all_inner_texts()

    return read


def found(**criteria):
    """Return the names of the models that the library finds."""
    return [match.entry.metadata.name for match in Hub().search(**criteria)]


def choose(page, label, value):
    pick(page.get_by_label(label, exact=True), value)


def test_a_search_finds_models_in_every_form_of_the_words(page, names):
    assert names(len(Hub().models())) == [entry.metadata.name for entry in Hub().models()]
    page.get_by_label("Search").fill("CXR nodules")
    sought = found(words="CXR nodules")
    assert names(len(sought)) == sought
    assert {"dcgan-cxr-lung-nodule", "wgangp-cxr-lung-nodule"} <= set(sought)


def test_a_misspelt_word_is_answered_with_the_close_one(page, names):
    page.get_by_label("Search").fill("mamography")
    page.get_by_text("no model has 'mamography'; did you mean mammography").wait_for()
    assert names(0) == []


def test_filters_narrow_the_list_together(page, names):
    choose(page, "Modality", "endoscopy")
    polyps = found(modality="endoscopy")
    assert names(len(polyps)) == polyps
    choose(page, "Licence", "MIT")
    both = found(modality="endoscopy", licence="MIT")
    assert 0 < len(both) < len(polyps)
    assert names(len(both)) == both


def test_only_installed_models_are_shown_where_that_is_wanted(page, names):
    page.get_by_label("Only installed models").check()
    installed = found(installed=True)
    assert names(len(installed)) == installed


@pytest.mark.filterwarnings("ignore:the figures of:medigan_hub.errors.HubNote")
def test_sorting_by_a_metric_puts_the_better_first_and_shows_its_values(page, names):
    everything = names(len(Hub().models()))
    choose(page, "Sort by", "FID")
    page.locator(".card .metric").first.wait_for()
    ranked = Hub().search(rank_by="FID")
    assert names(len(ranked)) == [match.entry.metadata.name for match in ranked] != everything
    shown = page.locator(".card .metric").first.inner_text()
    assert shown == f"FID: {ranked[0].value:g}"


def test_a_models_card_shows_its_limitations_and_its_citation(page):
    document = Hub().model("singan-fundus").metadata.document
    page.get_by_role("button", name="Card of singan-fundus").click()
    card = page.locator("#card")
    card.get_by_role("heading", name="Limitations").wait_for()
    text = " ".join(card.inner_text().split())
    assert all(" ".join(each.split()) in text for each in document["limitations"])
    assert document["intended_use"] in text
    assert "@inproceedings{shaham2019singan," in text


def test_a_model_is_taken_to_the_other_tabs_by_its_button(page):
    page.get_by_role("button", name="Use singan-fundus").click()
    expect(page.get_by_role("tab", name="Generate")).to_have_attribute("aria-selected", "true")
    page.get_by_role("tabpanel").get_by_role("heading", name="singan-fundus").wait_for()
    assert page.get_by_label("Model", exact=True).input_value() == "singan-fundus"


def test_a_model_that_is_not_installed_comes_with_the_command_that_installs_it(
    open_page, document, tmp_path, monkeypatch
):
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "toy-noise.json").write_text(json.dumps(document))
    monkeypatch.setenv("MEDIGAN_CATALOGUE", str(folder))
    page = open_page()
    for tab in ("Generate", "Steer"):
        pick(page.get_by_label("Model", exact=True), "toy-noise (not installed)")
        panel = open_tab(page, tab)
        panel.get_by_text("toy-noise is not installed").wait_for()
        assert panel.locator(".cm-content").inner_text().strip() == "medigan install toy-noise"
        assert panel.get_by_role("button", name="Generate").count() == 0


def test_a_model_installed_meanwhile_is_there_when_the_page_is_opened_again(open_page, install):
    open_page()
    install()
    page = open_page()
    page.get_by_label("Search").fill("toy-noise")
    page.get_by_role("heading", name="toy-noise", exact=True).wait_for()
    use(page, "toy-noise", "Generate")
