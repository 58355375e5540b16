"""A benchmark as a table."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from medigan_hub.evaluation.benchmark import Benchmark
from medigan_hub.evaluation.side_by_side import order, reading, table
from support.evaluations import evaluation, figure

METRICS = ("KID", "FD", "SWD", "precision", "recall", "density", "coverage")


def judged(value, **more):
    given = {"low": value - 0.1, "high": value + 0.1} | more
    return evaluation(*(figure(name, value=value, **given) for name in METRICS))


def shown(found, width=100):
    stream = io.StringIO()
    Console(file=stream, width=width).print(table(found))
    return stream.getvalue()


@pytest.fixture
def found():
    return Benchmark(
        {"far": judged(5.0), "near": judged(1.0), "as-near": judged(1.15)},
        {"broken": "no weights"},
        ("A note.",),
    )


def test_a_row_is_a_model_with_value_place_and_interval_the_best_first(found):
    lines = shown(found).splitlines()
    assert "3 models, 600 synthetic images each, against 600 real ones (real)." in lines[0]
    at = {name: lines.index(next(x for x in lines if x.strip().startswith(name))) for name in FOUR}
    assert at["near"] < at["as-near"] < at["far"] < at["broken"]
    assert lines[at["near"]].split()[:3] == ["near", "1.00", "1-2"]
    assert lines[at["near"] + 1].split()[:3] == ["0.90", "to", "1.10"]
    assert lines[at["far"]].split()[:3] == ["far", "5.00", "3"]
    assert lines[at["broken"]].split()[:2] == ["broken", "-"]


FOUR = ("near", "as-near", "far", "broken")


def test_no_line_is_longer_than_there_is_room_for(found):
    text = shown(found)
    assert all(len(line.rstrip()) <= 100 for line in text.splitlines())
    heads = [line.split()[1:] for line in text.splitlines() if line.strip().startswith("model ")]
    assert [name for head in heads for name in head] == list(METRICS)
    assert len(heads) > 1


def test_what_is_to_be_known_stands_below(found):
    told = list(reading(found))
    assert "1-2 is the first or the second" in told[0]
    assert "Better is lower for KID, FD, SWD, precision, recall, density, coverage." in told
    assert told[-2:] == ["A note.", "broken is missing: no weights"]


def test_what_has_no_place_is_told():
    biased = {"value": 3, "biased": True}
    made = {
        name: evaluation(figure(value=value, low=None, high=None), figure("FD", **biased))
        for name, value in (("a", 1), ("b", 2))
    }
    told = list(reading(Benchmark(made)))
    assert any(each.startswith("FD without a place: biased") for each in told)
    assert "A value without an interval is told from no other." in told
    assert "biased" in shown(Benchmark(made))


def test_features_have_sections_of_their_own_and_one_order():
    def both(one, other):
        return evaluation(
            figure(value=one, low=one, high=one), figure(value=other, normalize="minmax")
        )

    found = Benchmark({"a": both(2, 1), "b": both(1, 2)})
    assert order(found) == ["b", "a"]
    text = shown(found)
    assert text.index("texture\n") < text.index("texture, min-max\n")
    assert "Values of different features can't be held against each other." in text


def test_where_no_model_was_measured_that_is_said():
    text = shown(Benchmark({}, {"a": "no weights", "b": "no memory"}))
    assert "No model was measured." in text
    assert "b is missing: no memory" in text


def test_names_from_others_do_not_steer_the_terminal():
    assert "\x1b[2J" not in shown(Benchmark({"a\x1b[2J": judged(1), "[red]b": judged(2)}))
    assert "[red]b" in shown(Benchmark({"a": judged(1), "[red]b": judged(2)}))
