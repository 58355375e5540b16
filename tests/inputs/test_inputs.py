from __future__ import annotations

import io
import resource
import struct
import sys
import time
import warnings
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
    generate_uid,
)

from medigan_hub import MissingDependencyError, RequestError, inputs
from medigan_hub.errors import HubNote
from medigan_hub.metadata import Input

GREY = Input("mammogram", "image", ("intensity",), required=False)


def write_dicom(path: Path | io.BytesIO, pixels: np.ndarray, **attributes: object) -> Any:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
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
    with pytest.warns(HubNote, match=f"{bits} bits, since the brightest pixel is {white}, in det"):
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
    with pytest.warns(HubNote, match="black is 100 and white 300, the lowest and the highest"):
        assert inputs.read(path).ravel().tolist() == [0, 32768, 65535]


def test_dicom_with_white_as_zero_is_inverted(tmp_path):
    path = write_dicom(
        tmp_path / "a.dcm",
        np.array([[0, 4095]]),
        PhotometricInterpretation="MONOCHROME1",
        WindowCenter=2048,
        WindowWidth=4096,
    )
    assert inputs.read(path).ravel().tolist() == [65535, 0]


def test_each_frame_of_a_dicom_file_is_an_image(tmp_path):
    pixels = np.stack([np.full((3, 4), 0), np.full((3, 4), 4095)])
    path = write_dicom(
        tmp_path / "a.dcm", pixels, NumberOfFrames=2, WindowCenter=2048, WindowWidth=4096
    )
    images = inputs.find(path)
    with pytest.warns(HubNote, match="window 2048/4096"):
        images.check(GREY, "toy")
    assert [image[0, 0, 0] for image in images] == [0, 65535]
    assert [images.name(n) for n in range(2)] == ["a.dcm (frame 0)", "a.dcm (frame 1)"]
    with pytest.raises(RequestError, match="holds 2 images"):
        inputs.read(path)


