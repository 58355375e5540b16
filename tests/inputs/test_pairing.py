"""Which image of one input goes with which of another: never with another patient's."""

from __future__ import annotations

import numpy as np
import pytest

from medigan_hub import RequestError, inputs
from medigan_hub.errors import HubNote
from support.pictures import png, tiff

PATIENTS = {"anna": 10, "bert": 20, "carl": 30}


def fill(folder, *files: str, shift: int = 0):
    """Write a picture for each name, of the level of the patient that it names."""
    for file in files:
        (level,) = [level for name, level in PATIENTS.items() if name in file.casefold()]
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(np.full((4, 5), level + shift, np.uint8)))
    return folder


def levels(found) -> list[list[int]]:
    return [[int(image[0, 0, 0]) for image in images] for images in found.values()]


def pair(**sources):
    return inputs.paired({name: inputs.find(source) for name, source in sources.items()})


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (["anna.png", "bert.png"], ["bert.png", "anna.png"]),
        (["anna_t1.png", "bert_t1.png"], ["anna_t2.png", "bert_t2.png"]),
        (["T1-anna.png", "T1-bert.png"], ["bert_T2.png", "anna_T2.png"]),
        (["a/anna.png", "a/bert.png"], ["b/anna.png", "b/bert.png"]),
        (["anna.t1w.png", "bert.t1w.png"], ["anna.t2.png", "bert.t2.png"]),
    ],
)
def test_files_go_together_by_what_tells_patients_apart(tmp_path, first, second):
    one = sorted(fill(tmp_path / "one", *first).rglob("*.png"))
    other = sorted(fill(tmp_path / "other", *second, shift=1).rglob("*.png"))[::-1]
    found = pair(t1=one, t2=other)
    assert levels(found) == [[10, 20], [11, 21]]


def test_a_patient_without_a_partner_is_named_and_goes_with_nobody_else(tmp_path):
    folders = {
        name: fill(tmp_path / name, "anna.png", "carl.png" if name == "flair" else "bert.png")
        for name in ("flair", "t1", "t1c", "t2")
    }
    with pytest.raises(RequestError) as error:
        pair(**folders)
    assert "carl.png of flair" in str(error.value)
    assert "bert.png of t1" in str(error.value)
    assert "have no partner; give each image in every input, or name the files alike" in str(
        error.value
    )
    fill(folders["t2"], "carl.png")
    with pytest.raises(RequestError, match=r"and bert\.png of t2 has no partner"):
        pair(flair=folders["flair"], t2=folders["t2"])


def test_one_file_for_one_input_does_not_go_with_any_of_the_others(tmp_path):
    one = fill(tmp_path / "one", "anna_t1.png")
    other = fill(tmp_path / "other", "anna_t2.png", shift=1)
    assert levels(pair(t1=one, t2=other)) == [[10], [11]]
    stranger = fill(tmp_path / "stranger", "bert_t2.png")
    with pytest.raises(RequestError, match=r"anna_t1\.png of t1, bert_t2\.png of t2 have no par"):
        pair(t1=one, t2=stranger)


def test_single_files_that_were_each_named_go_together_whatever_their_names(tmp_path):
    one = fill(tmp_path / "one", "anna.png") / "anna.png"
    other = fill(tmp_path / "other", "bert.png") / "bert.png"
    assert levels(pair(t1=one, t2=other)) == [[10], [20]]


def test_names_that_do_not_tell_are_refused(tmp_path):
    one = fill(tmp_path / "one", "anna_1.png", "anna-1.png")
    other = fill(tmp_path / "other", "anna_1.png", "anna_2.png")
    with pytest.raises(RequestError, match="belong to the same images of the other inputs; give f"):
        pair(t1=one, t2=other)


def test_words_that_are_left_aside_are_said_unless_they_name_the_input(tmp_path):
    """What all files of an input have may as well be the name of the one patient in all of them."""
    one = fill(tmp_path / "one", "anna_1.png", "anna_2.png")
    other = fill(tmp_path / "other", "bert_1.png", "bert_2.png")
    with pytest.warns(HubNote, match="anna of t1; bert of t2; see that these name no patients"):
        pair(t1=one, t2=other)
    weighted = fill(tmp_path / "weighted", "anna_1_T1w.png", "anna_2_T1w.png")
    fluid = fill(tmp_path / "fluid", "anna_1_FL.png", "anna_2_FL.png", shift=1)
    assert levels(pair(brain_t1=weighted, flair=fluid)) == [[10, 10], [11, 11]]


def test_frames_go_with_the_frames_of_the_same_number(tmp_path):
    for name, shift in (("t1", 0), ("t2", 1)):
        pages = [np.full((4, 5), level + shift, np.uint8) for level in (1, 3, 5)]
        for patient in ("anna", "bert"):
            add = 100 * (patient == "bert")
            path = tmp_path / name / f"{patient}_{name}.tif"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(tiff(*[page + np.uint8(add) for page in pages]))
    found = pair(t1=tmp_path / "t1", t2=tmp_path / "t2")
    first, second = levels(found)
    assert first == [1, 3, 5, 101, 103, 105]
    assert second == [level + 1 for level in first]
    one_less = tiff(*[np.full((4, 5), level, np.uint8) for level in (2, 4)])
    (tmp_path / "t2" / "bert_t2.tif").write_bytes(one_less)
    with pytest.raises(RequestError, match=r"bert_t1\.tif \(frame 2\) of t1 has no partner"):
        pair(t1=tmp_path / "t1", t2=tmp_path / "t2")


def test_arrays_go_together_in_their_order_and_as_many(tmp_path):
    arrays = np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1)
    found = pair(t1=arrays, t2=list(arrays[::-1]))
    assert levels(found) == [[0, 1, 2], [2, 1, 0]]
    with pytest.raises(RequestError, match="there are 3 of t1, 2 of t2; give as many of each"):
        pair(t1=arrays, t2=arrays[:2])
    folder = fill(tmp_path, "anna.png", "bert.png", "carl.png")
    assert levels(pair(t1=arrays, t2=folder)) == [[0, 1, 2], [10, 20, 30]]


def test_a_brought_order_is_that_of_the_first_input(tmp_path):
    one = fill(tmp_path / "one", "3_anna.png", "2_bert.png", "1_carl.png")
    other = fill(tmp_path / "other", "1_carl.png", "2_bert.png", "3_anna.png", shift=1)
    found = pair(t1=one, t2=other)
    assert levels(found) == [[30, 20, 10], [31, 21, 11]]
