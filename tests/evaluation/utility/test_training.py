"""Networks as learners: of classes, of masks, and those of a caller."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from medigan_hub import Hub, PluginError, RequestError
from medigan_hub.evaluation.utility import measuring, training
from medigan_hub.evaluation.utility.arms import Job
from medigan_hub.evaluation.utility.networks import UNet, cnn
from medigan_hub.evaluation.utility.results import HARMS, NOTHING
from medigan_hub.evaluation.utility.varied import Copy, noised
from support import toys
from support.utility import arm, images, measured, mixture, outlined

FEW = {"learner": "cnn", "repeats": 3}


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Train for a moment."""
    monkeypatch.setattr(training, "FEWEST_STEPS", 24)
    monkeypatch.setattr(training, "EPOCHS", 2)
    monkeypatch.setattr(training, "BATCH", 8)


@pytest.fixture
def sets():
    return images("train", 24, 1), images("test", 60, 2), images("synthetic", 60, 3)


def test_a_network_learns_and_is_held_against_controls_of_equal_steps(sets):
    found = measured(*sets, ratios=(0.5, 2), **FEW)
    names = [(each.arm, each.ratio) for each in found.chosen()]
    assert names == [
        *(("real", 0.0), ("synthetic", None)),
        *(("real + synthetic", 0.5), ("real + synthetic", 2.0)),
        *(("real, equal steps", None), ("real, flips and noise", None)),
    ]
    most = mixture(found, 2).steps
    assert {arm(found, name, None).steps for name, _ in names[-2:]} == {most}
    assert arm(found, "real", 0.0).steps == 24
    assert mixture(found, 2).gain_over_controls is not None
    assert arm(found, "synthetic", None).value > 0.6


def test_noise_gains_nothing():
    noise = images("noise", 120, 3, shown=lambda n: 0)
    found = measured(images("train", 60, 1), images("test", 100, 2), noise, **FEW)
    assert mixture(found, 1).gain.low <= 0
    assert mixture(found, 1).verdict in (NOTHING, HARMS)


def test_the_same_run_gives_the_same_whatever_else_is_drawn_and_leaves_no_trace(
    sets, monkeypatch, tmp_path
):
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    first = measured(*sets, **FEW).document()
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    torch.manual_seed(77)
    monkeypatch.setenv("MEDIGAN_CACHE", str(tmp_path / "another"))
    monkeypatch.setattr(training.os, "cpu_count", lambda: 1)
    assert measured(*sets, **FEW).document() == first


def test_an_interrupted_run_goes_on(sets, monkeypatch, tmp_path):
    trained, lock = [], threading.Lock()
    outcome = training.Training.outcome

    def counted(self, job: Job):
        with lock:
            trained.append(job)
        return outcome(self, job)

    monkeypatch.setattr(training.Training, "outcome", counted)

    def stop(done, total):
        if done > total - 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measured(*sets, progress=stop, **FEW)
    before = len(trained)
    found = measured(*sets, **FEW).document()
    assert 0 < before < 12
    # Of so few images, those of equal steps are those without more.
    assert len(trained) == 12
    monkeypatch.setenv("MEDIGAN_CACHE", str(tmp_path / "another"))
    assert measured(*sets, **FEW).document() == found


class Own(nn.Module):
    """A network of a caller's, that draws in each step."""

    def __init__(self, channels, outputs):
        super().__init__()
        self.layers = nn.Sequential(
            nn.AvgPool2d(8), nn.Flatten(), nn.Dropout(0.2), nn.Linear(64 * channels, outputs)
        )

    def forward(self, x):
        return self.layers(x)


def test_a_network_of_a_caller_is_trained_and_not_kept(sets, own_cache):
    state = torch.get_rng_state()
    first = measured(*sets, learner=Own, repeats=3)
    assert torch.equal(torch.get_rng_state(), state)
    assert measured(*sets, learner=Own, repeats=3).document() == first.document()
    assert first.learner["name"] == "Own"
    assert any("nothing is kept" in note for note in first.notes)
    assert not list(own_cache.rglob("*.npy"))
    given = measured(*sets, learner=lambda channels, outputs: Own(channels, outputs), repeats=3)
    assert [each.value for each in given.arms] == [each.value for each in first.arms]


