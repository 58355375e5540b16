from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from medigan_hub.evaluation.picture import svg
from support.evaluations import condition, evaluation, figure

SPACE = "{http://www.w3.org/2000/svg}"


def drawn(evaluations):
    return ElementTree.fromstring(svg(evaluations))  # noqa: S314 (our own)


def words(root):
    return ["".join(each.itertext()) for each in root.iter(f"{SPACE}text")]


def rows(root):
    """Return each row: what it says, and where its parts begin and end on the scale."""
    found = []
    for group in root.iter(f"{SPACE}g"):
        title = group.find(f"{SPACE}title")
        if title is None:
            continue
        parts = {}
        for circle in group.iter(f"{SPACE}circle"):
            parts[circle.get("class")] = float(circle.get("cx"))
        for band in group.iter(f"{SPACE}rect"):
            start = float(band.get("x"))
            parts["band"] = start, start + float(band.get("width"))
        for line in group.iter(f"{SPACE}path"):
            parts["line"] = tuple(map(float, re.findall(r"(?<=[MH])[\d.]+", line.get("d"))))
        found.append((title.text, parts))
    return found


def test_each_row_has_a_value_within_its_interval_and_the_baseline_beside():
    root = drawn(evaluation(figure(), figure(normalize="minmax"), figure("FD", low=1, high=2)))
    assert [text.partition(":")[0] for text, _ in rows(root)] == [
        "texture, KID of texture",
        "texture, min-max, KID of texture, min-max",
        "texture, FD of texture",
    ]
    for _, parts in rows(root)[:2]:
        start, end = parts["line"]
        assert start < parts["mark"] < end
        assert parts["band"][1] < start
    for text in ("KID", "FD", "texture, min-max", "0.0123", "lower is better"):
        assert text in words(root)


def test_extractors_have_scales_of_their_own_and_preparations_share_one():
    small = figure("KID", "texture", baseline=None)
    half = {"value": small.value / 2, "low": small.low / 2, "high": small.high / 2}
    large = replace(small, extractor="random", value=1234, low=1012, high=1456)
    root = drawn(evaluation(small, replace(small, normalize="minmax", **half), large))
    first, second, third = (parts["mark"] for _, parts in rows(root))
    assert second < first == pytest.approx(third, abs=0.2)


def test_a_biased_figure_is_hollow_and_stands_beside_its_equals():
    biased = figure(value=99.0, low=None, high=None, biased=True)
    plain = figure(value=biased.baseline.compared)
    ((_, hollow),) = rows(drawn(evaluation(biased)))
    assert set(hollow) == {"biased", "band"}
    ((_, full), (_, beside)) = rows(drawn(evaluation(plain, replace(biased, normalize="minmax"))))
    assert full["mark"] == beside["biased"]
    assert "99.0 biased" in words(drawn(evaluation(biased)))


def test_several_models_stand_in_the_order_that_each_extractor_gives():
    def judged(one, other):
        made = [figure(value=one), figure(extractor="random", value=other)]
        return evaluation(*made, figure("recall", value=one, better="higher"))

    root = drawn({"a": judged(0.3, 1), "b": judged(0.2, 2), "c": judged(0.1, 3)})
    names = [text.partition(",")[0] for text, _ in rows(root)]
    assert names == [*"cba", *"abc", *"abc"]
    assert {"texture", "random"} <= set(words(root))


def test_biased_figures_are_put_into_no_order():
    worse, better = (evaluation(figure(value=value, biased=True)) for value in (2, 1))
    root = drawn({"worse": worse, "better": better})
    assert [text.partition(",")[0] for text, _ in rows(root)] == ["worse", "better"]
    assert "texture: biased, in no order" in words(root)


def test_models_that_were_not_judged_alike_are_put_into_no_order():
    worse, better = (evaluation(figure(value=value)) for value in (2, 1))
    other = {**better.sets, "real": {**better.sets["real"], "key": "0" * 64}}
    root = drawn({"worse": worse, "better": replace(better, sets=other)})
    assert [text.partition(",")[0] for text, _ in rows(root)] == ["worse", "better"]
    assert "texture: in no order" in words(root)


def test_it_says_that_images_are_synthetic_and_by_which_model():
    root = drawn(evaluation(figure()))
    assert "How far synthetic images are from real ones" in words(root)
    assert "600 synthetic images by toy-noise 1.0.0, against 600 real" in words(root)
    assert "toy-noise 1.0.0" in root.find(f"{SPACE}desc").text


def test_it_needs_nothing_else_and_follows_the_viewers_colours():
    text = svg(evaluation(figure()))
    assert re.findall(r"https?:[^\"]*", text) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"<script|href|url\(|@import|@font-face", text)
    assert "prefers-color-scheme: dark" in text


def test_what_others_wrote_stays_text():
    name = '<script>&"\x00\x1b\ud800 of a very long name'
    root = drawn({name: evaluation(figure("<b>", group="&amp;"), model="<i>")})
    assert "<b>" in words(root)
    assert root.find(f".//{SPACE}script") is None
    assert any(text.startswith('<script>&"\\x00') and text.endswith("…") for text in words(root))


@pytest.mark.parametrize(
    "more",
    [
        {"value": float("nan"), "low": None, "high": None, "baseline": None, "ideal": None},
        {"value": 0.0, "low": 0.0, "high": 0.0, "baseline": None},
        {"value": -5e-9, "low": -6e-9, "high": -4e-9, "ideal": None, "baseline": None},
        {"value": 1e12, "low": 1e11, "high": 1e13, "better": None},
    ],
)
def test_odd_values_are_drawn_within_the_picture(more):
    ((_, parts),) = rows(drawn(evaluation(figure(**more))))
    numbers = [n for each in parts.values() for n in (each if isinstance(each, tuple) else [each])]
    assert all(0 <= n <= 400 for n in numbers)
    rows(drawn({"a": evaluation(figure(**more)), "b": evaluation(figure())}))


def test_without_figures_there_is_a_picture_that_says_so():
    assert "No figures." in words(drawn(evaluation()))


def test_groups_are_rows_of_their_own_that_long_names_of_features_do_not_hide():
    of = {"extractor": "radimagenet", "normalize": "minmax"}
    made = evaluation(*(figure(group=group, **of) for group in (None, "sex F", "sex M")))
    found = words(drawn(made))
    assert {"sex F", "sex M", "radimagenet, min-max, by group"} <= set(found)


def test_the_score_of_a_condition_stands_beside_that_of_real_images():
    root = drawn(evaluation(figure(), conditions=(condition(value=0.7, low=0.6, high=0.8),)))
    (_, (one, synthetic), (other, real)) = rows(root)
    assert "AUC: label, as asked for" in words(root)
    assert (one.partition(",")[0], other.partition(",")[0]) == ("synthetic images", "real images")
    assert synthetic["mark"] < real["line"][0] < real["mark"] < real["line"][1]