def test_dicom_without_pixels_is_refused_in_one_line(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", np.zeros((3, 4)))
    dataset = pydicom.dcmread(path)
    del dataset.PixelData
    dataset.save_as(path)
    with pytest.raises(RequestError, match="it has no pixels, and is of the class Sec") as error:
        inputs.read(path)
    assert "\n" not in str(error.value)


def test_dicom_without_pydicom_names_the_extra(tmp_path, monkeypatch):
    path = write_dicom(tmp_path / "a.dcm", np.zeros((3, 4)))
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'medigan-hub\[dicom\]'"):
        inputs.read(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"just some text", "is not an image"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 20, "is not an image"),
        (b"\x93NUMPY rubbish", "can't be read"),
        (b"\0" * 128 + b"DICM", "names neither a size nor what it is"),
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


@pytest.mark.parametrize("form", ["TIFF", "GIF", "PNG"])
def test_each_picture_in_a_file_is_an_image(tmp_path, form):
    path = tmp_path / f"film.{form.lower()}"
    path.write_bytes(frames(form))
    assert [image[0, 0, 0] for image in inputs.find(path)] == [0, 1, 2]
    with pytest.raises(RequestError, match="holds 3 images"):
        inputs.read(path)


@pytest.mark.parametrize("most", [3000, 1000])
@pytest.mark.parametrize("filters", ["error", "ignore"])
def test_a_decompression_bomb_is_refused_whatever_becomes_of_warnings(
    tmp_path, monkeypatch, most, filters
):
    """Of up to twice the limit, Pillow warns only."""
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(tmp_path / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", most)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter(filters)
        with pytest.raises(RequestError, match=r"bomb\.png is too large to open safely: .*64 x 64"):
            inputs.read(tmp_path / "bomb.png")
    assert not caught
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 64 * 64)
    assert inputs.read(tmp_path / "bomb.png").shape == (64, 64, 1)


def png(width: int, height: int, rows: bytes = b"") -> bytes:
    """Return a PNG of black and white, with the (compressed) rows of pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def png_bomb() -> bytes:
    """Return a valid PNG of 900 million black pixels, in little over 100 KB."""
    packer = zlib.compressobj(9)
    rows = [packer.compress(bytes((30000 // 8 + 1) * 300)) for _ in range(100)]
    return png(30000, 30000, b"".join(rows) + packer.flush())


def png_of_noise() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)).save(
        stream, "PNG"
    )
    return stream.getvalue()


def bmp(width: int, height: int) -> bytes:
    header = struct.pack("<IiiHHIIIIII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + header


def npy(shape: str, dtype: str = "<f8", *, version: int = 1, length: int | None = None) -> bytes:
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}}}".encode()
    size = struct.pack("<H" if version == 1 else "<I", length or len(header))
    return b"\x93NUMPY" + bytes((version, 0)) + size + header + bytes(16)


def saved(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def frames(form: str) -> bytes:
    stream = io.BytesIO()
    first, *rest = [Image.fromarray(np.full((4, 5), n, np.uint8)) for n in range(3)]
    first.save(stream, form, save_all=True, append_images=rest)
    return stream.getvalue()


def tiff(width: int, height: int, following: int = 0) -> bytes:
    """Return a TIFF of 8 bytes of pixels; ``following`` is where its next picture should be."""
    tags = [(256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 0), (278, height)]
    tags.append((279, 8))
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return (
        b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + struct.pack("<I", following)
    )


def chain(number: int) -> bytes:
    """Return a TIFF of many pictures: to count them takes long."""
    first = tiff(1, 1)
    entries = first[10:-4]
    size = len(first) - 8
    places = range(len(first) + size, len(first) + (number + 1) * size, size)
    head = first[8:10]
    links = b"".join(head + entries + struct.pack("<I", place) for place in places)
    return first[:-4] + struct.pack("<I", len(first)) + links


def dicom(**attributes: object) -> bytes:
    stream = io.BytesIO()
    write_dicom(stream, np.zeros((2, 3)), **attributes)
    return stream.getvalue()


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="99999" height="99999"><rect/></svg>'
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"

# The name of a hostile file, what makes its content, and what is said of it by check_size and
# read; None where the header is in order, and what follows is not.
HOSTILE = [
    ("bomb.png", png_bomb, "30000 x 30000 pixels; at most 4.19 million", "too large to open saf"),
    ("claim.png", lambda: png(2**31 - 1, 2**31 - 1), "at most 4.19 million are tak", "too large"),
    ("text.png", lambda: b"This is no picture.\n" * 99, "is not an image", "is not an image"),
    ("cut.png", lambda: png_of_noise()[:-3000], None, "can't be read"),
    ("cut.tif", lambda: tiff(2000, 2000), None, "can't be read"),
    ("page.svg", lambda: SVG, "is not an image", "is not an image"),
    ("page.eps", lambda: EPS, "is not an image", "is not an image"),
    ("empty.png", bytes, "is empty", "is empty"),
    ("claim.bmp", lambda: bmp(60000, 60000), "60000 x 60000 pixels", "too large to open"),
    ("claim.tif", lambda: tiff(10**5, 10**6), "1000000 x 100000 pixels", "too large to open"),
    ("long.tif", lambda: chain(50_000), "over 2000 pictures", "over 2000 pictures"),
    ("beyond.tif", lambda: tiff(9, 9, following=2**31), "can't be read", "can't be read"),
    ("claim.npy", lambda: npy("(30000, 30000)"), "claims the shape", "claims the shape"),
    ("line.npy", lambda: npy(f"({10**15},)"), "claims the shape", "claims the shape"),
    ("least.npy", lambda: npy("(-1, -2)"), "claims the shape", "claims the shape"),
    ("huge.npy", lambda: npy(f"({10**30}, 0)"), "has the shape", "has the shape"),
    ("objects.npy", lambda: npy("(2,)", "|O"), "holds object values", "holds object values"),
    ("nothing.npy", lambda: npy(f"({10**15},)", "|V0"), "holds void", "holds void"),
    ("words.npy", lambda: npy("(2, 2)", "<U1"), "holds str32 values", "holds str32 values"),
    ("header.npy", lambda: npy("(2,)", version=2, length=2**32 - 9), "can't be read", "can't be r"),
    ("deep.npy", lambda: npy("(" * 3000 + "2,)"), "can't be read", "can't be read"),
    ("version.npy", lambda: npy("(2,)", version=9), "save it anew", "save it anew"),
    ("arrays.npy", lambda: saved(a=np.zeros(9)), r"the shape \(9,\)", r"the shape \(9,\)"),
    (
        "claim.dcm",
        lambda: dicom(Rows=65535, Columns=65535),
        "65535 x 65535 pixels",
        "than its 12 b",
    ),
    ("cut.dcm", lambda: dicom(Rows=2000, Columns=2000), "12 bytes can hold", "12 bytes"),
    (
        "film.dcm",
        lambda: dicom(NumberOfFrames=2**31 - 1),
        "claims 2147483647 fr",
        "12 bytes can hold",
    ),
    ("bare.dcm", lambda: b"\0" * 128 + b"DICM", "neither a size", "neither a size"),
    ("wrong.dcm", lambda: b"\0" * 128 + b"DICM" + b"\xff" * 99, "is damaged", "is damaged"),
]


@pytest.mark.parametrize(("name", "content", "of_size", "of_content"), HOSTILE)
def test_a_hostile_file_is_refused_at_once_and_in_one_line(
    tmp_path, name, content, of_size, of_content
):
    path = tmp_path / name
    path.write_bytes(content())

    def check() -> None:
        inputs.check_size(path, 2048 * 2048)

    def read() -> None:
        list(inputs.find(path))
        inputs.read(path)

    for use, message in ((check, of_size), (read, of_content)):
        before, begun = highest_memory(), time.perf_counter()
        if message is None:
            use()
        else:
            with pytest.raises(RequestError, match=message) as error:
                use()
            assert name in str(error.value)
            assert "\n" not in str(error.value)
            assert len(str(error.value)) < 250 + len(str(path))
        assert time.perf_counter() - begun < 1
        assert highest_memory() - before < 32 * 2**20


def highest_memory() -> int:
    """Return how many bytes this process has had in memory at most."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def test_a_dicom_file_whose_header_is_compressed_is_not_expanded_to_see_its_size(tmp_path):
    dataset = pydicom.Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.EncapsulatedDocument = bytes(10**8)
    path = tmp_path / "packed.dcm"
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    assert path.stat().st_size < 10**6
    before = highest_memory()
    with pytest.raises(RequestError, match=r"packed\.dcm is compressed as a whole, "):
        inputs.check_size(path, 10**6)
    assert highest_memory() - before < 80 * 2**20


def test_the_size_of_an_image_that_fits_is_fine(tmp_path, ramp):
    """600 pixels, and not one fewer, in every form."""
    Image.fromarray(ramp[:, :, 0]).save(tmp_path / "a.png")
    Image.fromarray(ramp.repeat(3, axis=2)).save(tmp_path / "colour.tif")
    Image.fromarray(ramp[:, :, 0]).save(tmp_path / "a.jpg")
    np.save(tmp_path / "a.npy", ramp)
    np.save(tmp_path / "flat.npy", ramp[:, :, 0] / 255)
    np.save(tmp_path / "stack.npy", ramp.reshape(3, 10, 20, 1))
    window = {"WindowCenter": 128, "WindowWidth": 256}
    write_dicom(tmp_path / "a.dcm", ramp[:, :, 0].astype(np.uint16), **window)
    for path in sorted(tmp_path.glob("*.*")):
        inputs.check_size(path, 600)
        size = "3 x 10 x 20" if path.name == "stack.npy" else "20 x 30"
        message = f"^{path.name} has {size} pixels; at most 599 are taken here: crop or scale it$"
        with pytest.raises(RequestError, match=message):
            inputs.check_size(path, 599)
        assert sum(image.size for image in inputs.find(path)) in (600, 1800)


def test_the_size_of_a_dicom_file_without_pydicom_names_the_extra(tmp_path, monkeypatch):
    path = write_dicom(tmp_path / "a.dcm", np.zeros((3, 4)))
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'medigan-hub\[dicom\]'"):
        inputs.check_size(path, 100)


def test_a_stack_of_many_small_images_is_not_taken_apart_at_once(tmp_path):
    np.save(tmp_path / "many.npy", np.zeros((10**7, 1, 1, 1), np.uint8))
    begun = time.perf_counter()
    images = inputs.find(tmp_path / "many.npy")
    assert time.perf_counter() - begun < 0.5
    assert len(images) == 10**7
    assert images[:3][2].shape == (1, 1, 1)
    with pytest.raises(RequestError, match=r"10000000 x 1 x 1 pixels; at most 4\.19 million"):
        inputs.check_size(tmp_path / "many.npy", 2048 * 2048)


def test_a_picture_beyond_all_memory_is_refused_in_words(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    (tmp_path / "a.png").write_bytes(png(2**31 - 1, 2**31 - 1))
    with pytest.raises(RequestError, match=r"a\.png (can't be read: |does not fit into memory)"):
        inputs.read(tmp_path / "a.png")


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
        list(inputs.find(array))


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
