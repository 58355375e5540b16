"""From images to findings: what is found, what is said, and what is refused."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

from medigan_hub import Hub, HubError, RequestError
from medigan_hub.evaluation.privacy import results
from support.extractors import Means
from support.fields import fields, images, moved

pytest.importorskip("scipy")


def look(train, heldout, synthetic, **more):
    given = {"extractors": ["texture"]} | more
    return Hub().privacy(train, heldout, synthetic, **given)


def by_space(found):
    return {each.name: each for each in found.spaces}


@pytest.fixture(scope="module")
def pictures():
    return fields(100, 1), fields(100, 2), fields(100, 3)


@pytest.fixture(scope="module")
def plain(pictures, tmp_path_factory):
    """What is found where nothing is copied."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDIGAN_CACHE", str(tmp_path_factory.mktemp("cache")))
        return look(*map(images, pictures, ("train", "heldout", "synthetic")))


def copied(training, synthetic, count, how=lambda image, n: image):
    """Return synthetic images of which some are copies."""
    found = synthetic.copy()
    for n in range(count):
        found[n] = how(training[5 * n], n)
    return found


def test_nothing_is_found_where_nothing_is_copied(plain):
    found = plain
    assert (found.found, list(found.duplicates), list(found.near_duplicates)) == ("none", [], [])
    assert [each.name for each in found.spaces] == ["pixels", "texture"]
    for each in found.spaces:
        assert each.share.number == 100
        assert each.expected == 1 / 101
        assert each.membership.low < 0.5 < each.membership.high
        assert each.data_copying.low < each.data_copying.value < each.data_copying.high
    document = found.document()
    assert (document["num_train"], document["num_heldout"]) == (100, 100)
    assert document["share_flagged"] == max(each.share.value for each in found.spaces)
    assert document["low"] <= document["share_flagged"] <= document["high"]


def test_other_seeds_find_nothing_either():
    for seed in range(10, 28, 3):
        sets = [images(fields(50, seed + n), f"set-{n}") for n in range(3)]
        found = look(*sets, extractors=[Means()], seed=seed)
        assert found.found == "none"


def test_copies_that_are_mirrored_moved_and_noised_are_found_by_pixels(pictures):
    training, heldout, synthetic = pictures
    synthetic = copied(training, synthetic, 12, moved)
    found = look(*map(images, (training, heldout, synthetic), ("train", "heldout", "synthetic")))
    assert (found.found, list(found.duplicates), found.leading.name) == ("copies", [], "pixels")
    assert by_space(found)["pixels"].is_found
    nearest = {pair.synthetic: pair for pair in found.pairs if pair.space == "pixels"}
    assert len(nearest) == 10
    for place, pair in nearest.items():
        assert place < 12
        assert pair.training == 5 * place
        assert (pair.flagged, pair.counted, pair.duplicate) == (True, True, False)
        assert pair.correlation > 0.97


def test_one_equal_image_is_a_finding_and_one_that_was_compressed(pictures):
    training, heldout, synthetic = pictures
    found = look(*map(images, (training, heldout, copied(training, synthetic, 1)), "abc"))
    assert (found.found, len(found.duplicates)) == ("copies", 1)
    assert found.near_duplicates == []

    def compressed(image, _):
        stream = io.BytesIO()
        Image.fromarray(image[..., 0]).save(stream, "JPEG", quality=98)
        return np.asarray(Image.open(stream))[..., np.newaxis]

    synthetic = copied(training, synthetic, 1, compressed)
    found = look(*map(images, (training, heldout, synthetic), "abc"))
    assert (found.found, list(found.duplicates), found.near_duplicates) == ("copies", [], [0])
    assert "0 are one of 100 training images" in found.verdict
    assert "and 1 all but that" in found.verdict


def test_a_generator_that_copies_is_seen_by_each_method(pictures):
    training, heldout, _ = pictures
    noise = np.random.default_rng(0).integers(-1, 2, training.shape)
    made = np.clip(training + noise, 0, 255).astype(np.uint8)
    found = look(*map(images, (training, heldout, made), ("train", "heldout", "synthetic")))
    assert found.found == "copies"
    for each in found.spaces:
        authentic = each.authenticity
        assert each.is_found
        assert each.share.interval()[0] > 5 * each.expected
        assert each.data_copying.value < 2 * each.data_copying.low
        assert authentic.synthetic.interval()[1] < authentic.heldout.interval()[0]
        assert each.membership.low > 0.6
        assert each.membership.rate.value > 0.3
    assert "tells training images from held-out ones: AUC" in found.verdict


