"""The report of a search for copies: pairs are shown, and patients only where that is asked for."""

from __future__ import annotations

import numpy as np
import pytest

from medigan_hub import Hub
from medigan_hub.evaluation.report import page
from support.fields import fields

pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What is found where three of 26 images are training images, mirrored."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDIGAN_CACHE", str(tmp_path_factory.mktemp("cache")))
        training = fields(30, 1)
        made = np.concatenate([training[4:7, ::-1], fields(23, 3)])
        yield Hub().privacy(training, fields(24, 2), made, extractors=["texture"])


def test_it_says_first_what_was_found(found):
    report = found.content()
    assert report.verdict == [found.verdict]
    assert "Copies of training images were found" in report.verdict[0]
    assert {*report.parts} == {"Compliance", "Comprehension"}
    assert [row[0] for row in report.parts["Compliance"].tables[0].rows] == [
        *("pixels", "", "texture", "")
    ]


def test_training_images_are_shown_only_where_that_is_asked_for(found):
    (plain,), (shown,) = (
        found.content(show_real=each).parts["Compliance"].galleries for each in (False, True)
    )
    assert len(plain.pictures) == len(shown.pictures)
    assert {each.origin for each in plain.pictures} == {"Synthetic", "Real, not shown"}
    assert {each.origin for each in shown.pictures} == {"Synthetic", "Real, confidential"}
    assert sum("the same" in each.words for each in shown.pictures) == 3
    text = page.html(found.content())
    assert "shows images of patients" not in text
    for each in shown.pictures:
        assert (each.uri in text) == (each.origin == "Synthetic")


def test_it_draws_both_kinds_of_images_in_each_space(found):
    (drawing,) = found.content().parts["Compliance"].drawings
    assert drawing.count('class="heldout" d="M') - 1 == len(found.spaces)  # and the legend
    assert drawing.count('class="synthetic" d="M') - 1 == len(found.spaces)
    assert "<script" not in drawing


def test_it_is_written(found, tmp_path):
    path = found.report(tmp_path / "privacy.html")
    text = path.read_text()
    assert "held against 30 training images" in text
    assert len(text) < page.MAX_BYTES
