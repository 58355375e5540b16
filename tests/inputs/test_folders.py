"""What is found in a folder, and what is said of the rest."""

from __future__ import annotations

import os

import nibabel
import numpy as np
import pytest
from PIL import Image

from medigan_hub import RequestError, inputs
from medigan_hub.errors import HubNote
from medigan_hub.metadata import Input
from medigan_hub.reading import Reading
from support.dicoms import dicom
from support.pictures import png, tiff

GREY = Input("mammogram", "image", ("intensity",), required=False)


def picture(path, level: int = 0):
    """Write a picture of one level, in the form that the name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((4, 5), level, np.uint8)
    if path.suffix == ".pgm":
        path.write_bytes(b"P5 5 4 255\n" + pixels.tobytes())
    else:
        path.write_bytes(tiff(pixels) if path.suffix == ".tif" else png(pixels))
    return path


def names(images) -> list[str]:
    return [images.name(place) for place in range(len(images))]


def left_out(images) -> str:
    """Return what is said once the images were checked."""
    with pytest.warns(HubNote) as notes:
        images.check(GREY, "toy")
    (note,) = notes
    return str(note.message)


def test_names_come_in_natural_order_and_hidden_files_not_at_all(tmp_path):
    for name in ("s10.png", "s9.png", "S1.png", "s2.tif", ".s3.png"):
        picture(tmp_path / name)
    assert names(inputs.find(tmp_path)) == ["S1.png", "s2.tif", "s9.png", "s10.png"]


def test_a_folder_of_portable_pictures_is_read(tmp_path):
    for number in (1, 2):
        picture(tmp_path / f"mdb00{number}.pgm", number)
    assert [image[0, 0, 0] for image in inputs.find(tmp_path)] == [1, 2]


def test_every_format_that_is_read_is_found_in_a_folder(tmp_path):
    for suffix in ("PNG", "tif", "pgm"):
        picture(tmp_path / f"a.{suffix}")
    pixels = np.zeros((4, 5), np.uint8)
    for suffix in ("jpg", "jpeg", "bmp", "gif", "tiff", "JPEG", "jfif", "dib", "ppm", "pnm"):
        how = {"pnm": "PPM", "jfif": "JPEG", "dib": "BMP"}.get(suffix)
        Image.fromarray(pixels).save(tmp_path / f"b.{suffix}", how)
    Image.fromarray(pixels > 0).save(tmp_path / "b.pbm", "PPM")
    np.save(tmp_path / "c.npy", pixels)
    np.savez(tmp_path / "c.npz", pixels)
    for suffix in ("nii", "nii.gz"):
        nibabel.save(nibabel.Nifti1Image(pixels, np.diag([2, 2, 2, 1])), tmp_path / f"d.{suffix}")
    assert len(inputs.find(tmp_path)) == len(list(tmp_path.iterdir())) == 18


def test_a_file_is_read_by_its_content_whatever_its_name_says(tmp_path):
    picture(tmp_path / "a.png", 7).rename(tmp_path / "a.jpg")
    picture(tmp_path / "b.tif", 8).rename(tmp_path / "b.dcm")
    np.save(tmp_path / "c.npy", np.full((4, 5), 9, np.uint8))
    (tmp_path / "c.npy").rename(tmp_path / "c.bmp")
    assert [image[0, 0, 0] for image in inputs.find(tmp_path)] == [7, 8, 9]


def test_other_files_beside_images_are_counted_and_named(tmp_path):
    picture(tmp_path / "a.png")
    for name in ("notes.txt", "labels.csv", "b.docx", "c.json"):
        (tmp_path / name).write_text("no image")
    words = left_out(inputs.find(tmp_path))
    assert "left out: 4 x no image (b.docx, c.json, labels.csv and 1 more)" in words


def test_a_damaged_file_in_a_folder_is_an_error_or_left_out_and_listed(tmp_path):
    good = picture(tmp_path / "good.png", 3)
    (tmp_path / "cut.png").write_bytes(good.read_bytes()[:20])
    (tmp_path / "empty.png").touch()
    with pytest.raises(
        RequestError, match=r"cut\.png .* \(and 1 more files\); mend or remove it"
    ) as error:
        inputs.find(tmp_path)
    assert "skip_unreadable" in str(error.value)
    images = inputs.find(tmp_path, Reading(skip_unreadable=True))
    assert names(images) == ["good.png"]
    words = left_out(images)
    assert "left out: 2 x unreadable: " in words
    assert "cut.png can't be read: " in words
    assert "empty.png is empty" in words


def test_a_file_whose_content_is_damaged_is_left_out_only_if_its_header_shows_it(tmp_path):
    picture(tmp_path / "a.png")
    content = picture(tmp_path / "b.tif").read_bytes()
    (tmp_path / "b.tif").write_bytes(content[:8] + content[12:])
    with pytest.raises(RequestError, match=r"b\.tif"):
        list(inputs.find(tmp_path))


def test_links_that_lead_nowhere_or_in_circles_are_named_or_left_out(tmp_path):
    picture(tmp_path / "a.png")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(RequestError, match=r"gone\.png is a link to what is not there; mend or"):
        inputs.find(tmp_path)
    assert names(inputs.find(tmp_path, Reading(skip_unreadable=True))) == ["a.png"]
    (tmp_path / "gone.png").unlink()
    (tmp_path / "circle.png").symlink_to(tmp_path / "circle.png")
    with pytest.raises(RequestError, match=r"circle\.png is a link to what is not there"):
        inputs.find(tmp_path)
    (tmp_path / "circle.png").unlink()
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "up").symlink_to(tmp_path)
    picture(tmp_path / "below" / "b.png")
    assert names(inputs.find(tmp_path, Reading(recursive=True))) == ["a.png", "below/b.png"]


def test_what_is_neither_a_file_nor_a_folder_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    for source in (tmp_path / "pipe.png", tmp_path):
        with pytest.raises(RequestError, match=r"pipe\.png"):
            inputs.find(source)


def test_images_in_subfolders_are_told_of_and_taken_when_asked_for(tmp_path):
    for number, name in enumerate(("malignant", "benign")):
        picture(tmp_path / name / "a.png", number)
    with pytest.raises(RequestError, match="holds no images itself, and 2 images in subf") as error:
        inputs.find(tmp_path)
    assert "recursive" in str(error.value)
    images = inputs.find(tmp_path, Reading(recursive=True))
    assert names(images) == ["benign/a.png", "malignant/a.png"]
    assert [images.label(place) for place in range(2)] == ["benign", "malignant"]
    assert [image[0, 0, 0] for image in images] == [1, 0]


DICOMDIR, REPORT = "1.2.840.10008.1.3.10", "1.2.840.10008.5.1.4.1.1.88.33"


def test_what_a_disc_holds_beside_its_images_is_left_out_and_said(tmp_path):
    """Names of files on a disc have no suffix."""
    (tmp_path / "DICOMDIR").write_bytes(dicom(None, kind=DICOMDIR))
    (tmp_path / "SR0001").write_bytes(dicom(None, kind=REPORT))
    (tmp_path / "SR0002.dcm").write_bytes(dicom(None, kind=REPORT))
    (tmp_path / "IM0001").write_bytes(dicom(np.arange(20, dtype=np.uint8).reshape(4, 5)))
    (tmp_path / "README").write_text("no image")
    images = inputs.find(tmp_path)
    assert names(images) == ["IM0001"]
    words = left_out(images)
    assert "1 x a DICOMDIR" in words
    assert "2 x a structured report" in words
    assert "1 x no image (README)" in words
    (tmp_path / "IM0001").unlink()
    with pytest.raises(
        RequestError, match=r"holds no images \(left out: 1 x a DICOMDIR, 2 x a str"
    ):
        inputs.find(tmp_path)
    with pytest.raises(RequestError, match="DICOMDIR is a DICOMDIR, which holds no image"):
        inputs.find(tmp_path / "DICOMDIR")


@pytest.mark.filterwarnings("ignore::medigan_hub.errors.HubNote")
def test_the_slices_of_a_series_come_in_their_order_and_series_one_after_the_other(tmp_path):
    """Their files have names by chance."""
    places = {
        "a": ("1.1", 30),
        "b": ("1.2", 7),
        "c": ("1.1", 10),
        "d": ("1.1", 20),
        "e": ("1.2", 5),
    }
    for name, (series, place) in places.items():
        content = dicom(
            np.full((4, 5), place, np.uint8),
            SeriesInstanceUID=series,
            ImagePositionPatient=[0, 0, place],
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
        )
        (tmp_path / name).write_bytes(content)
    picture(tmp_path / "aa.png")
    assert names(inputs.find(tmp_path)) == ["c", "d", "a", "aa.png", "e", "b"]


@pytest.mark.parametrize("more", ["a.png", "benign/deep/a.png"])
def test_folders_are_classes_only_where_every_image_lies_in_one(tmp_path, more):
    for name in ("benign/a.png", "malignant/a.png", more):
        picture(tmp_path / name)
    images = inputs.find(tmp_path, Reading(recursive=True))
    assert [images.label(place) for place in range(3)] == [None] * 3


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(RequestError, match=r"the folder .* holds no images \(\.png \.jpg "):
        inputs.find(tmp_path)
    (tmp_path / "below").mkdir()
    for recursive in (False, True):
        with pytest.raises(RequestError, match="holds no images"):
            inputs.find(tmp_path, Reading(recursive=recursive))


def test_wildcards_stand_for_the_files_that_fit(tmp_path, monkeypatch):
    for number in (1, 2, 10):
        picture(tmp_path / f"s{number}.png", number)
    picture(tmp_path / "t.png")
    assert [image[0, 0, 0] for image in inputs.find(f"{tmp_path}/s*.png")] == [1, 2, 10]
    assert len(inputs.find(tmp_path / "s?.png")) == 2
    with pytest.raises(RequestError, match=r"x\*\.png does not exist; name an image file or a f"):
        inputs.find(tmp_path / "x*.png")
    picture(tmp_path / "odd[1].png", 99)
    assert [image[0, 0, 0] for image in inputs.find(tmp_path / "odd[1].png")] == [99]
    monkeypatch.setenv("HOME", str(tmp_path))
    assert [image[0, 0, 0] for image in inputs.find("~/s10.png")] == [10]
    assert len(inputs.find("~/s*.png")) == 3


def test_a_list_holds_files_folders_arrays_and_images_of_pillow(tmp_path):
    picture(tmp_path / "folder" / "b.png", 2)
    picture(tmp_path / "folder" / "a.png", 1)
    array = np.full((4, 5), 4, np.uint8)
    stack = np.stack([array + 1, array + 2])[:, :, :, np.newaxis]
    sources = [
        picture(tmp_path / "z.png", 3),
        str(tmp_path / "folder"),
        array,
        stack,
        Image.fromarray(array + 3),
    ]
    for given in (sources, tuple(sources), iter(sources)):
        images = inputs.find(given)
        assert [image[0, 0, 0] for image in images] == [3, 1, 2, 4, 5, 6, 7]
    assert names(images)[-2:] == ["array 5", "image 6"]
    assert not images.are_files
    assert images[2:5].name(1) == "array 3"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (3, "an input is a int; give paths, NumPy arrays or images of Pillow"),
        (b"bytes", "an input is a bytes; give"),
        (None, "an input is a NoneType"),
        ([None], "an input is a NoneType"),
        ([[1, 2]], "an input is a list"),
        (memoryview(b"1"), "an input is a memoryview"),
        ("a\0b.png", "can't be read: embedded null|does not exist"),
        ("~nobody_of_this_name/a.png", "can't be read|does not exist"),
        (np.zeros((0, 4, 5, 1), np.uint8), "there are no input images"),
        (iter(()), "there are no input images"),
    ],
)
def test_what_is_no_source_of_images_is_refused(source, message):
    with pytest.raises(RequestError, match=message) as error:
        inputs.find(source)
    assert "\n" not in str(error.value)


def test_an_array_of_another_library_is_refused(tmp_path):
    class Tensor:
        def __array__(self):
            raise AssertionError

        def __iter__(self):
            return iter([])

    with pytest.raises(
        RequestError, match="an input is a Tensor; give NumPy arrays, channels last"
    ):
        inputs.find(Tensor())


def test_a_file_may_have_a_name_of_any_bytes(tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")
    with open(path, "wb") as stream:  # noqa: PTH123 (whose name is no text)
        stream.write(png(np.zeros((4, 5), np.uint8)))
    images = inputs.find(tmp_path)
    assert names(images) == ["\\udcff.png"]
    images.check(GREY, "toy")
