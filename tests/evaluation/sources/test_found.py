"""Images of files and folders, and what is known of them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from medigan_hub import HubNote, RequestError
from medigan_hub.evaluation import sources
from medigan_hub.reading import Reading
from support.dicoms import dicom


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "real"
    made.mkdir()
    return made


def save(path, level=0, size=(6, 5), mode="L"):
    path.parent.mkdir(exist_ok=True)
    Image.new(mode, size, level).save(path)


def test_a_folder_gives_its_files_in_order(folder):
    for number in (10, 2, 1):
        save(folder / f"{number}.png", number)
    found = sources.find(folder)
    assert [item.name for item in found.items] == ["1.png", "2.png", "10.png"]
    assert [int(image[0, 0, 0]) for image in found.images()] == [1, 2, 10]
    assert [int(image[0, 0, 0]) for image in found.images(1)] == [2, 10]
    assert len({item.group for item in found.items}) == 3


def test_folders_of_classes_are_labels(folder):
    save(folder / "benign" / "1.png", 1)
    save(folder / "malignant" / "1.png", 2)
    found = sources.find(folder, reading=Reading(recursive=True))
    assert [item.facts["label"] for item in found.items] == ["benign", "malignant"]


def test_slices_of_a_series_and_frames_of_a_file_belong_together(folder):
    pixels = np.arange(30, dtype=np.uint8).reshape(5, 6)
    for number in range(4):
        content = dicom(pixels + np.uint8(number), SeriesInstanceUID=f"1.2.{number // 2}")
        (folder / f"{number}.dcm").write_bytes(content)
    frames = [Image.new("L", (6, 5), level) for level in range(3)]
    frames[0].save(folder / "pages.tif", save_all=True, append_images=frames[1:])
    np.save(folder / "stack.npy", np.arange(60, dtype=np.uint8).reshape(2, 5, 6, 1))
    found = sources.find(folder)
    groups = [item.group for item in found.items]
    assert groups[0] == groups[1] != groups[2] == groups[3]
    assert len(set(groups[4:7])) == 1  # the pages of one file
    assert len(set(groups[7:])) == 2  # a stack of arrays may be of anything
    assert len({item.digest for item in found.items}) == len(found) == 9


def test_arrays_of_a_caller_are_known_by_their_content(ramp):
    one, other = sources.find([ramp, ramp[::-1]]), sources.find([ramp[::-1], ramp])
    assert {item.digest for item in one.items} == {item.digest for item in other.items}
    assert one.key != other.key
    assert one.title == "images given in Python"


def test_several_sizes_are_told(folder):
    save(folder / "1.png", 1)
    save(folder / "2.png", 2)
    save(folder / "3.png", 3, (9, 8))
    found = sources.find(folder)
    list(found.images())
    (words,) = found.notes
    assert words == f"{folder} holds images of several sizes: 2 of 5 x 6 x 1, 1 of 8 x 9 x 1"


def test_what_files_leave_open_is_told_and_part_of_the_key(folder):
    for number in range(3):
        Image.fromarray(np.full((5, 6), 1000 + number, np.uint16)).save(folder / f"{number}.png")
    found, more = sources.find(folder), sources.find(folder, reading=Reading(bits=16))
    with pytest.warns(HubNote, match="taken as 12 bits"):
        images = list(found.images())
    assert [round(float(image[0, 0, 0]) * 4095 / 65535) for image in images] == [1000, 1001, 1002]
    assert "taken as 12 bits" in found.notes[0]
    assert found.key != more.key
    assert more.facts == {"reading": {"bits": 16}}


def test_what_was_learned_is_known_without_reading_again(folder):
    save(folder / "1.png", 1)
    save(folder / "2.png", 2, (9, 8))
    first, second = sources.find(folder), sources.find(folder)
    list(first.images())
    second.recall(first.learned())
    assert second.notes == first.notes != []


def test_unreadable_files_are_left_out_on_request_and_told(folder):
    save(folder / "1.png", 1)
    (folder / "2.png").write_bytes(b"no image")
    with pytest.raises(RequestError, match=r"2\.png .*skip_unreadable=True"):
        sources.find(folder)
    found = sources.find(folder, reading=Reading(skip_unreadable=True))
    assert len(list(found.images())) == 1
    assert "1 x unreadable" in found.notes[0]


def test_a_link_to_nothing_is_refused_by_name(folder):
    save(folder / "1.png", 1)
    (folder / "2.png").symlink_to(folder / "gone.png")
    with pytest.raises(RequestError, match=r"2\.png is a link to what is not there"):
        sources.find(folder)


def test_an_empty_folder_and_none_are_refused(folder):
    with pytest.raises(RequestError, match="real holds no images"):
        sources.find(folder)
    with pytest.raises(RequestError, match="gone does not exist"):
        sources.find(folder / "gone")


def test_a_file_that_vanishes_or_changes_is_refused_by_name(folder):
    for number in range(3):
        save(folder / f"{number}.png", number)
    found = sources.find(folder)
    assert len(found.items) == 3
    save(folder / "1.png", 77)
    with pytest.raises(RequestError, match=r"^1\.png of .* has changed since the work began"):
        list(found.images())
    (folder / "2.png").unlink()
    with pytest.raises(RequestError, match=r"2\.png can't be read: No such file"):
        _ = sources.find([folder / "0.png", folder / "1.png"]), list(found.images(2))


def test_a_bad_image_among_many_ends_the_reading(folder):
    for number in range(30):
        save(folder / f"{number}.png", number)
    path = folder / "17.png"
    path.write_bytes(path.read_bytes()[:-30])
    found = sources.find(folder)
    with pytest.raises(RequestError, match=r"17\.png can't be read"):
        list(found.images())


def test_the_same_folder_is_not_held_against_itself(folder):
    save(folder / "1.png", 1)
    save(folder / "2.png", 2)
    with pytest.raises(RequestError, match="hold the same images; name two different sets"):
        sources.check_apart(sources.find(folder), sources.find(folder))


def test_a_file_in_both_sets_is_named(folder, tmp_path):
    other = tmp_path / "other"
    for number in (1, 2):
        save(folder / f"{number}.png", number)
    for name, level in (("a", 1), ("b", 2), ("c", 3)):
        save(other / f"{name}.png", level)
    with pytest.raises(RequestError) as caught:
        sources.check_apart(sources.find(folder), sources.find(other))
    assert str(caught.value) == (
        f"a.png of {other} is 1.png of {folder} (and 1 more); leave it out of one of them"
    )


def test_another_programs_dataset_json_beside_images_is_none_of_ours(folder):
    save(folder / "1.png", 1)
    (folder / "dataset.json").write_text('{"name": "Task01", "numTraining": 1}')
    assert [item.name for item in sources.find(folder).items] == ["1.png"]


@pytest.mark.parametrize("path", ["~nosuchuser/x", "x" * 5000])
def test_a_path_that_can_not_be_is_refused_in_one_line(path):
    with pytest.raises(RequestError):
        sources.find(path)