def test_blurred_images_are_near_to_all_and_no_copies():
    """Each the mean of others of its kind, which nobody trained on: much like an average."""
    training, heldout, other = fields(120, 4), fields(120, 5), fields(120, 6)
    small = [Image.fromarray(each[..., 0]).resize((4, 4)) for each in other]
    blurred = np.array([np.asarray(each.resize((32, 32))) for each in small])[..., np.newaxis]
    found = look(*map(images, (training, heldout, blurred), "abc"), extractors=[Means()])
    assert found.found == "none"
    assert by_space(found)["pixels"].share.interval()[0] > 2 / 121
    assert "as near to held-out ones, as blurred and average images are" in found.verdict


def test_the_verdict_promises_nothing(plain, pictures):
    training, heldout, synthetic = pictures
    made = copied(training, synthetic, 20)
    sets = map(images, (training, heldout, made), ("train", "heldout", "synthetic"))
    for found in (plain, look(*sets, extractors=[Means()])):
        words = found.verdict.casefold()
        assert not any(word in words for word in ("private", "safe", "anonym", "protect"))
        assert "no copies" not in words or "does not mean that none can be got" in words


def test_the_same_again_is_the_same_to_the_last_digit(pictures, own_cache):
    def document():
        sets = map(images, pictures, ("train", "heldout", "synthetic"))
        return json.dumps(look(*sets, normalize="both", extractors=[Means()]).document())

    first = document()
    assert document() == first  # from the cache
    for path in own_cache.rglob("*.npy"):
        path.unlink()
    assert document() == first
    names = [each["space"] for each in json.loads(first)["spaces"]]
    assert names == ["pixels", "means", "means, min-max"]


def test_images_of_a_patient_count_once(pictures):
    """Ten held-out images of each patient, all alike: as near as ten images are, by chance."""
    training, heldout, synthetic = pictures
    patients = {f"heldout-{n}.png": f"p{n // 5}" for n in range(100)}
    found = look(
        images(training, "train"),
        images(heldout, "heldout", groups=patients),
        images(synthetic, "synthetic"),
        extractors=[Means()],
    )
    for each in found.spaces:
        assert each.expected == 1 / 21
    assert any("100 held-out images are of 20 patients, files or series" in n for n in found.notes)
    assert any("with 20 held-out images that are independent, close" in n for n in found.notes)
    assert found.document()["membership"]["tpr_at_1"] is None


def test_the_document_holds_no_names_of_images(pictures):
    training, heldout, synthetic = pictures
    found = look(
        images(training, "train"),
        images(heldout, "held"),
        images(copied(training, synthetic, 3), "s"),
    )
    text = json.dumps(found.document())
    assert ".png" not in text
    assert len(found.document()["spaces"][0]["quantiles"]["heldout"]) == 100


def test_it_is_written_and_read_again(plain, tmp_path):
    found = plain
    assert found.save(tmp_path) == tmp_path / "privacy.json"
    assert results.FORM.load(tmp_path) == found.document()


def test_one_synthetic_image_and_one_training_image_are_enough():
    training, heldout = fields(60, 7), fields(30, 8)
    found = look(*map(images, (training, heldout, fields(1, 9)), "abc"))
    assert found.found == "none"
    assert (found.detectable, found.spaces[0].share.number) == (None, 1)
    assert found.spaces[0].data_copying is None
    assert "too few images to find copies" in found.verdict
    found = look(*map(images, (training[:1], heldout, np.array([training[0]] * 3)), "abc"))
    assert (found.found, len(found.duplicates)) == ("copies", 3)
    assert found.spaces[0].authenticity is None
    assert "can't be said with an interval" in found.verdict
    found.document()


def test_images_without_contrast_are_no_copies_and_are_named():
    training, heldout, synthetic = fields(40, 7), fields(40, 8), fields(40, 9)
    training[3] = synthetic[5] = 0
    synthetic[6] = 9
    found = look(*map(images, (training, heldout, synthetic), ("t", "h", "s")))
    assert (found.found, list(found.duplicates)) == ("none", [])
    assert any("2 of 40 images of s have no contrast" in note for note in found.notes)


