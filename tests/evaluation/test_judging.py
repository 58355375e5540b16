"""Every metric on the features of every extractor, with interval and baseline."""

from __future__ import annotations

import importlib.util
import json
import sys

import numpy as np
import pytest
from PIL import Image

from medigan_hub import Hub, HubError, MissingDependencyError, RequestError
from medigan_hub.evaluation import judging, metrics
from medigan_hub.evaluation.results import Evaluation
from medigan_hub.evaluation.scaling import scaled
from support import toys
from support.extractors import Means
from support.image_sets import ArraySet

METRICS = ("KID", "FD", "precision", "recall", "density", "coverage")


def images(number, shift=0, seed=1, **more):
    """Return images of noise about a level that differs, and is lighter by ``shift``."""
    rng = np.random.default_rng(seed)
    levels = rng.integers(40, 120, (number, 1, 1, 1)) + shift
    noise = rng.integers(0, 40, (number, 6, 5, 1))
    made = (levels + noise).astype(np.uint8)
    return ArraySet({f"{seed}-{n}.png": made[n] for n in range(number)}, **more)


def judge(real, synthetic, **more):
    given = {"extractors": [Means()], "metrics": METRICS} | more
    return Hub().evaluate(real, synthetic, **given)


def by_name(evaluation):
    return {figure.metric: figure for figure in evaluation.figures}


def described(found):
    return Means().features([image / np.float32(255) for image in found.images()])