def broken(channels, outputs):
    raise ValueError("no such layer")


class Wild(Own):
    def forward(self, x):
        return super().forward(x) * float("inf")


@pytest.mark.parametrize(
    ("made", "error", "message"),
    [
        (lambda channels, outputs: Own(channels, outputs + 1), PluginError, r"\(2, 3\) for 2"),
        (lambda channels, outputs: Own(channels + 1, outputs), PluginError, "takes no images of"),
        (broken, PluginError, "broken, a network of the caller's can't be made, .* no such layer"),
        (Wild, RequestError, "says what is no number after"),
        (Own(1, 2), RequestError, "the learner is a Own; give what makes a network anew"),
    ],
)
def test_a_network_that_can_t_be_used_is_refused_in_words(sets, made, error, message):
    with pytest.raises(error, match=message) as caught:
        measured(*sets, learner=made, repeats=3)
    assert "\n" not in str(caught.value)


def test_the_networks_are_small_and_fit():
    for channels, outputs in ((1, 2), (3, 4)):
        pictures = torch.zeros(2, channels, 64, 64)
        assert cnn(channels, outputs)(pictures).shape == (2, outputs)
        assert UNet(channels, outputs)(pictures).shape == (2, outputs, 64, 64)
        for network in (cnn(channels, outputs), UNet(channels, outputs)):
            assert sum(each.numel() for each in network.parameters()) < 100_000


def test_copies_are_flipped_and_noised_and_come_again_from_any_place(sets):
    train = sets[0]
    first, again, other = Copy(train, 0, 0), Copy(train, 0, 0), Copy(train, 0, 1)
    assert first.key == again.key != other.key
    every = list(first.images())
    assert all(map(np.array_equal, every[5:], again.images(5)))
    assert not any(map(np.array_equal, every, other.images()))
    image = next(iter(train.images()))
    turns = [image[::i, ::j] / 255 for i in (1, -1) for j in (1, -1)]
    assert any(np.abs(turn - every[0]).max() < 0.06 for turn in turns)
    assert noised(np.full((4, 4, 1), 65535, np.uint16), np.random.default_rng(0)).max() == 1


# Masks


@pytest.fixture
def folders(tmp_path):
    for name, number, seed in (("train", 16, 1), ("test", 30, 2), ("synthetic", 40, 3)):
        outlined(tmp_path / name, number, seed)
    return tmp_path


def of_masks(folders, **asked):
    few = {"shares": (1,), "ratios": (1,), "repeats": 3}
    places = {name: folders / name / "masks" for name in ("train", "test", "synthetic")}
    sets = [folders / name / "images" for name in places]
    return measuring.measure(*sets, **few | {"masks": places} | asked)


def test_outlines_are_learned_from_files_that_are_named_alike(folders):
    found = of_masks(folders)
    assert {each.metric for each in found.arms} == {"Dice"}
    assert arm(found, "real", 0.0).value > 0.5
    assert found.label is None
    assert found.masks["test"] == str(folders / "test" / "masks")
    assert found.learner["name"] == "unet"
    assert found.document() == of_masks(folders).document()
    found.save(folders)


def test_masks_of_other_images_harm(folders):
    masks = sorted((folders / "synthetic" / "masks").iterdir())
    for path in masks:
        with Image.open(path) as picture:
            wrong = picture.point(lambda value: 255 - value)
        wrong.save(path)
    found = of_masks(folders, ratios=(2,))
    assert mixture(found, 2).gain.value < 0


def test_a_network_of_a_caller_learns_masks(folders):
    def made(channels, outputs):
        return nn.Conv2d(channels, outputs, 5, padding=2)

    assert arm(of_masks(folders, learner=made), "real", 0.0).value > 0


