from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from medigan_hub import HubWarning, RequestError, inputs
from medigan_hub.metadata import Input

GREY = Input("mammogram", "image", ("intensity",), required=False)


def write_dicom(path: Path, pixels: np.ndarray, **attributes: object) -> Path:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = 16
    dataset.BitsStored = 12
    dataset.HighBit = 11
    dataset.PixelRepresentation = 0
    dataset.PixelData = pixels.astype(np.uint16).tobytes()
    for name, value in attributes.items():
        setattr(dataset, name, value)
    dataset.save_as(path)
    return path


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
def test_8_bit_pictures_are_read_as_they_are(tmp_path, ramp, suffix):
    path = tmp_path / f"ramp.{suffix}"
    Image.fromarray(ramp[:, :, 0]).save(path)
    assert np.array_equal(inputs.read(path), ramp)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_pictures_keep_every_level(tmp_path, ramp, suffix):
    deep = ramp.astype(np.uint16) * 257 - np.uint16(1) * (ramp > 0)
    path = tmp_path / f"ramp.{suffix}"
    Image.fromarray(deep[:, :, 0]).save(path)
    read = inputs.read(path)
    assert read.dtype == np.uint16
    assert np.array_equal(read, deep)


def test_jpeg_and_bilevel_and_float_pictures_are_read(tmp_path, ramp):
    Image.fromarray(ramp[:, :, 0]).save(tmp_path / "a.jpg", quality=95)
    assert np.abs(inputs.read(tmp_path / "a.jpg").astype(int) - ramp).max() < 12
    Image.fromarray(ramp[:, :, 0] > 99).save(tmp_path / "a.png")
    assert np.array_equal(inputs.read(tmp_path / "a.png"), (ramp > 99) * np.uint8(255))
    Image.fromarray(ramp[:, :, 0] / np.float32(255)).save(tmp_path / "a.tif")
    assert np.array_equal(inputs.read(tmp_path / "a.tif"), ramp.astype(np.uint16) * 257)


