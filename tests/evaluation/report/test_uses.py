"""The report of the use for a task: the verdict, the curve and every score."""

from __future__ import annotations

import pytest

from medigan_hub import Hub
from medigan_hub.evaluation.report import page
from support.utility import images

pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDIGAN_CACHE", str(tmp_path_factory.mktemp("cache")))
        sets = images("train", 40, 1), images("test", 60, 2), images("made", 60, 3)
        yield Hub().utility(*sets, label="label", shares=[0.5, 1.0], ratios=[1], repeats=3)


def test_it_says_first_whether_images_help(found):
    report = found.content()
    assert report.verdict == [found.verdict]
    assert {*report.parts} == {"Use", "Comprehension"}
    assert report.about[0].isupper()


def test_every_score_has_a_table_of_all_arms(found):
    tables = found.content().parts["Use"].tables
    assert [each.caption for each in tables] == [
        f"{name}, all test images" for name in ("AUC", "AUPRC", "F1", "balanced accuracy")
    ]
    for each, name in zip(tables, ("AUC", "AUPRC", "F1", "balanced accuracy"), strict=True):
        assert len(each.rows) == len(found.chosen(name))


def test_what_was_learned_is_told_among_the_settings(found):
    (table,) = found.content().parts["Comprehension"].tables
    told = dict(table.rows)
    assert told["label"] == "label"
    assert "probe" in told["learner"]


def test_it_is_written(found, tmp_path):
    text = found.report(tmp_path / "utility.html").read_text()
    assert "Whether synthetic images help" in text
    assert "<img" not in text
    assert len(text) < page.MAX_BYTES