def test_an_image_without_a_mask_is_named(folders):
    (folders / "test" / "masks" / "2_7_mask.png").unlink()
    with pytest.raises(RequestError, match=r"masks has no mask for 2_7.png of .*images; give one"):
        of_masks(folders)


def test_a_mask_of_another_size_is_refused_with_both_sizes(folders):
    path = folders / "train" / "masks" / "1_3_mask.png"
    with Image.open(path) as picture:
        picture.resize((20, 24)).save(path)
    with pytest.raises(RequestError, match=r"1_3_mask.png .*24 x 20 pixels .*1_3.png 24 x 24"):
        of_masks(folders)


def test_masks_of_nothing_are_left_out_of_the_mean(folders):
    for n in range(10):
        path = folders / "test" / "masks" / f"2_{n}_mask.png"
        Image.new("L", (24, 24)).save(path)
    found = of_masks(folders)
    assert np.isfinite(arm(found, "real", 0.0).value)


def test_masks_are_given_for_every_set(folders):
    places = {"train": folders / "train" / "masks", "test": folders / "test" / "masks"}
    with pytest.raises(RequestError, match=r"no masks of .*synthetic.images; give them with"):
        of_masks(folders, masks=places)
    with pytest.raises(RequestError, match="there are masks of trian; give those of train, test"):
        of_masks(folders, masks={"trian": "x"})
    with pytest.raises(RequestError, match="the learner 'cnn' does not learn masks; use unet"):
        of_masks(folders, learner="cnn")


MASK = {"kind": "mask", "shape": [24, 24, 1], "dtype": "uint8", "range": [0, 1]}
MASK |= {"classes": ["background", "mass"]}


def with_masks(document, *names):
    document["outputs"][0]["shape"] = [24, 24, 1]
    document["outputs"] += [{**MASK, "name": name} for name in names]
    return document


@pytest.mark.parametrize("kind", ["model", "png", "webdataset"])
def test_masks_of_samples_are_an_output(install, document, folders, kind):
    install(document=with_masks(document, "mass"), code=toys.code("drawing"))
    source = "model:toy-noise"
    if kind != "model":
        source = folders / "made"
        Hub().save("toy-noise", 16, source, format=kind)
    places = {name: folders / name / "masks" for name in ("train", "test")}
    sets = [folders / name / "images" for name in places]
    asked = {"shares": (1,), "ratios": (1,), "repeats": 3}
    found = measuring.measure(*sets, source, masks=places, **asked)
    assert found.masks["synthetic"] == "mass"
    assert mixture(found, 1).num_synthetic == 16
    wrong = {**places, "synthetic": "calcification"}
    with pytest.raises(RequestError, match=r"has no masks calcification \(there is mass\)"):
        measuring.measure(*sets, source, masks=wrong, **asked)


def test_of_several_masks_one_is_named(install, document, folders):
    install(document=with_masks(document, "mass", "breast"), code=toys.code("drawing"))
    for name, seed in (("one", 1), ("two", 2)):
        Hub().save("toy-noise", 8, folders / name, seed=seed)
    asked = {"shares": (1,), "ratios": (0.5,), "repeats": 3}
    sets = folders / "one", folders / "two", "model:toy-noise"
    with pytest.raises(RequestError, match=r"has several masks \(there is mass, breast\); name"):
        measuring.measure(*sets, masks={}, **asked)
    found = measuring.measure(*sets, masks="breast", **asked)
    assert {*found.masks.values()} == {"breast"}


def test_samples_without_masks_are_refused(install, document, folders):
    install(document=document, code=toys.code("drawing"))
    places = {name: folders / name / "masks" for name in ("train", "test")}
    sets = [folders / name / "images" for name in places]
    with pytest.raises(RequestError, match="model:toy-noise are samples without masks"):
        measuring.measure(*sets, "model:toy-noise", masks=places)
