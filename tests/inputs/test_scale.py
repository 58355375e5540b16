"""Black and white where files don't say: decided by all images together, said, or as wished."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest

from medigan_hub import RequestError, inputs
from medigan_hub.errors import HubNote
from medigan_hub.metadata import Input
from medigan_hub.reading import Reading
from support.dicoms import dicom
from support.pictures import png, tiff

GREY = Input("scan", "image", ("intensity",), required=False)
COLOUR = Input("photo", "image", ("red", "green", "blue"), required=False)


def detector(folder, *brightest: int, suffix: str = "png"):
    """Write an image of level 1000 for each number, which is its brightest pixel."""
    folder.mkdir(exist_ok=True)
    for number, level in enumerate(brightest):
        pixels = np.full((4, 5), 1000, np.uint16)
        pixels[3, 4] = level
        content = png(pixels, 16) if suffix == "png" else tiff(pixels, bits=16)
        (folder / f"s{number}.{suffix}").write_bytes(content)
    return folder


def checked(images, *, says: str, declared=GREY):
    with pytest.warns(HubNote) as notes:
        images.check(declared, "toy")
    (note,) = notes
    assert re.search(says, str(note.message)), str(note.message)
    return images


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_one_level_is_the_same_in_all_images_of_a_set(tmp_path, suffix):
    """Two of these would be taken as 14 bits, and three as 12, were each looked at alone."""
    folder = detector(tmp_path / "b12", 3900, 4000, 4095, 4096, 4300, suffix=suffix)
    says = rf"14 bits, since the brightest pixel of all is 4300, in s4\.{suffix} \(say otherwise"
    images = checked(inputs.find(folder), says=says)
    assert {int(image[0, 0, 0]) for image in images} == {round(1000 * 65535 / 16383)}
    before = [np.array(image) for image in images]
    with pytest.warns(HubNote):
        again = [np.array(image) for image in inputs.find(folder)]  # without a check
    assert np.array_equal(before, again)


def test_a_part_of_a_set_looks_as_it_does_among_all(tmp_path):
    folder = detector(tmp_path / "set", 1000, 2000, 60000)
    part = inputs.find(folder)[:2]
    part.check(GREY, "toy")
    assert [int(image[0, 0, 0]) for image in part] == [1000, 1000]  # of 16 bits, as among all
    last_first = inputs.find(folder).in_order([2, 0])
    last_first.check(GREY, "toy")
    assert [int(image[3, 4, 0]) for image in last_first] == [60000, 1000]


@pytest.mark.parametrize(
    ("brightest", "bits"), [(300, 12), (4095, 12), (4096, 14), (16383, 14), (16384, 16)]
)
def test_the_depth_is_the_least_of_a_detector_that_holds_the_brightest_pixel(brightest, bits):
    pixels = np.array([[0, brightest]], np.uint16)
    images = inputs.find(pixels)
    if bits < 16:
        says = rf"{bits} bits, since the brightest pixel is {brightest}, in array 0"
        checked(images, says=says)
    else:
        images.check(GREY, "toy")
    assert int(images[0][0, 1, 0]) == round(brightest * 65535 / (2**bits - 1))


def test_bits_are_taken_at_the_callers_word(tmp_path):
    folder = detector(tmp_path / "set", 3000, 4000)
    for bits in (12, 13, 16):
        images = inputs.find(folder, Reading(bits=bits))
        images.check(GREY, "toy")  # and nothing is left to say
        assert int(images[0][0, 0, 0]) == round(1000 * 65535 / (2**bits - 1))
    images = inputs.find(folder, Reading(bits=11))
    with pytest.raises(RequestError, match=r"s0\.png has values up to 3000, which 11 bits don't h"):
        images.check(GREY, "toy")
    plain = inputs.find(np.zeros((4, 5), np.uint8), Reading(bits=12))
    with pytest.raises(RequestError, match="says nothing of these input images; leave it out"):
        plain.check(GREY, "toy")
    for wrong in (7, 17, 12.5, "many", True):
        with pytest.raises(RequestError, match="bits"):
            Reading(bits=wrong)


def test_a_window_is_taken_at_the_callers_word():
    fractions = np.array([[-1000.0, 0, 40, 240, 3000]])
    images = inputs.find(fractions, Reading(window="40,400"))
    images.check(GREY, "toy")
    wanted = np.rint(np.clip((fractions - -160) / 400, 0, 1) * 65535)
    assert np.array_equal(images[0][:, :, 0], wanted)
    signed = inputs.find(fractions.astype(np.int16), Reading(window=(40, 400)))
    assert np.array_equal(signed[0][:, :, 0], wanted)
    for number in (1, 2):
        images = inputs.find(np.array([[0, 60000]], np.uint16), Reading(window=number))
        with pytest.raises(RequestError, match="says nothing of these input images"):
            images.check(GREY, "toy")
    plain = inputs.find(np.zeros((4, 5), np.uint8), Reading(window="40,400"))
    with pytest.raises(RequestError, match="says nothing of these input images"):
        plain.check(GREY, "toy")
    for wrong in (0, -1, 1.5, "40", "40,0", "40,-1", "a,b", "1,2,3", "nan,1", "1,inf", "", True):
        if wrong == "40":
            assert Reading(window=wrong).window == 40
            continue
        with pytest.raises(RequestError, match="there is no window"):
            Reading(window=wrong)


def test_a_slice_axis_that_is_none_or_says_nothing_is_refused(tmp_path):
    for wrong in ("up", "3", 3, -1, ""):
        with pytest.raises(RequestError, match=r"there is no slice axis .*; use sagittal, corona"):
            Reading(slice_axis=wrong)
    images = inputs.find(np.zeros((4, 5), np.uint8), Reading(slice_axis="axial"))
    with pytest.raises(RequestError, match="says nothing of these input images"):
        images.check(GREY, "toy")


def test_slices_without_a_window_have_the_same_black_and_white(tmp_path):
    for number, levels in enumerate([[-1000, 0], [0, 500], [20, 1000]]):
        (tmp_path / f"s{number}.dcm").write_bytes(dicom(np.array([levels], np.int16)))
    says = "black is -1000 and white 1000, the lowest and the highest value of all"
    images = checked(inputs.find(tmp_path), says=says)
    assert [image.ravel().tolist() for image in images] == [
        [0, 32768],
        [32768, 49151],
        [33423, 65535],
    ]
    part = inputs.find(tmp_path)[1:2]
    assert checked(part, says=says)[0].ravel().tolist() == [32768, 49151]
    wished = inputs.find(tmp_path, Reading(window="250,500"))
    wished.check(GREY, "toy")  # and nothing is left to say
    assert [int(image[0, 0, 0]) for image in wished][:2] == [0, 0]


def test_images_of_8_and_of_16_bits_may_come_together(tmp_path):
    folder = detector(tmp_path / "set", 3000)
    (folder / "t.png").write_bytes(png(np.full((4, 5), 7, np.uint8)))
    images = checked(inputs.find(folder), says=r"12 bits, since the brightest pixel of all is 3000")
    assert images.dtypes == {"uint8", "uint16"}
    assert int(images[1][0, 0, 0]) == 7


def test_it_is_said_once_and_summed_up(tmp_path):
    folder = detector(tmp_path / "set", 3000, 3500)
    (folder / "notes.txt").write_text("no image")
    images = checked(inputs.find(folder), says="12 bits.*; left out: 1 x no image")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(images)) == 2
        images.check(GREY, "toy")
    assert images.summary.startswith("2 images of 4 x 5 pixels, 16 bits; whole numbers are taken")


def test_colours_of_16_bits_are_scaled_as_grey_is(tmp_path):
    pixels = np.zeros((4, 5, 3), np.uint16)
    pixels[..., 0], pixels[..., 2] = 4095, 1000
    (tmp_path / "a.png").write_bytes(png(pixels, 16, 2))
    images = checked(inputs.find(tmp_path), says="12 bits", declared=COLOUR)
    assert images[0][0, 0].tolist() == [65535, 0, round(1000 * 65535 / 4095)]


def test_fractions_lie_between_0_and_1(tmp_path):
    images = inputs.find(np.array([[0, 0.25, 1]]))
    images.check(GREY, "toy")
    assert images[0].ravel().tolist() == [0, 16384, 65535]
    for low, high in ((-0.1, 1), (0, 1.01), (0, 255)):
        with pytest.raises(
            RequestError, match=r"array 0 has values from .*; scale fractions to 0 to"
        ):
            inputs.find(np.array([[low, high]], float))[0]


def test_the_hash_is_of_what_a_model_takes(tmp_path):
    """The same levels in another file, or form, are the same input."""
    pixels = np.array([[0, 4095]], np.uint16)
    hashes = set()
    (tmp_path / "a.png").write_bytes(png(pixels, 16))
    (tmp_path / "b.tif").write_bytes(tiff(4095 - pixels, bits=16, photometric=0, order="<"))
    for path in sorted(tmp_path.iterdir()):
        images = inputs.find(path, Reading(bits=12))
        assert images.sha256 == ""
        images.check(GREY, "toy")
        hashes.add(images.sha256)
    assert len(hashes) == 1
