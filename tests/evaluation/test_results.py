from __future__ import annotations

import json
import math

import numpy as np
import pytest

from medigan_hub.errors import MetadataError, OutputError
from medigan_hub.evaluation.results import Baseline, Evaluation
from support.evaluations import condition, evaluation, figure, subgroup

KEYS = {
    *("metric", "extractor", "normalize", "value", "low", "high", "better", "num_real"),
    *("num_synthetic", "baseline", "biased"),
}


def test_an_evaluation_is_read_as_it_was_written(tmp_path):
    made = evaluation(
        figure(),
        figure(
            "FD", "imagenet", low=None, high=None, biased=True, baseline=None, normalize="minmax"
        ),
        figure("SSIM", None, better="higher", ideal=1.0, group="benign", is_distance=False),
        notes=("One.", "Two."),
        subgroups=(subgroup(), subgroup("sex M", p=1.0, p_corrected=1.0)),
        conditions=(condition(), condition(low=None, high=None, score="kappa")),
    )
    path = made.save(tmp_path)
    assert path == tmp_path / "evaluation.json"
    assert Evaluation.load(tmp_path) == Evaluation.load(path) == made
    assert [entry.name for entry in tmp_path.iterdir()] == ["evaluation.json"]


def test_the_file_says_that_it_is_of_synthetic_images_and_has_the_agreed_keys(tmp_path):
    document = json.loads(evaluation(figure()).save(tmp_path / "found.json").read_text())
    assert document["synthetic"] is True
    assert "synthetic images" in document["notice"]
    (found,) = document["figures"]
    assert set(found) >= KEYS
    assert found["baseline"] == 0.00021
    assert found["difference"] == pytest.approx(0.0125 - 0.00021)
    assert found["ratio"] == pytest.approx(0.00021 / 0.0125)


def test_what_is_no_number_is_null(tmp_path):
    odd = figure(value=math.inf, baseline=Baseline(math.nan, math.nan, 30, 10, 1.0))
    path = evaluation(odd, settings={"seed": np.int64(3), "share": np.float32("nan")}).save(
        tmp_path
    )
    document = json.loads(path.read_text(), parse_constant=pytest.fail)
    (found,) = document["figures"]
    keys = ("value", "baseline", "baseline_spread", "difference", "ratio")
    assert [found[key] for key in keys] == [None] * len(keys)
    assert document["settings"] == {"seed": 3, "share": None}
    (read,) = Evaluation.load(path).figures
    assert math.isnan(read.value)
    assert math.isnan(read.baseline.value)
    assert read.baseline.compared == 1.0


@pytest.mark.parametrize(
    ("value", "compared", "ratio"),
    [(2, 4, 0.5), (0, 4, 0), (-0.001, 4, None), (1, 0, None), (1, -0.1, None)],
)
def test_a_ratio_is_there_where_it_means_something(value, compared, ratio):
    baseline = Baseline(value, 0.1, 100, 10, compared)
    assert figure(baseline=baseline).ratio == ratio
    assert figure(baseline=baseline, is_distance=False).ratio is None


def test_neither_secrets_nor_what_steers_a_terminal_are_written(tmp_path, monkeypatch):
    monkeypatch.setenv("MY_TOKEN", "abcdefghij0123456789")
    made = evaluation(
        figure(group="a\x1b[2Jb"),
        settings={"seed": 2**64 - 1, "real": "https://me:pass-of-mine@example.org/x?key=1"},
        notes=("read with abcdefghij0123456789",),
    )
    text = made.save(tmp_path).read_text()
    for secret in ("pass-of-mine", "key=1", "abcdefghij", "\x1b"):
        assert secret not in text
    read = Evaluation.load(tmp_path)
    assert read.figures[0].group == "a\\x1b[2Jb"
    assert read.settings["seed"] == 2**64 - 1


def change(document, *path, to):
    for step in path[:-1]:
        document = document[step]
    document[path[-1]] = to


