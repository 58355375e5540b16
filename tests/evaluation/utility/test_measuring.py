"""Whether synthetic images help, by a probe: what is found, again, and of what it is not."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from medigan_hub import Hub, RequestError
from medigan_hub.evaluation.utility.probing import Probing
from medigan_hub.evaluation.utility.results import HARMS, HELPS, NOTHING, UNTOLD, Utility
from medigan_hub.hashes import sha256_of
from support import toys
from support.utility import arm, images, measured, mixture


@pytest.fixture
def sets():
    train, test = images("train", 24, 1), images("test", 160, 2)
    return train, test, images("synthetic", 60, 3)


def test_more_of_the_truth_helps():
    train, test, more = (
        images(name, number, seed, strength=0.08)
        for seed, (name, number) in enumerate({"train": 12, "test": 400, "more": 480}.items())
    )
    found = measured(train, test, more, ratios=(1, 40), repeats=6)
    best = mixture(found, 40)
    assert best.gain.low > 0
    assert best.gain_over_controls.low > 0
    assert best.verdict == HELPS
    assert "help at ratio 40 with 100 % of the real images (AUC +" in found.verdict
    assert arm(found, "synthetic", None).num_synthetic == 12


def test_noise_gains_nothing():
    test = images("test", 200, 2)
    noise = images("noise", 200, 3, shown=lambda n: 0)
    found = measured(images("train", 40, 1), test, noise, ratios=(1, 4), shares=(0.5, 1))
    for each in found.chosen():
        if each.arm == "real + synthetic":
            assert each.gain.low <= 0
            assert each.verdict in (NOTHING, HARMS)
    assert HELPS not in found.verdict
    alone = arm(found, "synthetic", None)
    assert alone.low < 0.6
    assert alone.gain.high < 0


def test_swapped_labels_harm():
    train, test = images("train", 40, 1), images("test", 300, 2)
    swapped = images("swapped", 240, 3, classes=lambda n: str((n + 1) % 2))
    found = measured(train, test, swapped, ratios=(0.5, 4), repeats=6)
    assert mixture(found, 4).verdict == HARMS
    assert mixture(found, 4).gain.high < 0
    assert found.verdict.startswith("Synthetic images harm at ")


def test_arms_are_those_that_were_asked_for(sets):
    found = measured(*sets, shares=(0.5, 1), ratios=(1, 2))
    assert [(each.arm, each.ratio, each.share) for each in found.chosen()] == [
        (name, ratio, share)
        for share in (0.5, 1.0)
        for name, ratio in (
            *(("real", 0.0), ("synthetic", None)),
            *(("real + synthetic", 1.0), ("real + synthetic", 2.0)),
            ("real, flips and noise", 1.0),
        )
    ]
    assert {each.metric for each in found.arms} == {"AUC", "AUPRC", "F1", "balanced accuracy"}
    numbers = {
        (each.share, each.ratio): each for each in found.chosen() if each.arm == "real + synthetic"
    }
    assert (numbers[0.5, 2.0].num_real, numbers[0.5, 2.0].num_synthetic) == (12, 24)
    assert (numbers[1.0, 1.0].num_real, numbers[1.0, 1.0].num_synthetic) == (24, 24)
    assert arm(found, "real", 0.0).gain is None
    for each in found.chosen():
        assert each.low <= each.value <= each.high
        if each.gain is not None:
            real = arm(found, "real", 0.0, each.share)
            assert each.gain.value == pytest.approx(each.value - real.value)
    assert any("real, equal steps: left out" in note for note in found.notes)


def test_the_same_run_gives_the_same_to_the_last_digit(sets, monkeypatch, tmp_path):
    first = measured(*sets).document()
    monkeypatch.setenv("MEDIGAN_CACHE", str(tmp_path / "another"))
    assert measured(*sets).document() == first
    assert measured(*sets, seed=1).document() != first


def test_an_interrupted_run_goes_on(sets, monkeypatch, tmp_path):
    learned = []
    outcome = Probing.outcome

    def counted(self, job):
        learned.append(job)
        return outcome(self, job)

    monkeypatch.setattr(Probing, "outcome", counted)

    def stop(done, total):
        if done > total - 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measured(*sets, progress=stop)
    before = len(learned)
    found = measured(*sets)
    total = 4 * 5  # arms and repeats
    assert 0 < before < total
    assert len(learned) == total
    monkeypatch.setattr(Probing, "outcome", outcome)
    monkeypatch.setenv("MEDIGAN_CACHE", str(tmp_path / "another"))
    assert measured(*sets).document() == found.document()


def test_what_was_kept_and_damaged_is_learned_again(sets, own_cache):
    first = measured(*sets).document()
    kept = [path for path in (own_cache / "evaluation").glob("*.npy") if path.stat().st_size < 9000]
    assert kept
    for path in kept:
        assert sha256_of(path) == path.with_suffix(".sha256").read_text()
        path.write_bytes(path.read_bytes()[:-8] + bytes(8))
    assert measured(*sets).document() == first


def test_further_arms_add_to_what_was_learned(sets, monkeypatch):
    measured(*sets)
    monkeypatch.setattr(Probing, "outcome", lambda self, job: pytest.fail("learned again"))
    measured(*sets)
    with pytest.raises(pytest.fail.Exception):
        measured(*sets, ratios=(2,))


def test_progress_rises_to_all(sets):
    seen = []
    measured(*sets, progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]


def test_groups_of_test_images_are_judged_by_themselves(sets):
    train, _, synthetic = sets
    test = images(
        "test", 170, 2, facts=lambda n: {"site": "small" if n < 20 else ("one", "two")[n // 2 % 2]}
    )
    found = measured(train, test, synthetic, by="site")
    assert {each.group for each in found.arms} == {None, "site one", "site two"}
    assert {each.metric for each in found.arms if each.group} == {"AUC"}
    one = mixture(found, 1, group="site one")
    assert one.verdict is not None
    assert one.gain.low < mixture(found, 1).gain.value
    assert any("fewer than 50 test images: site small (20)" in note for note in found.notes)
    assert "Of site one, they" in found.verdict


def test_a_group_of_one_class_is_named_and_not_judged(sets):
    train, _, synthetic = sets
    test = images("test", 120, 2, facts=lambda n: {"site": ("one", "two")[n % 2]})
    found = measured(train, test, synthetic, by="site")
    assert {each.group for each in found.arms} == {None}
    assert sum("one class alone" in note for note in found.notes) == 2


def test_too_few_synthetic_images_leave_arms_out_by_name(sets):
    train, test, synthetic = sets
    found = measured(train, test, synthetic, ratios=(1, 4))
    assert [each.ratio for each in found.chosen() if each.arm == "real + synthetic"] == [1]
    (note,) = (note for note in found.notes if "left out: it needs" in note)
    assert note == (
        "real + synthetic at ratio 4 with 100 % of the real images is left out: it needs 48 "
        "synthetic images of 0, and there are 30; and 48 synthetic images of 1, and there are 30"
    )
    few = images("few", 8, 9)
    with pytest.raises(RequestError, match=r"too few synthetic images .* it needs 12"):
        measured(train, test, few)
    alone = measured(train, test, few, ratios=(0.25,))
    assert arm(alone, "synthetic", None).num_synthetic == 8
    assert any("synthetic has 8 images, and not 24" in note for note in alone.notes)


def test_a_share_below_one_patient_takes_one_of_each_class(sets):
    _, test, synthetic = sets
    train = images("train", 24, 1, per_patient=6, classes=lambda n: str(n // 6 % 2))
    found = measured(train, test, synthetic, shares=(0.1,))
    assert arm(found, "real", 0.0, 0.1).num_real == 12
    assert any("10 % of the real images is less than one patient" in each for each in found.notes)


def test_two_test_patients_tell_no_interval(sets):
    train, _, synthetic = sets
    test = images("test", 40, 2, per_patient=20)
    found = measured(train, test, synthetic)
    assert mixture(found, 1).low is None
    assert mixture(found, 1).gain.low is None
    assert mixture(found, 1).verdict == UNTOLD
    assert "can't be judged by so few groups" in found.verdict
    assert any(note.startswith("without an interval") for note in found.notes)


def test_three_classes(sets):
    def classes(n):
        return ("none", "benign", "malignant")[n % 3]

    def shown(n):
        return n % 3

    made = [
        images(name, number, seed, classes=classes, shown=shown)
        for name, number, seed in (("train", 30, 1), ("test", 90, 2), ("synthetic", 60, 3))
    ]
    found = measured(*made)
    assert arm(found, "real", 0.0).value > 0.6


def test_features_of_several_extractors_stand_side_by_side(sets):
    found = measured(*sets, extractors=("texture", "random"), repeats=3)
    assert {"texture", "random"} <= set(found.learner)
    assert found.learner["title"] == "a linear probe on features of texture and random"


def test_it_is_saved_and_read_again(sets, tmp_path):
    found = measured(*sets)
    path = found.save(tmp_path)
    assert path.name == "utility.json"
    document = json.loads(path.read_text())
    assert document["synthetic"] is True
    assert "synthetic" in document["notice"]
    assert set(document["arms"][0]) >= {
        *("arm", "ratio", "metric", "value", "low", "high", "gain", "share", "group", "steps"),
        *("num_real", "num_synthetic"),
    }
    again = Utility.load(path)
    assert again.document() == document
    assert again.verdict == found.verdict
    nothing = replace(found.arms[0], value=float("nan"), low=None, high=None)
    replace(found, arms=[nothing]).save(tmp_path / "odd.json")
    assert np.isnan(Utility.load(tmp_path / "odd.json").arms[0].value)


def relabelled(words):
    return images("odd", 24, 1, classes=lambda n: words[n % len(words)])


def test_a_column_without_classes_is_refused(sets):
    _, test, synthetic = sets
    for words, message in (
        (["1"], "is 1 for all images"),
        ([f"{n / 7}" for n in range(24)], "is a number, and what is learned here are classes"),
        ([f"case {n}" for n in range(24)], "24 different values for 24 images"),
        (["0", "1", ""], "says nothing of odd-2 of odd, and of 7 more images"),
        (["0", "1", "nan"], "says nothing of odd-2 of odd"),
    ):
        with pytest.raises(RequestError, match=message.replace("(", r"\(")):
            measured(relabelled(words), test, synthetic)
    with pytest.raises(RequestError, match="has no column diagnosis"):
        measured(relabelled(["0", "1"]), test, synthetic, label="diagnosis")


def test_a_class_that_a_set_lacks_is_named(sets):
    train, test, synthetic = sets
    one = images("one", 40, 5, classes=lambda n: "0")
    with pytest.raises(RequestError, match="one has no image with label 1; give some"):
        measured(train, test, one)
    with pytest.raises(RequestError, match="one has no image with label 1; give some"):
        measured(train, one, synthetic)
    strange = images("strange", 40, 5, classes=lambda n: ("0", "1", "2")[n % 3])
    with pytest.raises(RequestError, match="of strange is 2, which is none of 0, 1"):
        measured(train, test, strange)


def test_sets_that_share_images_or_patients_are_refused(sets):
    train, test, synthetic = sets
    with pytest.raises(RequestError, match="hold the same images"):
        measured(train, train, synthetic)
    with pytest.raises(RequestError, match="hold the same images"):
        measured(train, test, test)
    with pytest.raises(RequestError, match="hold the same images"):
        measured(train, test, train)
    known = images("others", 20, 7)
    known._items = [
        replace(item, facts={**item.facts, "patient": "train-3"}) for item in known.items
    ]
    with pytest.raises(RequestError, match="others-0 of others and train-3 of train are of one"):
        measured(train, known, synthetic)


def test_images_of_one_patient_can_t_be_shared(sets):
    _, test, synthetic = sets
    one = images("one", 24, 1, per_patient=24)
    with pytest.raises(RequestError, match="all belong together"):
        measured(one, test, synthetic, shares=(0.5,))
    assert measured(one, test, synthetic).chosen()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"repeats": 2}, "the number of repeats is 2; it must be a whole number from 3"),
        ({"repeats": 2.5}, "the number of repeats is 2.5"),
        ({"ratios": (0,)}, "ratios has 0; give numbers above 0"),
        ({"ratios": (-1, 2)}, "ratios has -1; give numbers"),
        ({"ratios": ("many",)}, "ratios has many; give numbers"),
        ({"ratios": "12"}, "ratios has 12; give numbers"),
        ({"ratios": (float("nan"),)}, "ratios has nan; give numbers"),
        ({"ratios": (float("inf"),)}, "ratios has inf; give numbers"),
        ({"ratios": ()}, "there are no ratios; give one at least"),
        ({"shares": (0.5, 1.2)}, "shares has 1.2; give numbers above 0 up to 1"),
        ({"shares": (True,)}, "shares has True; give numbers"),
        ({"label": None}, "either label or masks says what is to be learned"),
        ({"masks": "masks"}, "either label or masks says what is to be learned"),
        ({"learner": "unet"}, "the learner 'unet' does not learn a label; use probe or cnn"),
        ({"learner": "forest"}, "the learner 'forest' is none that there is"),
        ({"learner": 3}, "the learner is a int; give what makes a network"),
        ({"learner": "cnn", "extractors": ("texture",)}, "extractors are for the probe"),
        ({"extractors": ("patches",)}, "features of patches are no row of numbers"),
        ({"extractors": ("nothing",)}, "there is no extractor 'nothing'"),
        ({"by": "site"}, "test has no column site"),
        ({"num_samples": 9}, "num_samples is about samples that are made"),
        ({"seed": -1}, "the seed is -1"),
    ],
)
def test_what_can_t_be_asked_for_is_refused_before_an_image_is_read(sets, asked, message):
    with pytest.raises(RequestError) as caught:
        measured(*sets, **asked)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert all(not each.opened for each in sets)


def test_images_with_what_is_no_number_are_named(sets):
    train, test, _ = sets
    array = np.full((16, 16, 1), np.nan, np.float32)
    odd = images("odd", 60, 3)
    odd._images = {**odd._images, "odd-7": array}
    with pytest.raises(RequestError, match="odd-7"):
        measured(train, test, odd)


@pytest.fixture
def model(install, document):
    document["outputs"][0]["shape"] = [16, 16, 1]
    document["latent"] = None
    document["conditions"] = [
        {"name": "lesion", "type": "string", "description": "Which.", "default": None}
        | {"choices": ["0", "1"]}
    ]
    install(document=document, code=toys.code("drawing"))
    return Hub()


def test_a_model_makes_as_many_as_are_needed_and_its_condition_is_the_label(model, sets):
    train, test, _ = sets
    found = measured(train, test, "model:toy-noise", ratios=(2,))
    assert found.model == "toy-noise"
    assert mixture(found, 2).num_synthetic == 48
    assert found.sets["synthetic"]["num_images"] == 76  # 48 on average, and some beyond
    assert any("is what its column lesion says" in note for note in found.notes)
    with pytest.raises(RequestError, match="is to make the synthetic images alone"):
        measured("model:toy-noise", test, "model:toy-noise")


def test_samples_of_test_images_are_refused(install, document, tmp_path, ramp):
    document |= {"task": "image-to-image", "latent": None, "inputs": [toys.SCAN]}
    document["outputs"][0]["shape"] = [8, 8, 1]
    install(document=document, code=toys.code("drawing"))
    for name, seed in (("train", 1), ("test", 2)):
        rng = np.random.default_rng(seed)
        for n in range(8):
            place = tmp_path / name / str(n % 2)
            place.mkdir(parents=True, exist_ok=True)
            np.save(place / f"{name}{n // 2}_{n}.npy", rng.random((8, 8)))
    asked = {"recursive": True, "patients": r"((?:train|test)[0-9]+)_"}
    folders = tmp_path / "train", tmp_path / "test"
    found = measured(*folders, "model:toy-noise", inputs=folders[0], **asked)
    assert mixture(found, 1).num_synthetic == 8
    with pytest.raises(RequestError, match=r"was made from 0/test0_0.npy, which is the name of"):
        measured(*folders, "model:toy-noise", inputs=folders[1], **asked)
    (tmp_path / "other" / "0").mkdir(parents=True)
    (tmp_path / "other" / "1").mkdir()
    for path in folders[1].rglob("*.npy"):
        np.save(tmp_path / "other" / path.parent.name / f"half-{path.name}", np.load(path) / 2)
    with pytest.raises(RequestError, match=r"half-test0_0.npy, which is of a patient of"):
        measured(*folders, "model:toy-noise", inputs=tmp_path / "other", **asked)
