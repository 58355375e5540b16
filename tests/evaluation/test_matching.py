"""Which image goes with which: by name, by what it was made from, or by a fact."""

from __future__ import annotations

import numpy as np
import pytest

from medigan_hub import RequestError
from medigan_hub.errors import HubNote
from medigan_hub.evaluation.matching import matched
from support.image_sets import ArraySet

IMAGE = np.zeros((4, 4, 1), np.uint8)


def named(*names: str, title: str = "real", **facts: list[str]) -> ArraySet:
    """Return images of these names; of each fact, a value for each image."""
    rows = zip(*facts.values(), strict=True) if facts else [()] * len(names)
    told = {name: dict(zip(facts, row, strict=True)) for name, row in zip(names, rows, strict=True)}
    return ArraySet(dict.fromkeys(names, IMAGE), title=title, facts=told)


def made(*inputs: str, **facts: list[str]) -> ArraySet:
    names = [f"image/{n:06d}.png" for n in range(len(inputs))]
    return named(*names, title="made", input=list(inputs), **facts)


@pytest.mark.parametrize(
    ("real", "synthetic"),
    [
        (["anna.png", "bert.png", "carl.png"], ["carl.tif", "anna.tif", "bert.tif"]),
        (["anna_t2.png", "bert_t2.png", "carl_t2.png"], ["carl.png", "anna.png", "bert.png"]),
        (
            ["v (frame 0)", "v (frame 1)", "v (frame 2)"],
            ["v (frame 2)", "v (frame 0)", "v (frame 1)"],
        ),
        (["array 0", "array 1", "array 2"], ["array 2", "array 0", "array 1"]),
    ],
)
@pytest.mark.filterwarnings("ignore::medigan_hub.errors.HubNote")
def test_images_go_together_by_name(real, synthetic):
    found, notes = matched(named(*real), named(*synthetic))
    assert [(each.real, each.synthetic) for each in found] == [(2, 0), (0, 1), (1, 2)]
    assert notes == []


def test_samples_go_with_what_they_were_made_from_also_several_with_one():
    real = named("anna.png", "bert.png", "carl.png")
    found, notes = matched(real, made("bert.png", "anna.png", "bert.png"))
    assert [each.real for each in found] == [1, 0, 1]
    assert notes == [
        "1 of 3 images of real has no partner, and no part in paired figures: carl.png"
    ]


def test_samples_go_with_the_frame_that_they_were_made_from():
    real = named("v.nii (frame 0)", "v.nii (frame 1)")
    found, _ = matched(real, made("v.nii", "v.nii", frame=["1", "0"]))
    assert [each.real for each in found] == [1, 0]


def test_a_fact_or_the_own_name_can_be_asked_for():
    real = named("anna.png", "bert.png")
    synthetic = named("bert.png", "anna.png", input=["x.png", "y.png"], of=["anna.png", "bert.png"])
    assert [each.real for each in matched(real, synthetic, by="of")[0]] == [0, 1]
    assert [each.real for each in matched(real, synthetic, by="name")[0]] == [1, 0]


def test_two_images_alone_go_together_whatever_their_names():
    assert matched(named("a.png"), named("b.png"))[0] == [(0, 0, None)]


def test_masks_go_with_the_real_images():
    real, synthetic = named("a.png", "b.png"), named("b.png", "a.png")
    masks = named("b_mask.png", "c_mask.png", "a_mask.png")
    assert matched(real, synthetic, masks)[0] == [(1, 0, 0), (0, 1, 2)]


def test_words_that_were_left_aside_are_said():
    with pytest.warns(HubNote, match="t2 of real"):
        matched(named("a_t2.png", "b_t2.png"), named("a.png", "b.png"))


def test_images_without_a_partner_are_named():
    real, synthetic = named("a.png", "b.png"), named("a.png", "x.png", "y.png", title="made")
    assert matched(real, synthetic)[1] == [
        "1 of 2 images of real has no partner, and no part in paired figures: b.png",
        "2 of 3 images of made have no partner, and no part in paired figures: x.png, y.png",
    ]


@pytest.mark.parametrize(
    ("real", "synthetic", "masks", "by", "message"),
    [
        (
            named(),
            named("a.png"),
            None,
            None,
            "there are no real images in real; give at least one",
        ),
        (named("a.png"), named(title="made"), None, None, "there are no synthetic images in made"),
        (
            named("a.png", "b.png"),
            named("c.png", "d.png", title="made"),
            None,
            None,
            "no image of made belongs to one of real by its name: c.png, d.png against a.png, "
            "b.png; name the files alike, or say with match=COLUMN which fact names the real image",
        ),
        (
            named("a.png", "b.png"),
            made("c.png", "d.png"),
            None,
            None,
            r"by its input \(what each was made from\): c.png, d.png against a.png, b.png",
        ),
        (
            named("a.png", "a.tif"),
            named("a.png", "b.png"),
            None,
            None,
            "by their names, a.png and a.tif of real belong to the same images; give files names",
        ),
        (
            named("a.png", "b.png"),
            named("a.png", "a.tif", title="made"),
            None,
            None,
            "a.png and a.tif of made belong to the same images",
        ),
        (
            named("a.png", "b.png"),
            named("a.png", "b.png"),
            named("a.png", "c.png", title="masks"),
            None,
            "masks has no mask for b.png; give one for each image, named alike",
        ),
        (
            named("a.png", "b.png"),
            made("a.png", "b.png"),
            None,
            "patient",
            r"image/000000.png has no patient to be matched by; choose match of input, name",
        ),
    ],
)
def test_images_that_do_not_belong_together_are_refused(real, synthetic, masks, by, message):
    with pytest.raises(RequestError, match=message):
        matched(real, synthetic, masks, by)
