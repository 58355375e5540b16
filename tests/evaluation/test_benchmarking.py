"""Measuring several models: what is checked before, what is kept, what goes on."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from medigan_hub import Hub, HubError, HubWarning, MetadataError, OutputError, RequestError
from medigan_hub.evaluation import benchmarking
from medigan_hub.evaluation.benchmark import Benchmark
from support import toys
from support.extractors import Means
from support.image_sets import ArraySet

AGE = {
    "name": "age",
    "description": "Age.",
    "type": "integer",
    "minimum": 1,
    "maximum": 90,
    "default": 40,
}


def images(title, number=40, shift=0, seed=1, size=(8, 6), **more):
    """Return images of noise about a level that differs, and is lighter by ``shift``."""
    rng = np.random.default_rng(seed)
    levels = rng.integers(40, 120, (number, 1, 1, 1)) + shift
    made = (levels + rng.integers(0, 40, (number, *size, 1))).astype(np.uint8)
    return ArraySet({f"{seed}-{n}.png": made[n] for n in range(number)}, title=title, **more)


def folder(path, number=30, seed=1, size=(8, 6)):
    path.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for n in range(number):
        pixels = rng.integers(0, 256, size, np.uint8)
        Image.fromarray(pixels).save(path / f"{seed}-{n}.png")
    return path


def bench(real, models, **more):
    return Hub().benchmark(
        real, models, **{"extractors": [Means()], "metrics": ["KID", "density"]} | more
    )


@pytest.fixture
def models(install, document):
    """Install two models that draw, and one that broke; return a function for further ones."""

    def make(name, code="drawing", **change):
        changed = document | {"name": name, "plugin": f"medigan-model-{name}"} | change
        install(name, document=changed, code=toys.code(code) if code in CODES else code)

    make("toy-a")
    make("toy-b")
    return make


CODES = ("drawing", "reshape", "doubler")
BROKEN = """
from medigan_hub.plugin import NetworkRuntime, NoiseToImage


class Broken(NetworkRuntime):
    def open(self, files, device, precision):
        raise OSError("no memory")


