"""Models side by side: places as ranges, and the file that holds them."""

from __future__ import annotations

import json
import math

import pytest

from medigan_hub.errors import MetadataError, OutputError, RequestError
from medigan_hub.evaluation.benchmark import Benchmark, Rank, evaluations
from support.evaluations import evaluation, figure

CONTRACT = (
    *("model", "metric", "extractor", "normalize", "value", "low", "high"),
    *("rank_low", "rank_high"),
)


def judged(value, reach=0.1, **more):
    return evaluation(figure(value=value, low=value - reach, high=value + reach, **more))


@pytest.fixture
def found():
    return Benchmark({"a": judged(1.0), "b": judged(5.0), "c": judged(1.15)})


def places(found):
    return [(each.model, each.rank_low, each.rank_high) for each in found.ranks]


def test_each_model_has_the_first_and_the_last_place_that_it_may_have(found):
    assert places(found) == [("a", 1, 2), ("c", 1, 2), ("b", 3, 3)]
    assert found.ranks[0] == Rank("a", "KID", "texture", "none", 1.0, 0.9, 1.1, 1, 2)


def test_figures_of_one_kind_stand_together():
    def three(value):
        return evaluation(
            figure(value=value),
            figure(value=-value, normalize="minmax"),
            figure("SSIM", None, value=value, better="higher"),
            figure(value=0, group="benign"),
        )

    ranks = Benchmark({"a": three(1), "b": three(2)}).ranks
    assert [(each.metric, each.extractor, each.normalize, each.model) for each in ranks] == [
        ("KID", "texture", "none", "a"),
        ("KID", "texture", "none", "b"),
        ("KID", "texture", "minmax", "b"),
        ("KID", "texture", "minmax", "a"),
        ("SSIM", None, "none", "b"),
        ("SSIM", None, "none", "a"),
    ]


@pytest.mark.parametrize(
    "more", [{"biased": True}, {"value": math.nan}, {"better": None, "ideal": None}]
)
def test_what_can_not_be_ranked_has_no_place(more):
    odd = evaluation(figure(**{"value": 3, **more}))
    found = Benchmark({"a": judged(2), "odd": odd, "b": judged(1)})
    assert places(found) == [("b", 1, 1), ("a", 2, 2), ("odd", None, None)]
    assert places(Benchmark({"a": judged(1), "odd": odd})) == [
        ("a", None, None),
        ("odd", None, None),
    ]


def test_evaluations_that_were_not_made_alike_have_no_ranks():
    found = Benchmark({"a": judged(2), "b": judged(1, num_synthetic=7)})
    with pytest.raises(RequestError, match="a and b differ in the number of synthetic images"):
        _ = found.ranks


def test_it_is_read_as_it_was_written_with_the_values_without_each_group(tmp_path):
    made = Benchmark(
        {
            "a": judged(1, left_out=(0.9, 1.0, 1.1), shares=(0.25, 0.25, 0.5)),
            "b": evaluation(figure(value=math.inf, low=None, high=None)),
        },
        {"c": "no weights"},
        ("A note.",),
    )
    path = made.save(tmp_path)
    assert path == tmp_path / "benchmark.json"
    read = Benchmark.load(tmp_path)
    assert read.evaluations["a"] == made.evaluations["a"]
    assert (read.missing, read.notes, read.is_complete) == (
        {"c": "no weights"},
        ("A note.",),
        False,
    )
    assert read.document() == made.document()
    document = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert document["synthetic"] is True
    assert "synthetic images" in document["notice"]
    assert document["complete"] is False
    assert [tuple(each) for each in document["ranks"]] == [CONTRACT] * 2
    assert document["ranks"][1]["value"] is None


def test_an_evaluation_of_its_own_is_without_the_values_of_the_groups(tmp_path):
    made = judged(1, left_out=(0.9, 1.0, 1.1), shares=(0.25, 0.25, 0.5))
    (written,) = json.loads(made.save(tmp_path).read_text())["figures"]
    assert not {"left_out", "shares"} & set(written)
    assert evaluations(tmp_path)["toy-noise"].figures[0].left_out == ()


def test_secrets_are_struck(tmp_path):
    found = Benchmark({"a": judged(1)}, {"b": "https://user:secret@host/weights is not there"})
    assert "secret" not in found.save(tmp_path).read_text()


def changed(document, *keys, value):
    for key in keys[:-1]:
        document = document[key]
    document[keys[-1]] = value


@pytest.mark.parametrize(
    ("keys", "value", "words"),
    [
        (("synthetic",), False, "synthetic: false must be true"),
        (("complete",), False, "complete: it must be true where nothing is missing"),
        (("missing",), {"a": "gone"}, "complete: it must be true"),
        (("ranks", 0, "model"), "z", "ranks: there is no evaluation of z"),
        (("ranks", 0, "rank_low"), 0, "ranks[0].rank_low: 0"),
        (("ranks", 0, "more"), 0, "ranks[0]: unknown key more"),
        (("evaluations", "a"), {}, "evaluations.a: lacks schema_version"),
        (("evaluations", "a", "figures", 0, "value"), "1", "must be of type number or null"),
        (("evaluations", "a", "figures", 0, "shares"), [0.5], "left_out and shares go together"),
        (("evaluations", "b", "settings", "seed"), 8, "b and a were not measured alike"),
        (("evaluations", "a", "figures", 0, "low"), 99, "they must be numbers that rise"),
        (("notes",), ["a\x1b[2J"], "does not match the pattern"),
    ],
)
def test_what_is_no_benchmark_is_refused(found, tmp_path, keys, value, words):
    path = found.save(tmp_path)
    document = json.loads(path.read_text())
    changed(document, *keys, value=value)
    path.write_text(json.dumps(document))
    with pytest.raises(MetadataError) as error:
        Benchmark.load(path)
    assert words in str(error.value)
    assert str(error.value).startswith(f"{path} is no benchmark that can be read")


def test_what_is_measured_and_missing_at_once_is_refused(found, tmp_path):
    with pytest.raises(MetadataError, match="a: it is measured and missing at once"):
        Benchmark(found.evaluations, {"a": "gone"}).save(tmp_path)


def test_shares_of_nothing_or_all_are_refused(tmp_path):
    odd = judged(1, left_out=(1.0, 2.0, 3.0), shares=(0.0, 0.5, 0.5))
    with pytest.raises(MetadataError, match="shares are between 0 and 1"):
        Benchmark({"a": odd}).save(tmp_path)


def test_a_place_that_can_not_be_written_is_told(found, tmp_path):
    (tmp_path / "benchmark.json").mkdir()
    with pytest.raises(OutputError):
        found.save(tmp_path)
