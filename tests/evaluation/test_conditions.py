"""A probe of real images tells whether synthetic ones show what they were asked for."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from medigan_hub import Hub, MissingDependencyError, RequestError
from medigan_hub.evaluation import conditions
from medigan_hub.evaluation.preparation import Preparation
from medigan_hub.evaluation.results import Evaluation
from support.extractors import Means
from support.image_sets import ArraySet


def images(values, seed=1, title="real", groups=None, step=40, **columns):
    """Return images that are lighter the greater a value is, with what columns say of them."""
    rng = np.random.default_rng(seed)
    levels = 40 + step * np.asarray(values, float) + rng.normal(0, 12, len(values))
    noise = rng.integers(-20, 20, (len(values), 6, 5, 1))
    made = np.clip(levels[:, None, None, None] + noise, 0, 255).astype(np.uint8)
    names = [f"{seed}-{n}.png" for n in range(len(values))]
    return ArraySet(
        dict(zip(names, made, strict=True)),
        title=title,
        groups=dict(zip(names, groups, strict=True)) if groups else None,
        facts={
            name: {key: str(words[n]) for key, words in columns.items()}
            for n, name in enumerate(names)
        },
    )


def classed(number=120, seed=1, swapped=False, **more):
    """Return images of two classes in turn, and what they are said to be."""
    kinds = np.arange(number) % 2
    words = np.array(["benign", "malignant"])[1 - kinds if swapped else kinds]
    return images(kinds, seed, **{"label": words, **more})


def aged(number=120, seed=1, off=0.0, **more):
    ages = np.round(np.random.default_rng([seed, 4]).uniform(20, 90, number), 1)
    return images(ages / 30, seed, **{"age": ages + off, **more})


def judge(real, synthetic, probes="label", **more):
    given = {"extractors": [Means()], "metrics": ["KID"], "probes": probes} | more
    return Hub().evaluate(real, synthetic, **given)


def by_score(evaluation):
    return {each.score: each for each in evaluation.conditions}


def test_right_labels_score_as_those_of_real_images_do():
    found = judge(classed(), classed(100, 2))
    assert list(by_score(found)) == ["AUC", "kappa"]
    for each in found.conditions:
        assert (each.column, each.extractor, each.normalize) == ("label", "means", "none")
        assert (each.num_real, each.num_synthetic) == (120, 100)
        assert 0.5 < each.ceiling_low < each.ceiling < each.ceiling_high <= 1
        assert abs(each.difference) < 0.1
        assert each.difference_low < 0 < each.difference_high
    assert found.verdicts == []


def test_swapped_labels_are_caught_be_they_all_or_some():
    found = judge(classed(), classed(100, 2, swapped=True))
    score = by_score(found)["AUC"]
    assert score.high < 0.5 < score.ceiling_low
    (verdict,) = found.verdicts
    assert verdict.startswith("swapped: label, as what is asked for looks like another (AUC 0.0")
    assert verdict.endswith("on real images, by means)")
    half = np.where(
        np.arange(100) % 4 < 2, ["benign", "malignant"] * 50, ["malignant", "benign"] * 50
    )
    (verdict,) = judge(classed(), classed(100, 2, label=half)).verdicts
    assert verdict.startswith("not as asked for: label (AUC 0.")


def test_classes_that_are_perfectly_apart_have_intervals_and_a_swap_of_them_is_caught():
    real = classed(80, step=150)
    right, wrong = (
        by_score(judge(real, classed(60, 2, step=150, swapped=swapped)))["AUC"]
        for swapped in (False, True)
    )
    # 30 disjoint pairs in order: unlikely below 0.025 ** (1 / 30).
    assert (right.value, right.high, right.low) == (1, 1, pytest.approx(0.025 ** (1 / 30)))
    assert (wrong.value, wrong.low, wrong.high) == (0, 0, pytest.approx(1 - 0.025 ** (1 / 30)))
    assert right.ceiling_low == pytest.approx(0.025 ** (1 / 40))
    assert right.verdict is None
    assert wrong.verdict.startswith("swapped: label")


def test_patients_and_not_images_make_an_interval_at_an_end():
    truth = np.arange(40) % 2
    units = np.arange(40) // 4  # ten, each of both classes: five pairs
    assert conditions._at_an_end(1.0, truth, units) == (pytest.approx(0.025**0.2), 1.0)
    assert conditions._at_an_end(0.0, truth, np.arange(40) % 2) == (0.0, pytest.approx(0.975))


def test_numbers_are_scored_by_their_error():
    right, wrong = (judge(aged(), aged(100, 2, off=off), "age") for off in (0.0, 30.0))
    assert list(by_score(right)) == ["MAE", "R2"]
    assert right.verdicts == []
    assert by_score(right)["R2"].ceiling > 0.5
    (verdict,) = wrong.verdicts
    assert verdict.startswith("not as asked for: age (MAE ")
    assert by_score(wrong)["MAE"].difference_low > 0


def test_what_features_do_not_tell_of_real_images_is_called_so():
    real, synthetic = (images([0] * 100, n, label=["a", "b"] * 50) for n in (1, 2))
    (verdict,) = judge(real, synthetic).verdicts
    assert verdict.startswith("not told: whether label is as asked for, as these features may")


def test_no_patient_is_on_both_sides_of_a_probe():
    words = [f"p{n // 6}" for n in range(120)]
    labels = np.array(["a", "b"])[np.arange(120) // 6 % 2]
    real = images(np.arange(120) // 6 % 2, groups=words, label=labels)
    (asked,), _ = conditions.asked(
        ["label"], real, classed(20, 2, label=["a", "b"] * 10), (120, 20), 0
    )
    assert len({(word, fold) for word, fold in zip(words, asked.folds, strict=True)}) == 20
    for fold in range(5):
        assert np.bincount(asked.real[asked.folds == fold]).tolist() == [12, 12]


def test_the_ceiling_is_of_images_that_a_probe_did_not_learn_from():
    """A probe that knows images by heart, as it has more features than images, tells nothing."""
    rng = np.random.default_rng(0)
    real, theirs = rng.normal(size=(80, 400)), rng.normal(size=(80, 400))
    sets = [images([0] * 80, n, label=["a", "b"] * 40) for n in (1, 2)]
    (asked,), _ = conditions.asked(["label"], *sets, (80, 80), 0)
    auc = next(conditions.judged(asked, Means(), Preparation(), real, theirs))
    assert 0.3 < auc.ceiling < 0.7  # by heart, 1
    assert 0.3 < auc.value < 0.7


def test_intervals_hold_what_they_promise():
    """In 60 runs, the difference of a model that obeys is called worse twice or so."""
    worse = held = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        kinds = rng.integers(0, 2, (2, 100))
        features = rng.normal(size=(2, 100, 4)) + kinds[:, :, None]
        sets = [images([0] * 100, n, label=kinds[n]) for n in (0, 1)]
        (asked,), _ = conditions.asked(["label"], *sets, (100, 100), seed)
        auc = next(conditions.judged(asked, Means(), Preparation(), *features))
        worse += auc.is_worse
        held += auc.difference_low < 0 < auc.difference_high
    assert worse <= 4
    assert held >= 53


def with_conditions(made, **known):
    made.header = {"conditions": known, "seed": 1, "count": len(made)}
    return made


def test_conditions_are_probed_for_unasked_where_real_images_have_them():
    real = classed()
    synthetic = with_conditions(classed(100, 2, title="out"), label=None, kind="a", hidden="b")
    synthetic._items = [
        item.__class__(item.name, item.digest, {**item.facts, "kind": "a"})
        for item in synthetic.items
    ]
    found = judge(real, synthetic, None)
    assert list(by_score(found)) == ["AUC", "kappa"]
    assert found.settings["probes"] == ["label"]
    assert "label, which out was asked for, was probed for unasked: real images say it too" in (
        found.notes
    )
    assert any(
        note.startswith("kind, which out was asked for, is not judged: real has no column k")
        for note in found.notes
    )
    assert not any("hidden" in note for note in found.notes)
    assert judge(real, synthetic, ()).conditions == ()
    assert judge(real, classed(100, 2), None).conditions == ()  # labels, and nobody asked for them


def test_without_scikit_learn_that_is_an_error_where_it_is_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingDependencyError, match=r"probe needs sklearn.*\[evaluation\]"):
        judge(classed(), classed(100, 2))
    found = judge(classed(), with_conditions(classed(100, 2), label=None), None)
    assert found.conditions == ()
    assert any("is not judged: training a probe needs sklearn" in note for note in found.notes)


AGES = [str(20 + n % 40) for n in range(120)]


@pytest.mark.parametrize(
    ("probe", "ours", "theirs", "words"),
    [
        ("label", {"label": ["a"] * 120}, {"label": ["a", "b"] * 30}, "label of real is a for all"),
        ("label", {"label": ["", *["a", "b"] * 59, "a"]}, {"label": ["a", "b"] * 30},
         r"label says nothing of 1-0\.png of real"),
        ("label", {"sex": ["F", "M"] * 60}, {"label": ["a", "b"] * 30},
         r"real has no column label \(there is sex\)"),
        ("label", {"label": ["a", "b"] * 60}, {"sex": ["F", "M"] * 30},
         r"nothing says what the images of out were asked for as label \(there is sex\); leave pr"),
        ("label", {"label": ["a", "b"] * 60}, {}, "as label .nothing is known of them"),
        ("label", {"label": ["a", "b"] * 60}, {"label": ["a", "c"] * 30},
         r"label of 2-1\.png of out is c, which is none of a, b"),
        ("label", {"label": ["a", "b"] * 60}, {"label": ["b"] * 60},
         "label is the same for all images of out"),
        ("label", {"label": ["a"] * 119 + ["b"]}, {"label": ["a", "b"] * 30},
         "real has too few patients or files with label b to hold one back"),
        ("age", {"age": ["", *AGES[1:]]}, {"age": AGES[:60]}, "column age says nothing of 1-0"),
        ("age", {"age": ["nan", *AGES[1:]]}, {"age": AGES[:60]}, "column age says nothing of 1-0"),
        ("age", {"age": AGES}, {"age": ["x", *AGES[1:60]]}, "age of 2-0.png of out is x, which is"),
        ("age", {"age": AGES}, {"age": ["30"] * 60}, "age is the same for all images of out"),
    ],
)  # fmt: skip
def test_what_can_not_be_probed_for_is_refused_before_an_image_is_read(probe, ours, theirs, words):
    real, synthetic = images([0] * 120, **ours), images([0] * 60, 2, "out", **theirs)
    with pytest.raises(RequestError, match=words) as error:
        judge(real, synthetic, probe)
    assert "\n" not in str(error.value)
    assert real.opened == synthetic.opened == 0


def test_one_patient_can_not_be_held_back_from_a_probe():
    real = classed(groups=["p"] * 120)
    with pytest.raises(RequestError, match="too few patients or files with label benign, malig"):
        judge(real, classed(100, 2))


def test_the_same_again_is_the_same_and_can_be_read_again(tmp_path):
    sets = classed(), classed(100, 2, swapped=True)
    found = [judge(*sets, ["label"], normalize="both") for _ in range(2)]
    one, other = (json.dumps(each.document()) for each in found)
    assert one == other
    assert [each.normalize for each in found[0].conditions] == ["none", "none", "minmax", "minmax"]
    found[0].save(tmp_path)
    read = Evaluation.load(tmp_path)
    assert read.conditions == found[0].conditions
    assert read.verdicts == found[0].verdicts