@pytest.mark.parametrize(("bits", "white"), [(12, 4095), (14, 16383)])
def test_fewer_bits_than_the_file_has_are_noticed_and_said(tmp_path, bits, white):
    path = tmp_path / "detector.png"
    Image.fromarray(np.array([[0, white // 2, white]], np.uint16)).save(path)
    with pytest.warns(HubWarning, match=f"detector.png is {white}: .* {bits} bits"):
        read = inputs.read(path)
    assert read.ravel().tolist()[::2] == [0, 65535]


def test_numpy_files_and_arrays_are_read(tmp_path, ramp):
    np.save(tmp_path / "a.npy", ramp[:, :, 0])
    assert np.array_equal(inputs.find(tmp_path / "a.npy")[0], ramp)
    np.save(tmp_path / "stack.npy", np.stack([ramp, 255 - ramp]))
    stack = inputs.find(str(tmp_path / "stack.npy"))
    assert len(stack) == 2
    assert np.array_equal(stack[1], 255 - ramp)
    assert np.array_equal(inputs.find(ramp / 255)[0], ramp.astype(np.uint16) * 257)
    assert len(inputs.find(iter([ramp, ramp]))) == 2


def test_a_pickle_in_a_numpy_file_is_not_run(tmp_path):
    np.save(tmp_path / "evil.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(RequestError, match=r"evil\.npy can't be read"):
        inputs.find(tmp_path / "evil.npy")


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path, ramp):
    for level, name in enumerate(["b.png", "a.png", "c.jpg"]):
        Image.fromarray(ramp[:, :, 0] // 2 + np.uint8(level)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / ".hidden.png").write_text("no image")
    (tmp_path / "folder").mkdir()
    found = inputs.find(tmp_path)
    assert [found.name(i) for i in range(len(found))] == ["a.png", "b.png", "c.jpg"]


def test_dicom_is_windowed(tmp_path):
    pixels = np.array([[0, 1000, 2000, 3000, 4095]])
    path = write_dicom(tmp_path / "image", pixels, WindowCenter=2000, WindowWidth=2000)
    (shown,) = inputs.find(tmp_path)  # found without a suffix, by its content
    assert shown.dtype == np.uint16
    black, low, middle, high, white = shown.ravel().tolist()
    assert (black, white) == (0, 65535)
    assert low < 100
    assert abs(middle - 32768) < 100
    assert high > 65400
    assert pydicom.dcmread(path).WindowWidth == 2000


def test_a_dicom_window_applies_to_rescaled_values(tmp_path):
    pixels = np.array([[0, 1000, 2000]])
    path = write_dicom(
        tmp_path / "a.dcm",
        pixels,
        RescaleSlope=2,
        RescaleIntercept=-1000,
        WindowCenter=1000,
        WindowWidth=4000,
    )
    assert np.abs(inputs.read(path).ravel() - np.array([0, 0.5, 1]) * 65535).max() < 40


def test_a_narrow_window_keeps_its_greys_although_no_pixel_is_black_or_white(tmp_path):
    pixels = np.array([[1900, 2100]])
    path = write_dicom(tmp_path / "a.dcm", pixels, WindowCenter=2000, WindowWidth=1000)
    assert np.abs(inputs.read(path).ravel() / 65535 - [0.4, 0.6]).max() < 0.01


def test_a_dicom_lookup_table_is_applied(tmp_path):
    table = pydicom.Dataset()
    table.LUTDescriptor = [3, 0, 8]
    table.LUTData = [255, 51, 0]
    table["LUTDescriptor"].VR = "US"
    table["LUTData"].VR = "US"
    path = write_dicom(tmp_path / "a.dcm", np.array([[0, 1, 2]]), VOILUTSequence=[table])
    assert inputs.read(path).ravel().tolist() == [65535, 13107, 0]


def test_dicom_without_a_window_uses_its_darkest_and_brightest_pixel(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", np.array([[100, 200, 300]]))
    assert inputs.read(path).ravel().tolist() == [0, 32768, 65535]


def test_dicom_with_white_as_zero_is_inverted(tmp_path):
    path = write_dicom(
        tmp_path / "a.dcm", np.array([[100, 300]]), PhotometricInterpretation="MONOCHROME1"
    )
    assert inputs.read(path).ravel().tolist() == [65535, 0]


def test_dicom_of_several_frames_is_refused(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", np.zeros((2, 3, 4)), NumberOfFrames=2)
    with pytest.raises(RequestError, match="holds 2 frames"):
        inputs.read(path)


def test_dicom_without_pixels_is_refused_in_one_line(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", np.zeros((3, 4)))
    dataset = pydicom.dcmread(path)
    del dataset.PixelData
    dataset.save_as(path)
    with pytest.raises(RequestError, match="no DICOM image that can be read") as error:
        inputs.read(path)
    assert "\n" not in str(error.value)


def test_dicom_without_pydicom_names_the_extra(tmp_path, monkeypatch):
    path = write_dicom(tmp_path / "a.dcm", np.zeros((3, 4)))
    monkeypatch.setitem(__import__("sys").modules, "pydicom", None)
    from medigan_hub import MissingDependencyError

    with pytest.raises(MissingDependencyError, match=r"pip install 'medigan-hub\[dicom\]'"):
        inputs.read(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"just some text", "is not an image"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 20, "is not an image"),
        (b"\x93NUMPY rubbish", "can't be read"),
        (b"\0" * 128 + b"DICM", "no DICOM image"),
    ],
)
def test_files_that_are_no_images_are_refused(tmp_path, content, message):
    path = tmp_path / "image.png"
    path.write_bytes(content)
    with pytest.raises(RequestError, match=message) as error:
        inputs.read(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_a_truncated_image_is_refused(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:-1500])
    with pytest.raises(RequestError, match=r"can't be read|is not an image"):
        inputs.read(path)


def test_a_picture_of_several_frames_is_refused(tmp_path, ramp):
    frame = Image.fromarray(ramp[:, :, 0])
    frame.save(tmp_path / "a.tif", save_all=True, append_images=[frame])
    with pytest.raises(RequestError, match="holds 2 images"):
        inputs.read(tmp_path / "a.tif")


def test_a_decompression_bomb_is_refused(tmp_path, monkeypatch):
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(tmp_path / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(RequestError, match=r"bomb\.png is too large to open safely"):
        inputs.read(tmp_path / "bomb.png")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(5), r"shape \(5,\)"),
        (np.zeros((0, 4)), r"shape \(0, 4, 1\)"),
        (np.full((2, 2), 1.5), "values from 1.5 to 1.5; scale fractions"),
        (np.full((2, 2), np.nan), "scale fractions"),
        (np.array([[-1, 5]]), "values from -1 to 5"),
        (np.array([[0, 70000]]), "values from 0 to 70000"),
        (np.array([["a"]]), "holds <U1 values"),
    ],
)
def test_arrays_without_a_known_scale_are_refused(array, message):
    with pytest.raises(RequestError, match=message):
        inputs.normalised(array, "array 0")


@pytest.mark.parametrize(
    ("source", "message"),
    [([], "there are no input images"), ([3], "an input is a int"), ("nowhere.png", "not exist")],
)
def test_nothing_to_read_is_refused(source, message):
    with pytest.raises(RequestError, match=message):
        inputs.find(source)


def test_a_folder_without_images_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(RequestError, match="holds no images"):
        inputs.find(tmp_path)


def test_another_number_of_channels_is_refused(tmp_path, ramp):
    coloured = np.concatenate([ramp, ramp, ramp[::-1]], axis=2)
    Image.fromarray(coloured).save(tmp_path / "colour.png")
    with pytest.raises(RequestError, match=r"colour\.png has 3 channels, but toy takes 1 \(int"):
        inputs.find(tmp_path / "colour.png").check(GREY, "toy")


def test_grey_in_three_channels_is_grey(tmp_path, ramp):
    Image.fromarray(ramp.repeat(3, axis=2)).save(tmp_path / "grey.png")
    images = inputs.find(tmp_path / "grey.png")
    images.check(GREY, "toy")
    assert np.array_equal(images[0], ramp)
    colour = replace(GREY, channels=("red", "green", "blue"))
    images = inputs.find(ramp)
    images.check(colour, "toy")
    assert np.array_equal(images[0], ramp.repeat(3, axis=2))


def test_the_hash_tells_images_apart(ramp):
    hashes = set()
    for source in ([ramp], [255 - ramp], [ramp, ramp], [ramp.reshape(30, 20, 1)]):
        images = inputs.find(source)
        images.check(GREY, "toy")
        hashes.add(images.sha256)
    assert len(hashes) == 4
