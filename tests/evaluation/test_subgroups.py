"""Groups of images by columns: their distances, and whom synthetic images leave out."""

from __future__ import annotations

import json

import numpy as np
import pytest

from medigan_hub import Hub, RequestError
from medigan_hub.evaluation import intervals, sources, subgroups
from medigan_hub.evaluation.metrics import find
from medigan_hub.evaluation.metrics.neighbours import Coverage
from medigan_hub.evaluation.preparation import Preparation
from medigan_hub.evaluation.results import Evaluation
from medigan_hub.evaluation.verdicts import Subgroup
from support.extractors import Means
from support.features import pair, uneven
from support.image_sets import ArraySet


def images(levels, seed=1, title="real", groups=None, **columns):
    """Return images of noise about a level each, with what columns say of them."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 40, (len(levels), 6, 5, 1))
    made = (np.asarray(levels)[:, None, None, None] + noise).astype(np.uint8)
    names = [f"{seed}-{n}.png" for n in range(len(levels))]
    return ArraySet(
        dict(zip(names, made, strict=True)),
        title=title,
        groups=dict(zip(names, groups, strict=True)) if groups else None,
        facts={
            name: {key: str(values[n]) for key, values in columns.items()}
            for n, name in enumerate(names)
        },
    )


def cohort(number=180, seed=1, share=0.35, title="real", **more):
    """Return images of two sexes, of which one is much lighter."""
    rng = np.random.default_rng([seed, 9])
    sex = np.where(np.arange(number) < share * number, "F", "M")
    levels = rng.integers(30, 90, number) + np.where(sex == "F", 110, 0)
    return images(levels, seed, title, **{"sex": sex, **more})


def judge(real, synthetic, by="sex", **more):
    given = {"extractors": [Means()], "metrics": ["KID"], "by": by} | more
    return Hub().evaluate(real, synthetic, **given)


def by_group(evaluation):
    return {(each.metric, each.group): each for each in evaluation.figures}


def test_a_group_that_is_left_out_is_named_and_the_other_is_not():
    found = judge(cohort(), cohort(180, 2, share=0.0, title="out"))
    one, other = found.subgroups
    assert (one.group, one.num_real, one.num_others) == ("sex F", 63, 117)
    assert one.coverage == 0.0 < 0.9 < one.others
    assert one.low <= one.difference <= one.high < 0
    assert (one.is_left_out, other.is_left_out) == (True, False)
    (verdict,) = found.verdicts
    assert (
        verdict == f"left out: sex F (coverage 0.00 against {one.others:.2f} of the others, by "
        "means)"
    )
    assert judge(cohort(), cohort(180, 2)).verdicts == []


def test_figures_of_groups_are_those_of_their_images():
    real, synthetic = cohort(), cohort(150, 2)
    found = by_group(judge(real, synthetic))
    assert list(found) == [
        *(("KID", None), ("KID", "sex F"), ("KID", "sex M")),
        *(("coverage", "sex F"), ("coverage", "sex M")),
    ]
    ours, theirs = (
        Means().features([image / np.float32(255) for image in each.images()])
        for each in (real, synthetic)
    )
    mine = np.array([item.facts["sex"] == "F" for item in real.items])
    like = np.array([item.facts["sex"] == "F" for item in synthetic.items])
    female = found["KID", "sex F"]
    assert female.value == pytest.approx(find("KID")(ours[mine], theirs[like]), rel=1e-6)
    assert (female.num_real, female.num_synthetic) == (mine.sum(), like.sum())
    assert female.baseline.num_images <= mine.sum() // 2
    assert female.low < female.value < female.high
    near = found["coverage", "sex F"]
    groups = intervals.groups([""] * len(ours), [""] * len(theirs))
    assert near.value == Coverage().covered(ours, theirs, groups)[mine, 0].mean()
    assert (near.num_real, near.num_synthetic) == (mine.sum(), 150)


def test_without_a_column_of_their_own_all_synthetic_images_are_held_against_each_group():
    synthetic = images([60] * 80, 2, "out")
    found = judge(cohort(), synthetic)
    assert {each.num_synthetic for each in found.figures} == {80}
    assert any(
        "out has no column sex: each group of it is held against all" in note
        for note in found.notes
    )


def test_coverage_of_each_image_makes_up_the_metric():
    real, synthetic = pair(60, 50)
    groups = uneven(60, 50)
    covered = Coverage().covered(real, synthetic, groups)
    assert covered.shape == (60, 1 + groups.count)
    assert covered[:, 0].mean() == Coverage()(real, synthetic)
    left_out = [covered[groups.real != n, 1 + n].mean() for n in range(groups.count)]
    assert left_out == Coverage().left_out(real, synthetic, groups).tolist()


def simulated(seed, number=400, left_out=0.0, patients=None):
    """Judge four groups of features, of which synthetic ones lack a share of the first."""
    rng = np.random.default_rng(seed)
    kinds = rng.choice(4, number, p=[0.25, 0.25, 0.25, 0.25])
    words = [""] * number
    if patients:
        whose = rng.integers(0, patients, number)
        kinds, words = rng.integers(0, 4, patients)[whose], [str(each) for each in whose]
    centres = np.random.default_rng(0).normal(0, 2, (4, 6))
    real = centres[kinds] + rng.normal(0, 1, (number, 6))
    made = rng.choice(4, number)
    made = np.where((made == 0) & (rng.random(number) < left_out), 1, made)
    synthetic = centres[made] + rng.normal(0, 1, (number, 6))
    groups = [subgroups.Group(f"kind {n}", np.flatnonzero(kinds == n), None) for n in range(4)]
    found = subgroups.judged(
        groups,
        Means(),
        Preparation(),
        real,
        synthetic,
        intervals.groups(words, [""] * number),
        words,
    )
    return {each.group for each in subgroups.corrected(found.subgroups) if each.is_left_out}


@pytest.mark.parametrize("patients", [None, 40])
def test_where_none_is_left_out_none_is_named_in_nineteen_of_twenty_runs(patients):
    assert sum(bool(simulated(seed, patients=patients)) for seed in range(20)) <= 1


def test_the_one_that_is_left_out_is_named_alone():
    found = [simulated(seed, left_out=1.0) for seed in range(20)]
    assert found.count({"kind 0"}) >= 19


def test_images_of_one_patient_are_no_evidence_for_a_group():
    many = cohort(groups=[f"p{n // 3}" for n in range(180)])
    one = cohort(groups=["f"] * 63 + [f"m{n}" for n in range(117)])
    empty = cohort(180, 2, share=0.0)
    assert judge(many, empty).verdicts
    found = judge(one, empty)
    assert [each.group for each in found.subgroups] == ["sex M"]
    assert found.verdicts == []
    assert any("or 3 patients or files: sex F (63)" in note for note in found.notes)


def test_a_small_group_has_figures_and_no_verdict():
    found = judge(cohort(share=0.1), cohort(180, 2, share=0.0))
    assert [each.group for each in found.subgroups] == ["sex M"]
    assert ("coverage", "sex F") in by_group(found)
    assert any(
        "fewer than 50 real images, or 3 patients or files: sex F (18)" in note
        for note in found.notes
    )


def test_a_group_of_one_image_is_said_to_be_too_small_for_a_distance():
    sex = ["X", *["F"] * 60, *["M"] * 60]
    found = judge(images([60] * 121, sex=sex), images([60] * 121, 2, sex=sex))
    assert ("KID", "sex X") not in by_group(found)
    lone = by_group(found)["coverage", "sex X"]
    assert (lone.num_real, lone.low) == (1, None)
    assert any("without KID of sex X: it needs 2 images in each set" in n for n in found.notes)


def test_a_group_that_synthetic_images_lack_has_no_distance_and_a_coverage():
    found = judge(cohort(), cohort(180, 2, share=0.0, title="out"))
    figures = by_group(found)
    assert ("KID", "sex F") not in figures
    assert figures["coverage", "sex F"].value == 0
    assert any("out has no image of sex F: there is nothing to measure" in n for n in found.notes)


def test_synthetic_images_of_no_group_are_counted():
    real = cohort()
    found = judge(real, images([60] * 70, 2, "out", sex=["F"] * 30 + ["M"] * 35 + ["O"] * 5))
    assert any(
        "sex says what it says of no real one: O (5); these are in no group" in note
        for note in found.notes
    )
    assert by_group(found)["KID", "sex M"].num_synthetic == 35


def test_numbers_are_cut_into_quarters_that_are_named_by_their_range():
    ages = np.random.default_rng(3).permutation(np.arange(160) % 80 + 20)
    real = images([60] * 160, age=ages)
    theirs = [19, 20, 39, 40, 99.0, 100]
    synthetic = images([60] * 6, 2, "out", age=theirs)
    groups, notes = subgroups.found(["age"], real, synthetic, (160, 6))
    assert [each.name for each in groups] == [
        "age 20 to 39",
        "age 40 to 59",
        "age 60 to 79",
        "age 80 to 99",
    ]
    assert sorted(np.concatenate([each.real for each in groups])) == list(range(160))
    assert [each.synthetic.tolist() for each in groups] == [[1, 2], [3], [], [4]]
    assert "19 (1), 100 (1)" in notes[0]


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([0] * 90 + list(range(1, 12)), ["x 0", "x 1 to 11"]),
        (list(range(11)) + [50] * 90, ["x 0 to 10", "x 50"]),
        (
            [1 + n / 1e7 for n in range(40)],
            [
                "x 1 to 1.0000009",
                "x 1.000001 to 1.0000019",
                "x 1.000002 to 1.0000029",
                "x 1.000003 to 1.0000039",
            ],
        ),
        ([1, 1.0, "01", 2] * 10, ["x 1", "x 2"]),
        (["b", "a 10", "a 9", "B"] * 5, ["x B", "x a 9", "x a 10", "x b"]),
    ],
)
def test_groups_have_names_of_their_own(values, names):
    groups, _ = subgroups.found(
        ["x"], images([60] * len(values), x=values), images([1], 2), (len(values), 1)
    )
    assert [each.name for each in groups] == names


def test_elements_of_dicom_make_groups_by_their_keyword(tmp_path):
    pytest.importorskip("pydicom")
    from support.dicoms import dicom

    for n in range(4):
        pixels = np.full((4, 4), n, np.uint8)
        (tmp_path / f"{n}.dcm").write_bytes(dicom(pixels, PatientSex="FM"[n % 2]))
    real = sources.find(tmp_path)
    groups, _ = subgroups.found(["PatientSex"], real, images([60], 2), (4, 1))
    assert [(each.name, each.real.tolist()) for each in groups] == [
        *(("PatientSex F", [0, 2]), ("PatientSex M", [1, 3])),
    ]


GAPS = ["F", "", *["M"] * 118]
NUMBERS = [str(n % 40) for n in range(120)]


@pytest.mark.parametrize(
    ("by", "columns", "words"),
    [
        ("sex", {"sex": GAPS}, r"column sex says nothing of 1-1\.png of real; fill it in"),
        ("age", {"sex": ["F", "M"] * 60}, r"real has no column age \(there is sex\); name ano"),
        ("sex", {"sex": ["F"] * 120}, "column sex of real is F for all images"),
        ("id", {"id": [f"p{n}" for n in range(120)]}, "120 different values for 120 images, as p0"),
        ("age", {"age": ["nan", *NUMBERS[1:]]}, "age says nothing of 1-0"),
        ("age", {"age": ["old", *NUMBERS[1:]]}, "is old, which is no number"),
        ("age", {"age": ["inf", *NUMBERS[1:]]}, "is inf, which is no number"),
    ],
)
def test_a_column_that_makes_no_groups_is_refused_before_an_image_is_read(by, columns, words):
    real, synthetic = images([60] * 120, **columns), images([60] * 60, 2)
    with pytest.raises(RequestError, match=words) as error:
        judge(real, synthetic, by=by)
    assert "\n" not in str(error.value)
    assert real.opened == synthetic.opened == 0


def test_a_synthetic_word_in_a_column_of_numbers_is_refused():
    real = images([60] * 120, age=NUMBERS)
    with pytest.raises(RequestError, match=r"age of 2-1\.png of out is old, which is no number"):
        judge(real, images([60] * 60, 2, "out", age=["4", "old"] * 30), by="age")
    with pytest.raises(RequestError, match=r"column age says nothing of 2-1\.png of out"):
        judge(real, images([60] * 60, 2, "out", age=["4", ""] * 30), by="age")


def test_too_few_images_for_coverage_are_refused():
    with pytest.raises(RequestError, match="coverage needs at least 6 images in each set"):
        judge(cohort(), images([60] * 4, 2))


def test_the_same_again_is_the_same_and_can_be_read_again(tmp_path):
    found = [
        judge(cohort(age=np.arange(180) % 70), cohort(180, 2, share=0.0), by=["sex", "age", "sex"])
        for _ in range(2)
    ]
    one, other = (json.dumps(each.document()) for each in found)
    assert one == other
    assert found[0].settings["by"] == ["sex", "age", "sex"]
    assert len(found[0].subgroups) == 2  # quarters have fewer than 50 images
    found[0].save(tmp_path)
    read = Evaluation.load(tmp_path)
    assert read.subgroups == found[0].subgroups
    assert read.verdicts == found[0].verdicts != []


def test_holms_correction():
    def of(p):
        return Subgroup("means", "none", f"x {p}", 50, 50, 0.1, 0.2, -0.1, -0.2, 0.0, p, p)

    found = subgroups.corrected([of(p) for p in (0.01, 0.04, 0.03, 0.005)])
    # Holm (1979): the smallest by 4, the next by 3, ..., none below the one before.
    assert [each.p_corrected for each in found] == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert [each.p_corrected for each in subgroups.corrected([of(0.9), of(0.8)])] == [1, 1]
    assert subgroups.corrected([]) == ()


def test_a_group_without_any_and_others_with_few_are_not_told_apart():
    """None of 60 beside a share of 3 % is no evidence, though no jackknife scatters there."""
    real = np.arange(600.0)[:, None] * 10
    synthetic = np.concatenate([real[[150, 300, 450]], np.full((200, 1), 1e6)])
    groups = [subgroups.Group("x", np.arange(60), None)]
    found = subgroups.judged(
        groups,
        Means(),
        Preparation(),
        real,
        synthetic,
        intervals.groups([""] * 600, [""] * len(synthetic)),
        [""] * 600,
    )
    (one,) = found.subgroups
    assert one.coverage == 0 < one.others < 0.05
    assert one.p > 0.05