def test_sizes_and_colours_may_differ():
    training, heldout = fields(40, 7, 48), fields(40, 8, 20).repeat(3, axis=-1)
    synthetic = list(fields(20, 9, 32)) + list(fields(20, 10, 64))
    synthetic[0] = training[7]
    found = look(images(training, "t"), images(heldout, "h"), images(synthetic, "s"))
    assert [(each.place, each.of) for each in found.duplicates] == [(0, 7)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"heldout": 15}, "held holds 15 held-out images, and 20 are needed to tell"),
        ({"heldout": 1}, "held holds 1 held-out image, and 20"),
        ({"synthetic": "held"}, "held and held hold the same images"),
        ({"train": "held"}, "held and held hold the same images"),
        ({"normalize": "max"}, "normalize is 'max'; use none, minmax, both"),
        ({"extractors": ["textur"]}, "did you mean texture"),
        ({"extractors": ["patches"]}, "the features of patches are for SWD alone; use texture"),
        ({"num_samples": 9}, "num_samples is about samples that are made"),
        ({"seed": -1}, "the seed is -1"),
        ({"patients": "(P[0-9])"}, "does not fit the name"),
    ],
)
def test_what_can_not_be_looked_at_is_refused_in_one_line(change, words):
    sets = {"train": fields(30, 1), "heldout": fields(30, 2), "synthetic": fields(30, 3)}
    titles = {"train": "train", "heldout": "held", "synthetic": "made"}
    if isinstance(change.get("heldout"), int):
        sets["heldout"] = sets["heldout"][: change.pop("heldout")]
    for name in set(change) & set(sets):
        sets[name], titles[name] = sets["heldout"], change.pop(name)
    given = [images(sets[name], titles[name]) for name in sets]
    with pytest.raises(RequestError) as error:
        look(*given, **change)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert not any(each.read for each in given)


def test_a_held_out_image_that_is_a_training_image_is_refused():
    training, heldout = fields(30, 1), fields(30, 2)
    heldout[4] = training[9][:, ::-1]
    with pytest.raises(RequestError, match=r"h-4.png of h shows the same as t-9.png of t, m"):
        look(images(training, "t"), images(heldout, "h"), images(fields(5, 3), "s"))
    synthetic = fields(5, 3)
    synthetic[1] = fields(30, 2)[6]
    with pytest.raises(RequestError, match=r"s-1.png of s shows the same as h-6.png of h; held"):
        look(images(training, "t"), images(fields(30, 2), "h"), images(synthetic, "s"))
    facts = {f"{name}-3.png": {"patient": "Jane Doe"} for name in "th"}
    sets = [
        images(each, name, facts=facts) for each, name in ((training, "t"), (fields(30, 2), "h"))
    ]
    with pytest.raises(
        RequestError, match=r"h-3.png of h and t-3.png of t are of one patient"
    ) as e:
        look(*sets, images(fields(5, 3), "s"))
    assert "Jane" not in str(e.value)


def test_held_out_images_of_one_patient_are_refused():
    groups = {f"h-{n}.png": "p" for n in range(30)}
    with pytest.raises(RequestError, match="are all of one patient, file or series"):
        look(
            images(fields(30, 1), "t"),
            images(fields(30, 2), "h", groups=groups),
            images(fields(9, 3), "s"),
        )


def test_values_that_are_no_numbers_are_named():
    broken = fields(30, 2).astype(np.float32) / 255
    broken[3, 2, 2] = np.nan
    with pytest.raises(HubError, match=r"h-3.png: an image has values from nan"):
        look(images(fields(30, 1), "t"), images(broken, "h"), images(fields(5, 3), "s"))


def test_models_make_samples_and_no_training_images(install):
    install()
    real = [images(fields(30, n, 8), f"real-{n}") for n in (1, 2)]
    found = look(*real, "model:toy-noise", num_samples=40, extractors=[Means()])
    assert (found.model, len(found.sources["synthetic"])) == ("toy-noise", 40)
    with pytest.raises(RequestError, match="model:toy-noise makes synthetic images, and"):
        look(real[0], "model:toy-noise", real[1])
    with pytest.raises(HubError, match="toy-noise"):
        look(*real, "model:toy-nose")


def test_a_model_makes_500_samples_where_nobody_says_how_many(install):
    install()
    real = [images(fields(30, n, 8), f"real-{n}") for n in (1, 2)]
    found = look(*real, "model:toy-noise", extractors=[Means()])
    assert found.document()["num_synthetic"] == 500


def test_an_interrupted_run_goes_on(own_cache):
    sets = [images(fields(30, n), f"set-{n}") for n in (1, 2, 3)]
    wanted = look(*sets, extractors=[Means()]).document()
    for path in own_cache.rglob("*.npy"):
        path.unlink()

    def stop(done):
        if done >= 16:
            raise KeyboardInterrupt

    again = [images(fields(30, n), f"set-{n}") for n in (1, 2, 3)]
    with pytest.raises(KeyboardInterrupt):
        look(*again, extractors=[Means(before=stop)])
    assert list(own_cache.rglob("*.part"))
    assert look(*again, extractors=[Means()]).document() == wanted