def test_figures_are_those_of_the_metrics_on_the_features():
    real, synthetic = images(60), images(50, 9, seed=2)
    found = by_name(judge(real, synthetic))
    assert list(found) == list(METRICS)
    ours, theirs = described(real), described(synthetic)
    for name, figure in found.items():
        metric = metrics.find(name)
        if name != "FD":  # which is corrected
            assert figure.value == pytest.approx(metric(ours, theirs), rel=1e-6)
        assert figure.low < figure.value <= figure.high
        assert (figure.num_real, figure.num_synthetic) == (60, 50)
        assert (figure.extractor, figure.normalize, figure.groups) == ("means", "none", 20)
    # Unbiased estimates by their definition: Binkowski et al., equation 4.
    kernel = lambda a, b: (a @ b.T / 2 + 1) ** 3  # noqa: E731
    within = [kernel(each, each) for each in (ours.astype(float), theirs.astype(float))]
    means = [(k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in within]
    kid = sum(means) - 2 * kernel(ours.astype(float), theirs.astype(float)).mean()
    assert found["KID"].value == pytest.approx(kid, rel=1e-6)


def test_a_shift_shows_and_equal_distributions_do_not():
    real, like, shifted = images(80), images(80, seed=2), images(80, 30, seed=3)
    near, far = by_name(judge(real, like)), by_name(judge(real, shifted))
    assert near["KID"].low < 0 < near["KID"].high
    assert far["KID"].low > near["KID"].high
    assert far["coverage"].value < near["coverage"].value
    assert near["KID"].baseline.difference < far["KID"].baseline.difference
    assert far["FD"].baseline.ratio < 0.2 < near["FD"].baseline.ratio


def test_the_baseline_has_as_many_images_or_half_of_the_real_ones():
    for num_real, num_synthetic, wanted in (
        (80, 40, 40),
        (100, 40, 40),
        (60, 50, 30),
        (61, 50, 30),
    ):
        found = judge(images(num_real), images(num_synthetic, seed=2), metrics=["KID"])
        baseline = found.figures[0].baseline
        assert (baseline.num_images, baseline.splits) == (wanted, 10)
        assert baseline.spread > 0


class Numbers(Means):
    """The place of an image among the real ones, which its first pixel holds."""

    name = "numbers"

    @property
    def shape(self):
        return (1,)

    def features(self, given):
        return np.array([[round(float(image[0, 0, 0]) * 255)] for image in given], np.float32)


def numbered(number, first=0, **more):
    return ArraySet(
        {f"{n}.png": np.full((3, 3, 1), n, np.uint8) for n in range(first, first + number)}, **more
    )


def test_no_patient_is_on_both_sides_of_a_split(monkeypatch):
    patients = {f"{n}.png": f"p{n // 7}" for n in range(60)}
    seen = []

    class Watched(metrics.Metric):
        name, title, source = "Watched", "", ""

        def __call__(self, real, synthetic):
            seen.append((set(real.ravel()), set(synthetic.ravel())))
            return float(len(seen))

    monkeypatch.setattr(metrics, "find", lambda _: Watched())
    judge(
        numbered(60, groups=patients),
        numbered(20, first=100),
        metrics=["Watched"],
        extractors=[Numbers()],
    )
    splits = [(one, other) for one, other in seen if max(other) < 100]
    assert len(splits) == 10
    for one, other in splits:
        assert not {n // 7 for n in one} & {n // 7 for n in other}
    left_out = [len({n // 7 for n in one}) for one, other in seen if len(one) > 30]
    assert set(left_out) == {9, 8}  # all, and without one patient each


def test_patients_are_told_by_a_table(tmp_path):
    folder = tmp_path / "real"
    folder.mkdir()
    for n in range(40):
        Image.new("L", (5, 5), 3 * n).save(folder / f"{n}.png")
    rows = [f"{n}.png,{n // 10}" for n in range(40)]
    (tmp_path / "table.csv").write_text("\n".join(["file,who", *rows]))
    found = judge(folder, images(30), metrics=["KID"], patients="who", table=tmp_path / "table.csv")
    assert found.figures[0].groups == 4
    assert found.settings["patients"] == "who"


def test_one_patient_alone_gives_neither_interval_nor_baseline_and_that_is_told():
    real = images(30, groups=dict.fromkeys(images(30)._images, "p1"))
    found = judge(real, images(30, seed=2), metrics=["KID"])
    (figure,) = found.figures
    assert (figure.low, figure.high, figure.baseline) == (None, None, None)
    assert any("without an interval where" in note for note in found.notes)
    assert any("without a baseline: the real images are all of one" in note for note in found.notes)


class Wide(Means):
    name = "wide"

    @property
    def shape(self):
        return (25,)

    def features(self, given):
        return np.array([image[:5].ravel() for image in given], np.float32)


def test_too_few_images_for_a_frechet_distance_are_marked_and_nothing_is_corrected():
    few, enough = (
        by_name(judge(images(n), images(n, seed=2), extractors=[Wide()], metrics=["FD", "KID"]))
        for n in (40, 70)
    )
    assert (few["FD"].biased, few["FD"].corrected, few["FD"].low) == (True, False, None)
    assert (enough["FD"].biased, enough["FD"].corrected) == (False, True)
    assert not few["KID"].biased
    plain = metrics.find("FD")(
        *(
            Wide().features([each / np.float32(255) for each in of.images()])
            for of in (images(40), images(40, seed=2))
        )
    )
    assert few["FD"].value == pytest.approx(plain)


def test_extractors_and_ways_to_normalise_are_all_combined_in_one_pass():
    real, synthetic = images(40), images(40, 9, seed=2)
    found = judge(real, synthetic, extractors=[Means(), Wide()], metrics=["KID"], normalize="both")
    assert [(each.extractor, each.normalize) for each in found.figures] == [
        *(("means", "none"), ("means", "minmax"), ("wide", "none"), ("wide", "minmax"))
    ]
    assert len({each.value for each in found.figures}) == 4
    assert real.opened == synthetic.opened == 1


def test_a_metric_for_one_extractor_alone_brings_it():
    plans = judging.planned(["KID", "intra-MS-SSIM", "FRD"], [Means()])
    assert [(plan.extractor.name, [each.name for each in plan.metrics]) for plan in plans] == [
        ("means", ["KID"]),
        ("pixels", ["intra-MS-SSIM"]),
        ("radiomics", ["KID", "FRD"]),
    ]
    with pytest.raises(RequestError, match="no metric that is asked for is for the features of pi"):
        judge(images(12), images(12, seed=2), metrics=["KID"], extractors=["pixels"])


def test_an_extractor_says_what_a_metric_is_called_on_its_features():
    class Called(Means):
        calls = {"FD": "MyFD"}  # noqa: RUF012

    found = judge(images(30), images(30, seed=2), extractors=[Called()], metrics=["FD", "KID"])
    assert [each.metric for each in found.figures] == ["MyFD", "KID"]


def test_robust_scaling_is_by_the_real_images_and_cut_off():
    real = np.array([[0, 5, 1], [1, 5, 1], [2, 5, 1], [3, 5, 1], [4, 5, 9]], np.float32)
    ours, theirs = scaled(real, np.array([[2, 5, 1e6], [3, 6, 1]], np.float32), "robust")
    assert ours[:, 0].tolist() == [-1, -0.5, 0, 0.5, 1]
    assert theirs.tolist() == [[0, 0, 5], [0.5, 1, 0]]
    assert scaled(real, real, "none")[0] is real


def test_the_same_again_is_the_same_to_the_last_digit(own_cache):
    def document(**more):
        found = judge(images(60), images(50, 9, seed=2), normalize="both", **more)
        return json.dumps(found.document())

    first = document()
    assert document() == first  # from the cache
    for path in own_cache.rglob("*.npy"):
        path.unlink()
    assert document() == first
    assert document(seed=1) != first


def test_notes_on_files_are_the_same_when_features_come_from_the_cache(tmp_path):
    folder = tmp_path / "real"
    folder.mkdir()
    for n in range(30):
        Image.new("L", (5, 5 + n // 20), 8 * n).save(folder / f"{n}.png")
    (folder / "note.txt").write_text("hello")
    first, second = (judge(folder, images(30), metrics=["KID"]) for _ in range(2))
    assert first.notes == second.notes
    assert "several sizes" in first.notes[0] or "several sizes" in first.notes[1]


def test_an_evaluation_says_what_was_judged_and_can_be_read_again(install, tmp_path):
    install(code=toys.code("drawing"))
    found = judge(images(30), "model:toy-noise", metrics=["KID"], seed=4)
    about = found.sets["synthetic"]
    assert (about["model"], about["version"], about["seed"]) == ("toy-noise", "1.0.0", 4)
    assert about["num_images"] == 30  # as many as real ones
    assert found.settings["metrics"] == ["KID"]
    assert found.extractors["means"]["version"] == "1"
    assert found.versions["numpy"] == np.__version__
    found.save(tmp_path)
    assert Evaluation.load(tmp_path).document() == found.document()


def test_a_model_and_its_data_set_give_the_same_figures(install, tmp_path):
    install(code=toys.code("drawing"))
    Hub().save("toy-noise", 20, tmp_path / "out", seed=4, format="npz")
    real = images(30)
    sets = (tmp_path / "out", "model:toy-noise")
    one, other = (
        judge(real, each, metrics=["KID"], seed=4, **more)
        for each, more in zip(sets, ({}, {"num_samples": 20}), strict=True)
    )
    assert one.figures == other.figures


def test_images_that_come_twice_are_told():
    real = images(30)
    real._items[3] = real._items[2]
    found = judge(real, images(30, seed=2), metrics=["KID"])
    assert "arrays holds 1 image more than once" in found.notes


def test_constant_images_have_figures():
    real, synthetic = numbered(30), numbered(30, first=50)
    real = ArraySet({name: image * 0 for name, image in real._images.items()})
    real._items = [each.__class__(each.name, str(n)) for n, each in enumerate(real.items)]
    found = by_name(judge(real, synthetic))
    assert all(np.isfinite(figure.value) for figure in found.values())
    assert found["coverage"].value == 0
    assert found["KID"].value > 0


def test_as_many_of_each_are_taken_by_medigans_protocol():
    class Colours(Means):
        size, channels = (8, 8), 3

    found = judge(
        images(30),
        images(20, seed=2),
        extractors=[Colours()],
        metrics=["KID"],
        protocol="medigan",
        normalize="both",
    )
    assert {(each.num_real, each.num_synthetic) for each in found.figures} == {(20, 20)}
    assert found.sets["real"]["num_images"] == 20
    assert found.settings["protocol"] == "medigan"


def test_too_few_images_for_a_metric_are_refused_where_it_is_asked_for_or_left_out():
    with pytest.raises(RequestError, match="coverage needs at least 6 images in each set, and the"):
        judge(images(20), images(3, seed=2), metrics=["KID", "coverage"])
    with pytest.raises(RequestError, match=r"KID needs at least 2 images .* there is 1 synthetic"):
        judge(images(20), images(1, seed=2), metrics=["KID"])
    found = judge(images(20), images(3, seed=2), metrics=[])
    assert "coverage" not in by_name(found)
    assert "coverage is left out: it needs 6 images in each set" in found.notes
    with pytest.raises(RequestError, match="needs at least 2 images in each set"):
        judge(images(1), images(1, seed=2), metrics=[])


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"metrics": ["KDI"]}, "there is no metric 'KDI'; did you mean KID"),
        ({"extractors": ["textures"]}, "no extractor 'textures'; did you mean texture"),
        ({"extractors": ["nothing.onnx"]}, r"nothing\.onnx"),
        ({"extractors": ["texture"], "weights": {"texture": "f"}}, "texture takes no weights; lea"),
        ({"weights": {"inception": "f"}}, "weights for inception, and it is not asked for; add"),
        ({"normalize": "yes"}, "normalize is 'yes'; use none, minmax, both"),
        ({"protocol": "paper"}, "there is no protocol 'paper'; use hub, medigan"),
        ({"protocol": "medigan"}, "for networks that take colour images of one size"),
        ({"seed": -1}, "the seed is -1; it must be a whole number"),
        ({"num_samples": 3}, "num_samples is about samples that are made, and no model is to"),
        ({"conditions": {"age": 4}}, "conditions is about samples that are made"),
        ({"device": "cuda"}, "device is about samples that are made"),
        ({"latents": np.zeros((3, 2))}, "latents is about samples that are made"),
        ({"bits": 77}, "bits is 77"),
    ],
)
def test_what_can_not_be_is_refused_before_an_image_is_read(more, words):
    real, synthetic = images(20), images(20, seed=2)
    with pytest.raises(HubError, match=words):
        judge(real, synthetic, **more)
    assert real.opened == synthetic.opened == 0


def test_a_model_that_is_not_there_is_told_before_a_folder_is_looked_at(install):
    install()
    with pytest.raises(HubError, match="toy-noise"):
        judge("no such folder", "model:toy-nose")


def test_a_package_that_is_missing_is_told_before_an_image_is_read(monkeypatch):
    real = images(20)
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(MissingDependencyError, match=r"scipy.* 'medigan-hub\[evaluation\]'"):
        judge(real, images(20, seed=2))
    monkeypatch.undo()
    known = importlib.util.find_spec
    monkeypatch.setattr(
        "medigan_hub.evaluation.extractors.networks.find_spec",
        lambda name: None if name == "torch" else known(name),
    )
    with pytest.raises(MissingDependencyError, match="extractor inception needs torch, which is"):
        judge(real, images(20, seed=2), extractors=["inception"])
    assert real.opened == 0


def grey_16(folder, level):
    folder.mkdir()
    for n in range(8):
        Image.fromarray(np.full((5, 5), level + n, np.uint16)).save(folder / f"{n}.png")
    return folder


def test_a_wish_that_no_image_of_either_set_obeys_is_refused(tmp_path):
    real, other = grey_16(tmp_path / "real", 900), tmp_path / "other"
    other.mkdir()
    for n in range(8):
        Image.new("L", (5, 5), 8 * n).save(other / f"{n}.png")
    assert judge(real, other, metrics=["KID"], bits=12)  # which the real ones obey
    for _ in range(2):  # the second time, features come from the cache
        with pytest.raises(RequestError, match="bits=12 says nothing of these images; leave it"):
            judge(other, numbered(20), metrics=["KID"], bits=12)
    with pytest.raises(RequestError, match="window=40,400 says nothing of these images"):
        judge(other, numbered(20), metrics=["KID"], window="40,400")