@pytest.mark.parametrize(
    ("path", "to", "words"),
    [
        (("synthetic",), False, "synthetic: false must be true"),
        (("figures", 0, "value"), "low", r'figures\[0\].value: "low" must be of type number'),
        (("figures", 0, "normalize"), "both", "is not one of none, minmax"),
        (("figures", 0, "low"), 1, r"figures\[0\]: low and high are 1 and 0.01456"),
        (("figures", 0, "high"), None, "low and high are 0.01012 and None"),
        (("figures", 0, "baseline_splits"), None, "baseline_num_images and baseline_splits go"),
        (("figures", 0, "extractor"), "other", "nothing is said of the extractor other"),
        (("figures", 0, "colour"), 1, "unknown key colour"),
        (("sets",), {"real": {}}, "sets: lacks synthetic"),
        (("subgroups", 0, "coverage"), 1.2, r"subgroups\[0\].coverage: 1.2: maximum is 1"),
        (("subgroups", 0, "low"), 1, r"subgroups\[0\]: low and high are 1 and -0.71"),
        (("subgroups", 0, "extractor"), "x", r"subgroups\[0\]: nothing is said of the extractor x"),
        (("conditions", 0, "ceiling_low"), None, r"conditions\[0\]: ceiling_low and ceiling_high"),
        (("conditions", 0, "better"), None, r"conditions\[0\].better"),
        (("verdicts",), ["a\x1bb"], "verdicts"),
        (("settings",), {}, "settings: lacks seed"),
        (("versions",), {}, "versions: lacks medigan-hub"),
        (("notes",), ["a\x1bb"], "notes"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_in_one_line(tmp_path, path, to, words):
    made = evaluation(figure(), subgroups=(subgroup(),), conditions=(condition(),))
    document = made.document()
    change(document, *path, to=to)
    place = tmp_path / "evaluation.json"
    place.write_text(json.dumps(document))
    with pytest.raises(MetadataError, match=words) as error:
        Evaluation.load(place)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "{", '{"figures": NaN}', "[" * 5000, "\xff"])
def test_what_is_no_json_is_refused(tmp_path, text):
    (tmp_path / "evaluation.json").write_text(text, "latin-1")
    with pytest.raises(MetadataError, match=r"evaluation\.json is not JSON"):
        Evaluation.load(tmp_path)


def test_a_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(MetadataError, match=r"none\.json can't be read: No such file"):
        Evaluation.load(tmp_path / "none.json")


def test_what_could_not_be_read_again_is_not_written(tmp_path):
    with pytest.raises(MetadataError, match="settings: lacks seed"):
        evaluation(figure(), settings={}).save(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_link_in_the_place_of_the_file_is_not_written_to(tmp_path):
    (tmp_path / "evaluation.json").symlink_to(tmp_path / "other")
    with pytest.raises(OutputError, match="is a link"):
        evaluation(figure()).save(tmp_path)


def test_where_nothing_can_be_made_an_error_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"found\.json can't be written: .*file is no folder"):
        evaluation(figure()).save(tmp_path / "file" / "found.json")


def test_the_model_is_told_where_it_is_known():
    assert evaluation(figure()).about == (
        "600 synthetic images by toy-noise 1.0.0, against 600 real ones (real)"
    )
    sets = evaluation(figure()).sets
    sets = sets | {"synthetic": {"title": "out", "num_images": 7, "key": "0" * 64}}
    unknown = evaluation(figure(), sets=sets)
    assert unknown.model is None
    assert "7 synthetic images by a model that is not known (out)" in unknown.about


def test_verdicts_are_in_the_file_in_words():
    worse = condition(value=0.7, low=0.6, high=0.8, difference_high=-0.15)
    untold = condition(ceiling_low=0.45, value=0.2, low=0.1, high=0.3)
    error = {"score": "MAE", "better": "lower", "difference_low": 0.4, "difference_high": 0.9}
    made = evaluation(
        figure(),
        subgroups=(
            subgroup(normalize="minmax"),
            subgroup(p_corrected=0.05),
            subgroup(difference=1),
        ),
        conditions=(
            *(condition(), worse, untold, condition(score="kappa", difference_high=-0.1)),
            *(condition("age", **error), condition("age", **error | {"difference_low": -0.1})),
        ),
    )
    left_out, *rest = made.document()["verdicts"]
    assert left_out.endswith("(coverage 0.12 against 0.93 of the others, by texture, min-max)")
    assert [each.partition(" (")[0] for each in rest] == [
        "not as asked for: label",
        "not told: whether label is as asked for, as these features may not tell it of real images",
        "not as asked for: age",
    ]


def test_a_file_without_groups_and_conditions_is_read(tmp_path):
    document = evaluation(figure()).document()
    for key in ("subgroups", "conditions", "verdicts"):
        del document[key]
    (tmp_path / "evaluation.json").write_text(json.dumps(document))
    assert Evaluation.load(tmp_path) == evaluation(figure())