plugin = NoiseToImage(__file__, numpy=Broken())
"""


def test_models_are_measured_against_the_same_images_and_ranked():
    real = images("real", 60)
    sets = [
        images("near", 40, 3, seed=2),
        images("far", 40, 60, seed=3),
        images("as far", 40, 60, 5),
    ]
    found = bench(real, sets)
    assert list(found.evaluations) == ["near", "far", "as far"]
    places = {each.model: (each.rank_low, each.rank_high) for each in found.ranks[:3]}
    assert places == {"near": (1, 1), "far": (2, 3), "as far": (2, 3)}
    assert {each.sets["real"]["groups"] for each in found.evaluations.values()} != {None}
    assert len({each.sets["real"]["groups"] for each in found.evaluations.values()}) == 1
    assert found.is_complete
    alone = Hub().evaluate(real, sets[0], extractors=[Means()], metrics=["KID", "density"])
    assert alone.figures == found.evaluations["near"].figures


def test_names_ids_and_folders_take_part_with_as_many_images(models, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder(tmp_path / "toy-a", 9, seed=5)
    folder(tmp_path / "real", 24)
    found = bench("real", ["toy-a", "model:toy-b", "./toy-a"], metrics=["KID"])
    assert list(found.evaluations) == ["toy-a", "toy-b", "./toy-a"]
    counts = {each.sets["synthetic"]["num_images"] for each in found.evaluations.values()}
    assert counts == {9}
    assert found.evaluations["./toy-a"].model is None
    fewer = bench("real", ["toy-a", "./toy-a"], metrics=["KID"], num_samples=6)
    assert {f.num_synthetic for each in fewer.evaluations.values() for f in each.figures} == {6}
    assert "./toy-a: 6 of its 9 images, drawn by the seed" in fewer.evaluations["./toy-a"].notes


def test_the_seed_is_that_of_samples_groups_and_splits(models):
    first, again, other = (
        bench(images("real"), ["toy-a", "toy-b"], seed=seed, num_samples=20) for seed in (3, 3, 4)
    )
    assert first.document() == again.document()
    assert first.ranks != other.ranks
    assert other.evaluations["toy-a"].sets["synthetic"]["seed"] == 4


@pytest.mark.parametrize(
    ("given", "more", "words"),
    [
        (["toy-a"], {}, "a benchmark takes two models or more"),
        ("toy-a", {}, "a benchmark takes two models or more"),
        (["toy-a", "toy-a"], {}, "toy-a is given twice; give it once"),
        (["toy-a", "model:toy-a"], {}, "toy-a is given twice (as toy-a and model:toy-a)"),
        (["toy-id", "98765"], {}, "toy-id is given twice (as toy-id and 98765); give it once"),
        (["./made", "made/../made"], {}, "is given twice (as ./made and made/../made)"),
        (["toy-a", "toy-bb"], {}, "no model 'toy-bb'; close to it: toy-b"),
        (["toy-a", "singan-polyp-masks"], {}, "singan-polyp-masks is not installed: medigan inst"),
        (["toy-a", "./gone"], {}, "gone does not exist"),
        (["toy-a", "./empty"], {}, "empty"),
        (["toy-a", "toy-needs"], {}, "toy-needs needs input images"),
        (["toy-a", "./made"], {"num_samples": 31}, "./made holds 30 images, and 31 of each"),
        (["toy-a", "toy-b"], {"conditions": {"age": 4}}, "conditions age is for none of these mod"),
        (["toy-a", "toy-old"], {"conditions": {"agee": 4}}, "none of these models; they have age"),
        (["toy-a", "toy-old"], {"conditions": {"age": 99}}, "age"),
        (["toy-a", "toy-b"], {"inputs": "made"}, "inputs is for none of these models; leave it"),
        (["toy-a", "toy-b"], {"balance": True}, "balance is for none of these models"),
        (["toy-a", "toy-b"], {"options": {"x": 1}}, "options x is for none of these models"),
        (["toy-a", "toy-b"], {"latents": np.zeros((9, 48))}, "latents is about one model, and"),
        (["toy-a", "toy-b"], {"indices": "3:9"}, "indices is about one model, and several"),
        (["./made", "./more"], {"device": "cpu"}, "device is about samples that are made, and no"),
        (["toy-a", "toy-b"], {"device": "gpu"}, "there is no device 'gpu'"),
        (["toy-a", "toy-b"], {"runtime": "torch"}, "torch"),
        (["toy-a", "toy-b"], {"metrics": ["KDI"]}, "there is no metric 'KDI'; did you mean KID"),
        (["toy-a", "toy-b"], {"extractors": ["textur"]}, "no extractor 'textur'"),
        (["toy-a", "toy-b"], {"normalize": "x"}, "normalize is 'x'"),
        (["toy-a", "toy-b"], {"seed": -1}, "the seed is -1"),
        (["toy-a", "toy-b"], {"num_samples": 0}, "the number of samples is 0"),
        (
            ["toy-a", "toy-b"],
            {"num_samples": 4, "metrics": ["coverage"]},
            "coverage needs at least",
        ),
        (["toy-a", "toy-b"], {"patients": "who"}, "patients 'who' is no column"),
        (["toy-a", "toy-b"], {"output": "file"}, "file can't be written into; name another folder"),
        (["toy-a", "./copy"], {}, "copy hold the same images; name two different sets"),
        (["./made", "./same"], {}, "./made and ./same are the same images; leave one out"),
    ],
)
def test_what_can_not_be_is_told_of_every_model_before_one_runs(
    models, document, tmp_path, monkeypatch, given, more, words
):
    monkeypatch.chdir(tmp_path)
    models("toy-id", medigan_id="98765_TOY")
    models("toy-old", conditions=[AGE])
    models("toy-needs", inputs=[toys.SCAN | {"required": True}])
    for seed, name in ((2, "made"), (2, "same"), (3, "more"), (1, "copy"), (1, "real")):
        folder(tmp_path / name, seed=seed)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    means = Means()
    with pytest.raises(HubError) as error:
        bench("real", given, **{"extractors": [means]} | more)
    assert words in str(error.value)
    assert means.described == []


@pytest.mark.parametrize(
    ("real", "words"),
    [
        ("gone", "gone does not exist"),
        ("empty", "empty"),
        ("model:toy-a", "model:toy-a makes no real images; name a folder or a data set"),
    ],
)
def test_without_real_images_nothing_is_measured(models, tmp_path, monkeypatch, real, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(HubError) as error:
        bench(real, ["toy-a", "toy-b"])
    assert words in str(error.value)


def test_the_data_set_of_a_model_with_the_same_seed_is_no_other_model(models, tmp_path):
    Hub().save("toy-a", 20, tmp_path / "out", seed=4, format="npz")
    given = ["toy-a", tmp_path / "out"]
    with pytest.raises(RequestError, match=r"toy-a and .*out are the same images; leave one out"):
        bench(images("real"), given, num_samples=20, seed=4)
    assert bench(images("real"), given, num_samples=20, seed=5).is_complete


def test_wishes_go_to_the_models_that_take_them_and_a_note_says_to_whom(models, tmp_path):
    models("toy-old", conditions=[AGE])
    models("toy-scan", inputs=[toys.SCAN])
    scans = folder(tmp_path / "scans", 12, seed=7)
    found = bench(
        images("real", 20),
        ["toy-a", "toy-old", "toy-scan"],
        conditions={"age": 7},
        inputs=scans,
    )
    assert found.notes == ("conditions age: for toy-old alone", "inputs: for toy-scan alone")
    counts = {each.sets["synthetic"]["num_images"] for each in found.evaluations.values()}
    assert counts == {12}  # as many as there are inputs
    alone = bench(images("real", 20), ["toy-a", "toy-old"], num_samples=12)
    key = lambda found: found.evaluations["toy-old"].sets["synthetic"]["key"]  # noqa: E731
    assert key(alone) != key(found)


def test_too_few_images_for_a_usual_metric_are_told(models):
    found = bench(images("real", 12), ["toy-a", "toy-b"], metrics=[])
    assert "Vendi is left out: it needs 50 images in each set" in found.notes


def test_other_sizes_and_channels_are_told(models, tmp_path, document):
    output = document["outputs"][0] | {"shape": [16, 12, 3], "channels": ["red", "green", "blue"]}
    models("toy-colour", outputs=[output])
    real = folder(tmp_path / "real", 20)
    wide = folder(tmp_path / "wide", 20, seed=9, size=(8, 12))
    for _ in range(2):  # the second time, features come from the cache
        found = bench(real, ["toy-a", "toy-colour", wide])
        told = {name: each.notes for name, each in found.evaluations.items()}
        assert not any("pixels" in note for note in told["toy-a"])
        (colour,) = (note for note in told["toy-colour"] if "pixels" in note)
        assert "toy-colour have 12 x 16 pixels and 3 channels, and real ones 6 x 8 " in colour
        (note,) = (note for note in told[str(wide)] if "pixels" in note)
        assert "have 12 x 8 pixels and 1 channel, and real ones 6 x 8 pixels and 1 channel" in note


def test_a_model_that_fails_is_named_and_the_others_are_finished(models, tmp_path):
    models("toy-broken", BROKEN)
    given = ["toy-a", "toy-broken", "toy-b"]
    with pytest.warns(HubWarning, match="toy-broken was not measured: .*no memory"):
        found = bench(images("real"), given, output=tmp_path / "out")
    assert list(found.evaluations) == ["toy-a", "toy-b"]
    assert not found.is_complete
    assert "no memory" in found.missing["toy-broken"]
    saved = Benchmark.load(tmp_path / "out")
    assert saved.document() == found.document()
    assert {each.model for each in saved.ranks} == {"toy-a", "toy-b"}


def test_where_all_fail_it_is_told_and_nothing_is_ranked(models, tmp_path):
    for name in ("toy-x", "toy-y"):
        models(name, BROKEN)
    with pytest.warns(HubWarning, match="toy-. was not measured"):
        found = bench(images("real"), ["toy-x", "toy-y"], output=tmp_path / "out")
    assert (dict(found.evaluations), found.ranks) == ({}, [])
    assert list(Benchmark.load(tmp_path / "out").missing) == ["toy-x", "toy-y"]


def test_real_images_that_can_not_be_read_are_no_models_fault(models, tmp_path):
    real = folder(tmp_path / "real", 20)
    (real / "1-3.png").write_bytes((real / "1-3.png").read_bytes()[:60])
    with pytest.raises(HubError, match=r"1-3\.png"):
        bench(real, ["toy-a", "toy-b"], output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def run_interrupted(real, given, place, **more):
    """Run until the first model is finished and the second half made, and press Ctrl-C."""

    def stop(done, total):
        if done > total * 0.8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench(real, given, output=place, progress=stop, **more)


def test_what_was_interrupted_goes_on_and_ends_as_if_it_was_not(models, tmp_path, contents):
    real, given = folder(tmp_path / "real", 40), ["toy-a", "toy-b"]
    place = tmp_path / "out"
    run_interrupted(real, given, place, normalize="both")
    first = Benchmark.load(place)
    assert list(first.evaluations) == ["toy-a"]
    assert dict(first.missing) == {"toy-b": "not measured yet"}
    assert first.document()["complete"] is False

    means = Means()
    went_on = bench(real, given, output=place, normalize="both", extractors=[means])
    assert went_on.is_complete
    at_once = bench(real, given, output=tmp_path / "other", normalize="both")
    assert contents(place) == contents(tmp_path / "other")
    assert at_once.document() == went_on.document()
    again = bench(real, given, output=place, normalize="both")
    assert again.document() == at_once.document()
    assert contents(place) == contents(tmp_path / "other")


def test_what_is_finished_is_not_measured_again(models, tmp_path, monkeypatch):
    real, place = folder(tmp_path / "real", 40), tmp_path / "out"
    run_interrupted(real, ["toy-a", "toy-b"], place)
    measured = []
    measure = benchmarking.judging.measure
    monkeypatch.setattr(
        benchmarking.judging,
        "measure",
        lambda *sets, **how: measured.append(sets[1].title) or measure(*sets, **how),
    )
    bench(real, ["toy-a", "toy-b"], output=place)
    assert measured == ["model:toy-b"]
    bench(real, ["toy-a", "toy-b", folder(tmp_path / "more", 40, seed=9)], output=place)
    assert measured == ["model:toy-b", str(tmp_path / "more")]  # another model joins


def test_a_model_that_failed_is_tried_again(models, tmp_path):
    models("toy-broken", BROKEN)
    real, given, place = folder(tmp_path / "real", 20), ["toy-a", "toy-broken"], tmp_path / "out"
    for _ in range(2):
        with pytest.warns(HubWarning, match="toy-broken was not measured"):
            bench(real, given, output=place)


def test_progress_rises_to_its_end(models):
    told = []
    bench(images("real"), ["toy-a", "toy-b"], progress=lambda *each: told.append(each))
    done = [each for each, _ in told]
    assert done == sorted(done)
    assert {total for _, total in told} == {120}
    assert done[-1] == 120


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"seed": 1}, "was made with other seed (0 there, 1 now); name another folder with output"),
        ({"metrics": ["KID"]}, "other metrics (['KID', 'density'] there, ['KID'] now)"),
        ({"extractors": ["texture"]}, "other extractors (['means'] there, ['texture'] now)"),
        ({"normalize": "both"}, "other normalize (none there, both now)"),
        ({"num_samples": 17}, "other num_samples (20 there, 17 now)"),
        ({"patients": "([0-9]+)"}, "other patients (None there, ([0-9]+) now)"),
    ],
)
def test_a_file_of_other_settings_is_refused(models, tmp_path, contents, more, words):
    real, place = folder(tmp_path / "real", 20), tmp_path / "out"
    bench(real, ["toy-a", "toy-b"], output=place)
    before = contents(place)
    with pytest.raises(RequestError) as error:
        bench(real, ["toy-a", "toy-b"], output=place, **more)
    assert words in str(error.value)
    assert contents(place) == before


def test_a_file_of_other_images_models_or_versions_is_refused(
    models, tmp_path, monkeypatch, document
):
    real, place = folder(tmp_path / "real", 20), tmp_path / "out"
    made = folder(tmp_path / "made", 20, seed=5)
    bench(real, ["toy-a", made], output=place)

    def refused(words, real=real, given=("toy-a", made), **more):
        with pytest.raises(RequestError) as error:
            bench(real, given, output=place, **more)
        assert words in str(error.value)
        assert "name another folder" in str(error.value) or "or another folder" in str(error.value)

    refused("was made with other real images;", real=folder(tmp_path / "real 2", 20, seed=8))
    refused("holds figures of toy-a, which is not asked for now", given=("toy-b", made))
    Image.fromarray(np.zeros((8, 6), np.uint8)).save(made / "5-3.png")
    refused(f"other images of {made};")
    monkeypatch.setattr(benchmarking.asking, "versions", lambda: {"medigan-hub": "0", "numpy": "1"})
    refused("other version of")


def test_another_version_of_a_model_is_refused(models, tmp_path):
    real, place = folder(tmp_path / "real", 20), tmp_path / "out"
    bench(real, ["toy-a", "toy-b"], output=place)
    path = next(tmp_path.glob("site/medigan_model_toy_a/metadata.json"))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": "1.1.0"}))
    with pytest.raises(RequestError, match=r"other version of toy-a \(1.0.0 there, 1.1.0 now\)"):
        bench(real, ["toy-a", "toy-b"], output=place)


@pytest.mark.parametrize("content", [b"", b"{", b'{"figures": []}', b"\xff\x00"])
def test_a_damaged_file_is_refused_and_stays(models, tmp_path, content):
    place = tmp_path / "out"
    place.mkdir()
    (place / "benchmark.json").write_bytes(content)
    with pytest.raises(MetadataError, match="remove it, or name another folder"):
        bench(images("real"), ["toy-a", "toy-b"], output=place)
    assert (place / "benchmark.json").read_bytes() == content


def test_a_folder_in_the_place_of_a_file_is_told_before_the_work(models, tmp_path):
    (tmp_path / "out" / "benchmark.svg").mkdir(parents=True)
    means = Means()
    with pytest.raises(OutputError, match=r"benchmark\.svg is a folder in the place of a file"):
        bench(images("real"), ["toy-a", "toy-b"], output=tmp_path / "out", extractors=[means])
    assert means.described == []
