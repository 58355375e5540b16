"""DICOM as hospitals have it: each case stands for a kind of file that viewers show."""

from __future__ import annotations

import base64
import itertools
import struct
import threading
import time
import tracemalloc
import warnings
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom import config, uid
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate

from medigan_hub import MissingDependencyError, RequestError
from medigan_hub.inputs.decoders.base import NoPixels, Picture
from medigan_hub.inputs.decoders.dicom import DicomDecoder, header
from medigan_hub.reading import Reading

DECODER = DicomDecoder()
RAMP = np.linspace(0, 4095, 12 * 10).astype(np.uint16).reshape(12, 10)
"""12 bits, from the least to the most."""
COLOURS = np.arange(12 * 10 * 3, dtype=np.uint32).reshape(12, 10, 3).astype(np.uint8)


def dataset(pixels: np.ndarray, syntax: str = uid.ExplicitVRLittleEndian, **values: Any) -> Any:
    """Return an image: (height, width), frames of it (with ``NumberOfFrames``), or in colours."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = uid.SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    meta.TransferSyntaxUID = syntax
    big, implicit = syntax == uid.ExplicitVRBigEndian, syntax == uid.ImplicitVRLittleEndian
    made = FileDataset("", {}, b"\0" * 128, meta, is_implicit_VR=implicit, is_little_endian=not big)
    made.SOPClassUID = uid.SecondaryCaptureImageStorage
    colours = pixels.shape[-1] == 3 and pixels.ndim == 3
    made.Rows, made.Columns = pixels.shape[:2] if colours else pixels.shape[-2:]
    made.SamplesPerPixel = 3 if colours else 1
    made.PhotometricInterpretation = "RGB" if colours else "MONOCHROME2"
    if colours:
        made.PlanarConfiguration = 0
    if pixels.dtype.kind != "f":
        made.BitsAllocated = made.BitsStored = 8 * pixels.dtype.itemsize
        made.HighBit = made.BitsStored - 1
        made.PixelRepresentation = int(pixels.dtype.kind == "i")
        content = pixels.astype(pixels.dtype.newbyteorder(">" if big else "<")).tobytes()
        made.PixelData = content + b"\0" * (len(content) % 2)
        made["PixelData"].VR = "OB" if pixels.dtype.itemsize == 1 else "OW"
    for name, value in values.items():
        setattr(made, name, value)
    return made


def save(path: Path, made: Any) -> Path:
    with config.disable_value_validation():
        made.save_as(path)
    return path


def write(path: Path, pixels: np.ndarray, *arguments: Any, **values: Any) -> Path:
    with config.disable_value_validation():
        return save(path, dataset(pixels, *arguments, **values))


def item(**values: Any) -> Dataset:
    made = Dataset()
    for name, value in values.items():
        setattr(made, name, value)
    return made


def table(entries: list[int], *, first: int = 0, bits: int = 16, vr: str = "US") -> Dataset:
    made = item(LUTDescriptor=[len(entries), first, bits], LUTData=entries)
    made["LUTDescriptor"].VR = "SS" if first < 0 else "US"
    made["LUTData"].VR = vr
    return made


def picture(path: Path, frame: int = 0, **wishes: Any) -> Picture:
    reading = Reading(**wishes)
    frames = DECODER.frames(path, reading)
    found = DECODER.read(path, frame, reading)
    assert found.pixels.shape[:2] == (frames.height, frames.width)
    return found


def shown(path: Path, frame: int = 0, **wishes: Any) -> np.ndarray:
    """Return an image as fractions, black 0 and white 1."""
    found = picture(path, frame, **wishes)
    values = found.pixels.astype(np.float64)
    seen = values if found.padding is None else values[~found.padding]
    low, high = found.levels or (seen.min(), seen.max())
    fractions = np.clip((values - low) / (high - low), 0, 1)
    if found.is_inverse:
        fractions = 1 - fractions
    return fractions if found.padding is None else np.where(found.padding, 0, fractions)


def refusal(path: Path, frame: int = 0, **wishes: Any) -> str:
    """Return why a file is refused, which begins with its name and is one line."""
    with pytest.raises(RequestError) as error:
        picture(path, frame, **wishes)
    text = str(error.value)
    assert text.startswith(str(path))
    assert "\n" not in text
    assert len(text) < 250 + len(str(path))
    return text[len(str(path)) + 1 :]


# What becomes black and white


@pytest.mark.parametrize(
    ("values", "levels"),
    [
        ({"WindowCenter": 2000, "WindowWidth": 1001}, (1499.5, 2499.5)),
        (
            {"WindowCenter": 2000, "WindowWidth": 1000, "VOILUTFunction": "LINEAR_EXACT"},
            (1500, 2500),
        ),
        ({"WindowCenter": "2000\\0", "WindowWidth": "1001\\5"}, (1499.5, 2499.5)),
    ],
)
def test_a_window_says_what_is_black_and_white(tmp_path, values, levels):
    found = picture(write(tmp_path / "a", RAMP, **values))
    assert found.levels == levels
    assert found.pixels.dtype == np.uint16  # nothing was computed
    assert not found.is_measured


def test_a_sigmoid_window_is_a_curve_without_end(tmp_path):
    path = write(tmp_path / "a", RAMP, WindowCenter=2000, WindowWidth=2, VOILUTFunction="SIGMOID")
    with np.errstate(all="raise"):
        found = shown(path)
    distances = 4 * (RAMP.astype(float) - 2000) / 2
    assert np.allclose(found, 1 / (1 + np.exp(-np.clip(distances, -500, 500))))


def test_a_window_of_the_width_1_is_a_threshold(tmp_path):
    path = write(tmp_path / "a", RAMP, WindowCenter=2000, WindowWidth=1)
    assert np.array_equal(shown(path), RAMP > 1999.5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"WindowCenter": 40, "WindowWidth": 0},
            "has a window of the width 0, which can't be; give",
        ),
        ({"WindowCenter": 40, "WindowWidth": -3}, "has a window of the width -3"),
        ({"WindowCenter": 40, "WindowWidth": 0.5}, "has a window of the width 0.5"),
        (
            {"WindowCenter": 4, "WindowWidth": 9, "VOILUTFunction": "ODD"},
            "has a window of the kind ODD",
        ),
        ({"RescaleSlope": 0, "RescaleIntercept": 0}, "is damaged: its RescaleSlope is 0"),
    ],
)
def test_what_no_viewer_can_show_is_refused(tmp_path, values, message):
    path = write(tmp_path / "a", RAMP, **values)
    assert refusal(path).startswith(message)
    if "WindowWidth" in values:
        assert picture(path, window="2000,500").levels is None  # and the way out is one


def test_empty_windows_count_as_none(tmp_path):
    path = write(tmp_path / "a", RAMP, WindowCenter=None, WindowWidth="", RescaleSlope=None)
    found = picture(path)
    assert (found.levels, found.is_measured, found.taken) == (None, True, "")
    assert np.array_equal(found.pixels, RAMP)


def test_of_several_windows_and_tables_one_is_chosen_by_its_number(tmp_path):
    lut = table([0, 4095], first=2000)
    lut.LUTExplanation = "STEEP"
    path = write(
        tmp_path / "a",
        RAMP,
        WindowCenter=[1000, 3000],
        WindowWidth=[201, 101],
        WindowCenterWidthExplanation=["SOFT", "BONE"],
        VOILUTSequence=[lut],
    )
    assert picture(path).levels == (899.5, 1099.5)
    assert picture(path).taken == "window 1000/201 (SOFT), 1 of 3"
    assert picture(path).obeys == {"window"}
    assert picture(path, window=2).levels == (2949.5, 3049.5)
    assert picture(path, window=3).taken == "VOI LUT (STEEP), 3 of 3"
    assert np.array_equal(shown(path, window=3), RAMP > 2000)
    assert refusal(path, window=4) == (
        "has no window 4; it has 3: window 1000/201 (SOFT), window 3000/101 (BONE), VOI LUT (STEEP)"
    )
    assert refusal(write(tmp_path / "b", RAMP), window=1) == "has no window 1; it has none"


def test_a_window_of_the_callers_own_takes_the_place_of_those_in_the_file(tmp_path):
    path = write(
        tmp_path / "a", RAMP, WindowCenter=1, WindowWidth=0, RescaleSlope=2, RescaleIntercept=-1000
    )
    found = picture(path, window="40,400")
    assert found.is_measured
    assert found.levels is None
    assert np.array_equal(found.pixels, RAMP * 2.0 - 1000)


@pytest.mark.parametrize(
    ("entries", "bits", "white"),
    [
        ([0, 51, 255], 8, 255),
        ([0, 1000, 4095], 16, 4095),  # 16 bits are claimed, 12 are there
        ([0, 40000, 65535], 16, 65535),
        ([0, 500, 1023], 8, 1023),  # more than the 8 that are claimed
    ],
)
def test_a_table_of_greys_is_applied_whatever_bits_it_claims(tmp_path, entries, bits, white):
    pixels = np.array([[0, 5, 6], [7, 8, 9]], np.uint16)
    path = write(tmp_path / "a", pixels, VOILUTSequence=[table(entries, first=6, bits=bits)])
    low, middle, high = (entry / white for entry in entries)
    assert np.allclose(shown(path), [[low, low, low], [middle, high, high]])
    assert picture(path).taken == "VOI LUT"


def test_a_table_of_the_modality_comes_before_the_window(tmp_path):
    pixels = np.array([[-2, -1, 0]], np.int16)
    lut = table([100, 300, 200], first=-2)
    path = write(
        tmp_path / "a", pixels, ModalityLUTSequence=[lut], WindowCenter=200, WindowWidth=201
    )
    assert np.allclose(shown(path), [[0.0025, 1, 0.5025]], atol=0.003)
    assert picture(path).pixels.tolist() == [[100, 300, 200]]


def test_a_table_may_begin_below_0_and_not_say_so(tmp_path):
    lut = table([0, 100, 200, 300], first=-2)
    lut["LUTDescriptor"].VR = "US"
    lut.LUTDescriptor = [4, 0x10000 - 2, 16]
    pixels = np.array([[-2, -1, 0, 1]], np.int16)
    path = write(tmp_path / "a", pixels, ModalityLUTSequence=[lut])
    assert picture(path).pixels.tolist() == [[0, 100, 200, 300]]


@pytest.mark.parametrize(
    "values", [{"PhotometricInterpretation": "MONOCHROME1"}, {"PresentationLUTShape": "INVERSE"}]
)
def test_white_may_be_the_lowest_value(tmp_path, values):
    path = write(tmp_path / "a", RAMP, WindowCenter=2048, WindowWidth=4096, **values)
    assert np.allclose(shown(path), 1 - RAMP / 4095)
    both = {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"}
    assert np.array_equal(shown(write(tmp_path / "b", RAMP, **both)), shown(path))


def test_values_are_rescaled_and_levels_are_in_their_unit(tmp_path):
    signed = RAMP.astype(np.int16) - 1000
    path = write(tmp_path / "a", signed, RescaleSlope="0.5", RescaleIntercept="-24")
    found = picture(path)
    assert np.array_equal(found.pixels, signed / 2 - 24)
    assert found.is_measured
    assert found.levels is None


@pytest.mark.parametrize(
    ("pixels", "values", "levels"),
    [
        (COLOURS[:, :, 0], {}, (0, 255)),
        (COLOURS[:, :, 0].astype(np.int8), {}, (-128, 127)),
        (COLOURS[:, :, 0] % 64, {"BitsStored": 6, "HighBit": 5}, (0, 63)),
        (COLOURS, {}, (0, 255)),
        (COLOURS.astype(np.uint16) * 257, {}, (0, 65535)),
    ],
)
def test_what_has_a_range_of_its_own_is_shown_as_it_is(tmp_path, pixels, values, levels):
    found = picture(write(tmp_path / "a", pixels, **values))
    assert found.levels == levels
    assert found.pixels.dtype == pixels.dtype
    assert np.array_equal(found.pixels, pixels)


def test_16_bits_with_a_window_over_all_of_them_stay_as_they_are(tmp_path):
    """As ``--format dicom`` writes them."""
    deep = (RAMP * 16).astype(np.uint16)
    found = picture(write(tmp_path / "a", deep, WindowCenter="32768", WindowWidth="65536"))
    assert found.levels == (0, 65535)
    assert found.pixels.dtype == np.uint16
    assert np.array_equal(found.pixels, deep)


# Padding


@pytest.mark.parametrize(
    ("pixels", "values", "padded"),
    [
        (RAMP, {"PixelPaddingValue": 4095}, RAMP == 4095),
        (RAMP, {"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 500}, RAMP <= 500),
        (RAMP, {"PixelPaddingValue": 500, "PixelPaddingRangeLimit": 0}, RAMP <= 500),
        (RAMP.astype(np.int16) - 2000, {"PixelPaddingValue": -2000}, RAMP == 0),
    ],
)
def test_padding_is_no_part_of_the_image(tmp_path, pixels, values, padded):
    """What pads is told of stored values, before they are rescaled."""
    made = dataset(pixels, RescaleSlope=3, RescaleIntercept=7)
    for name, value in values.items():
        made.add_new(name, "SS" if value < 0 else "US", value)
    path = save(tmp_path / "a", made)
    found = picture(path)
    assert np.array_equal(found.padding, padded)
    assert found.levels is None
    fractions = shown(path)
    assert not fractions[padded].any()
    assert (fractions[~padded].min(), fractions[~padded].max()) == (0, 1)


def test_padding_of_signed_values_may_be_written_without_a_sign(tmp_path):
    made = dataset(RAMP.astype(np.int16) - 2000)
    made.add_new("PixelPaddingValue", "US", 0x10000 - 2000)
    assert np.array_equal(picture(save(tmp_path / "a", made)).padding, RAMP == 0)


def test_an_image_of_nothing_but_padding_is_black(tmp_path):
    made = dataset(np.full((3, 4), 7, np.uint16), PixelPaddingValue=7)
    assert not shown(save(tmp_path / "a", made)).any()


# Colours


@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian])
@pytest.mark.parametrize(
    ("bits", "entries", "expected"),
    [
        (8, [0, 51, 255], [0, 51, 255]),
        (16, [0, 51 << 8, 255 << 8], [0, 51, 255]),
        (16, [0, 51 * 257, 65535], [0, 51, 255]),
        (16, [0, 1000, 65535], [0, 1000, 65535]),
    ],
)
def test_a_palette_gives_the_colours_of_the_numbers(tmp_path, syntax, bits, entries, expected):
    made = dataset(np.array([[0, 5, 6], [7, 8, 9]], np.uint8), syntax)
    made.PhotometricInterpretation = "PALETTE COLOR"
    order = ">" if syntax == uid.ExplicitVRBigEndian else "<"
    for number, name in enumerate(("Red", "Green", "Blue")):
        turned = entries[number:] + entries[:number]
        made.add_new(f"{name}PaletteColorLookupTableDescriptor", "US", [3, 6, bits])
        data = struct.pack(f"{order}3H", *turned)
        made.add_new(f"{name}PaletteColorLookupTableData", "OW", data)
    found = picture(save(tmp_path / "a", made))
    first, second, third = expected
    colours = [[first, second, third], [second, third, first], [third, first, second]]
    assert found.pixels.tolist() == [
        [colours[0], colours[0], colours[0]],
        [colours[1], colours[2], colours[2]],
    ]
    assert found.pixels.dtype == (np.uint16 if max(expected) > 255 else np.uint8)
    assert found.taken == "palette"
    assert found.obeys == frozenset()


def segmented(path: Path, words: list[int], count: int) -> Path:
    made = dataset(np.arange(count, dtype=np.uint8)[np.newaxis], BitsStored=8)
    made.PhotometricInterpretation = "PALETTE COLOR"
    for name in ("Red", "Green", "Blue"):
        made.add_new(f"{name}PaletteColorLookupTableDescriptor", "US", [count, 0, 16])
        data = struct.pack(f"<{len(words)}H", *words)
        made.add_new(f"Segmented{name}PaletteColorLookupTableData", "OW", data)
    return save(path, made)


def test_a_palette_may_be_in_segments(tmp_path):
    words = [0, 2, 0, 1000, 1, 4, 3000, 2, 1, 8, 0]  # entries, a line, and the line once more
    path = segmented(tmp_path / "a", words, 10)
    expected = [0, 1000, 1500, 2000, 2500, 3000, 3000, 3000, 3000, 3000]
    assert picture(path).pixels[0, :, 0].tolist() == expected
    assert "its palette has 2 entries, not 10" in refusal(segmented(tmp_path / "b", words[:4], 10))
    assert "a segment that can't be" in refusal(segmented(tmp_path / "c", [1, 9, 9], 10))


def test_a_palette_of_few_entries_serves_many_numbers(tmp_path):
    made = dataset(
        np.array([[0, 1, 300, 65535]], np.uint16), PhotometricInterpretation="PALETTE COLOR"
    )
    for name in ("Red", "Green", "Blue"):
        made.add_new(f"{name}PaletteColorLookupTableDescriptor", "US", [2, 0, 8])
        made.add_new(f"{name}PaletteColorLookupTableData", "OW", b"\x07\x09")
    assert picture(save(tmp_path / "a", made)).pixels[0, :, 0].tolist() == [7, 9, 9, 9]


def of_ybr(pixels: np.ndarray) -> np.ndarray:
    """Return red, green and blue, as PS3.3 C.7.6.3.1.2 inverts."""
    forward = np.array(
        [[0.2990, 0.5870, 0.1140], [-0.1687, -0.3313, 0.5000], [0.5000, -0.4187, -0.0813]]
    )
    inverse = np.linalg.inv(forward)
    return np.clip((pixels.astype(float) - [0, 128, 128]) @ inverse.T, 0, 255)


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("kind", ["RGB", "YBR_FULL"])
def test_colours_lie_pixel_by_pixel_or_plane_by_plane(tmp_path, kind, planar):
    lying = np.moveaxis(COLOURS, 2, 0) if planar else COLOURS
    made = dataset(COLOURS, PhotometricInterpretation=kind, PlanarConfiguration=planar)
    made.PixelData = lying.tobytes()
    expected = COLOURS if kind == "RGB" else of_ybr(COLOURS)
    assert np.abs(picture(save(tmp_path / "a", made)).pixels - expected).max() <= 1


def test_two_pixels_may_share_a_colour(tmp_path):
    made = dataset(COLOURS, PhotometricInterpretation="YBR_FULL_422")
    shared = COLOURS.copy()
    shared[:, 1::2, 1:] = shared[:, ::2, 1:]
    packed = np.concatenate([shared[:, ::2, :1], shared[:, 1::2, :1], shared[:, ::2, 1:]], axis=2)
    made.PixelData = packed.tobytes()
    assert np.abs(picture(save(tmp_path / "a", made)).pixels - of_ybr(shared)).max() <= 1
    made.PixelData = COLOURS.tobytes()
    assert "is RGB or YBR_FULL by its size" in refusal(save(tmp_path / "b", made))


def test_luminances_of_more_than_8_bits_are_refused(tmp_path):
    path = write(tmp_path / "a", COLOURS.astype(np.uint16), PhotometricInterpretation="YBR_FULL")
    assert refusal(path) == "has colours in YBR of uint16, which are not read; save it in RGB"


# How the pixels lie


@pytest.mark.parametrize("syntax", [uid.ImplicitVRLittleEndian, uid.ExplicitVRBigEndian])
def test_other_orders_of_bytes_make_no_difference(tmp_path, syntax):
    signed = RAMP.astype(np.int16) - 2000
    path = write(tmp_path / "a", signed, syntax, RescaleIntercept=5, PixelPaddingValue=-2000)
    plain = write(tmp_path / "b", signed, RescaleIntercept=5, PixelPaddingValue=-2000)
    for one, other in zip(vars(picture(path)).values(), vars(picture(plain)).values(), strict=True):
        assert np.array_equal(one, other)


def test_words_of_two_bytes_may_hold_8_bits_each(tmp_path):
    made = dataset(COLOURS[:5, :5, 0], uid.ExplicitVRBigEndian)
    content = COLOURS[:5, :5, 0].tobytes() + b"\0"
    made.PixelData = np.frombuffer(content, np.uint16).byteswap().tobytes()
    made["PixelData"].VR = "OW"
    assert np.array_equal(picture(save(tmp_path / "a", made)).pixels, COLOURS[:5, :5, 0])


@pytest.mark.parametrize("signed", [False, True])
def test_what_lies_in_unused_bits_is_no_part_of_a_value(tmp_path, signed):
    values = RAMP.astype(np.int16) - 2048 if signed else RAMP.astype(np.int16)
    for high in (11, 13, 15):
        shift = high - 11
        noise = np.random.default_rng(0).integers(0, 2**16, RAMP.shape, np.uint16)
        used = np.uint16((0xFFF << shift) & 0xFFFF)
        stored = (noise & ~used) | (values.view(np.uint16) << shift & used)
        attributes = {"BitsStored": 12, "HighBit": high, "PixelRepresentation": int(signed)}
        path = write(tmp_path / f"{high}", stored.astype(np.uint16), **attributes)
        assert np.array_equal(picture(path).pixels, values)


def test_a_segmentation_is_black_and_white_in_each_frame(tmp_path):
    masks = np.random.default_rng(0).random((3, 5, 7)) > 0.5  # frames begin within bytes
    made = dataset(
        masks.astype(np.uint8), NumberOfFrames=3, BitsAllocated=1, BitsStored=1, HighBit=0
    )
    made.PixelData = np.packbits(masks, bitorder="little").tobytes()
    path = save(tmp_path / "a", made)
    for frame in range(3):
        found = picture(path, frame)
        assert found.pixels.dtype == np.bool_
        assert np.array_equal(found.pixels, masks[frame])


@pytest.mark.parametrize(
    ("name", "dtype"), [("FloatPixelData", "f4"), ("DoubleFloatPixelData", "f8")]
)
def test_maps_of_parameters_are_in_floating_point(tmp_path, name, dtype):
    values = np.linspace(-1.5, 2.5, 12).astype(dtype).reshape(3, 4)
    values[0, 0] = np.nan
    made = dataset(values)
    setattr(made, name, values.tobytes())
    path = save(tmp_path / "a", made)
    found = picture(path)
    assert np.array_equal(found.pixels[0, 1:], values[0, 1:])
    assert found.is_measured
    assert np.isfinite(found.pixels).all()
    assert np.array_equal(found.padding, np.isnan(values))
    assert shown(path).max() == 1


# Frames


def test_each_frame_has_values_of_its_own(tmp_path):
    groups = [
        item(
            FrameVOILUTSequence=[item(WindowCenter=center, WindowWidth=101)],
            PixelValueTransformationSequence=[item(RescaleSlope=slope, RescaleIntercept=0)],
        )
        for center, slope in ((100, 1), (200, 2))
    ]
    shared = item(
        PixelMeasuresSequence=[item(PixelSpacing=[0.5, 0.25])],
        FrameVOILUTSequence=[item(WindowCenter=9, WindowWidth=9)],
    )
    frames = np.stack([RAMP, RAMP[::-1], RAMP.T.reshape(12, 10)])
    path = write(
        tmp_path / "a",
        frames,
        NumberOfFrames=3,
        PerFrameFunctionalGroupsSequence=groups,
        SharedFunctionalGroupsSequence=[shared],
    )
    assert DECODER.frames(path, Reading()).count == 3
    pictures = [picture(path, frame) for frame in range(3)]
    assert [each.levels for each in pictures] == [(49.5, 149.5), (149.5, 249.5), (4.5, 12.5)]
    assert {each.spacing for each in pictures} == {(0.5, 0.25)}
    for number, slope in enumerate((1, 2, 1)):
        assert np.array_equal(pictures[number].pixels, frames[number] * slope)


def test_only_the_frame_that_is_asked_for_is_read(tmp_path):
    frames = np.broadcast_to(RAMP, (400, 12, 10)).repeat(30, axis=1)
    path = write(tmp_path / "a", frames, NumberOfFrames=400)
    picture(path)
    tracemalloc.start()
    try:
        picture(path, 399)
        assert tracemalloc.get_traced_memory()[1] < path.stat().st_size / 20
    finally:
        tracemalloc.stop()


def test_slices_lie_along_the_normal_of_their_series(tmp_path):
    values = {"SeriesInstanceUID": "1.2.3.4", "InstanceNumber": 7}
    path = write(tmp_path / "a", RAMP, **values)
    assert DECODER.frames(path, Reading()).place == 7
    oriented = {"ImagePositionPatient": [1, 2, 30], "ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}
    path = write(tmp_path / "b", RAMP, **values, **oriented)
    assert DECODER.frames(path, Reading()).place == -1
    assert DECODER.frames(path, Reading()).series == "1.2.3.4"


@pytest.mark.parametrize(
    ("values", "spacing"),
    [
        ({"PixelSpacing": [0.5, 0.25]}, (0.5, 0.25)),
        ({"ImagerPixelSpacing": [0.2, 0.2]}, (0.2, 0.2)),
        (
            {"ImagerPixelSpacing": [3, 3], "EstimatedRadiographicMagnificationFactor": 1.5},
            (2, 2),
        ),
        ({"NominalScannedPixelSpacing": [1, 2]}, (1, 2)),
        ({"PixelSpacing": [0, 1]}, None),
        ({"PixelSpacing": [-1, 1]}, None),
        ({"PixelSpacing": ""}, None),
        ({}, None),
    ],
)
def test_distances_of_pixels_are_in_mm_where_they_make_sense(tmp_path, values, spacing):
    assert picture(write(tmp_path / "a", RAMP, **values)).spacing == spacing


# Compression


def lossless_jpeg(pixels: np.ndarray) -> bytes:
    return bytes(
        imagecodecs.jpeg8_encode(
            pixels, lossless=True, predictor=1, bitspersample=16 if pixels.dtype == np.uint16 else 8
        )
    )


def run_lengths(pixels: np.ndarray) -> bytes:
    planes = np.atleast_3d(pixels)
    parts = [
        bytes(imagecodecs.packbits_encode(np.ascontiguousarray(byte).tobytes()))
        for sample in np.moveaxis(planes, 2, 0)
        for byte in np.moveaxis(
            sample.astype(sample.dtype.newbyteorder(">"))[..., np.newaxis].view(np.uint8), 2, 0
        )
    ]
    parts = [part + b"\0" * (len(part) % 2) for part in parts]
    starts = itertools.accumulate((len(part) for part in parts[:-1]), initial=64)
    return (
        struct.pack("<L", len(parts))
        + struct.pack(f"<{len(parts)}L", *starts).ljust(60, b"\0")
        + b"".join(parts)
    )


LOSSLESS = {
    uid.RLELossless: run_lengths,
    uid.JPEGLosslessSV1: lossless_jpeg,
    uid.JPEGLSLossless: lambda pixels: bytes(imagecodecs.jpegls_encode(pixels)),
    uid.JPEG2000Lossless: lambda pixels: bytes(
        imagecodecs.jpeg2k_encode(pixels, codecformat="j2k", reversible=True)
    ),
}


HTJ2K = (
    "|4;u>04YEK0000800008000000000000008000080000000000009pH0sl|{2mk^A000XAQUDA90ssL31q1{@0smY"
    "86Cj9?kdTm&kdTm&kdTmwh=~7W02crOPjF>!N>E53R%LP^FfKASE;BCwkN^q*00000S^xq6lfVEbU-ktDbN~PVzyK"
    "3K022Tr{sISd02=WFhjakI024p}6Mzg10fKY@Zs>*p!&Csk04g8=6=1e)+p2JabpXEm_U-$?LILcy0RPz"
)
"""8 x 8 steps of 60 from 0, by OpenJPH: not all versions of imagecodecs can write it."""


def compressed(
    path: Path, pixels: np.ndarray, syntax: str, frames: list[bytes], **values: Any
) -> Path:
    made = dataset(pixels, uid.ExplicitVRLittleEndian, **values)
    made.file_meta.TransferSyntaxUID = syntax
    made.PixelData = encapsulate(frames)
    made["PixelData"].VR = "OB"
    made["PixelData"].is_undefined_length = True
    return save(path, made)


@pytest.mark.parametrize("syntax", LOSSLESS)
@pytest.mark.parametrize(
    ("pixels", "values"),
    [
        (RAMP, {"BitsStored": 12, "HighBit": 11}),
        (RAMP * np.uint16(16), {}),
        (COLOURS[:, :, 0].copy(), {}),
        (COLOURS, {}),
    ],
)
def test_what_is_compressed_without_loss_comes_back_exactly(tmp_path, syntax, pixels, values):
    path = compressed(tmp_path / "a", pixels, syntax, [LOSSLESS[syntax](pixels)], **values)
    assert np.array_equal(picture(path).pixels, pixels)


@pytest.mark.parametrize("syntax", LOSSLESS)
def test_compressed_values_keep_their_signs(tmp_path, syntax):
    """Most codecs know of none."""
    signed = RAMP.astype(np.int16) - 2048
    path = compressed(tmp_path / "a", signed, syntax, [LOSSLESS[syntax](signed.view(np.uint16))])
    assert np.array_equal(picture(path).pixels, signed)


def test_ht_jpeg_2000_and_jpeg_of_12_bits_are_read(tmp_path):
    steps = np.arange(0, 64 * 60, 60, np.uint16).reshape(8, 8)
    path = compressed(tmp_path / "a", steps, uid.HTJ2KLossless, [base64.b85decode(HTJ2K)])
    assert np.array_equal(picture(path).pixels, steps)
    encoded = bytes(imagecodecs.jpeg8_encode(RAMP, level=100, bitspersample=12))
    values = {"BitsStored": 12, "HighBit": 11}
    path = compressed(tmp_path / "b", RAMP, uid.JPEGExtended12Bit, [encoded], **values)
    assert np.abs(picture(path).pixels.astype(int) - RAMP).max() < 20


@pytest.mark.parametrize("claim", ["RGB", "YBR_FULL_422"])
@pytest.mark.parametrize("kept", ["RGB", "YCBCR"])
def test_the_colours_of_a_jpeg_are_those_that_it_says(tmp_path, kept, claim):
    """Many files claim others than what is compressed in them."""
    smooth = np.add.outer(np.arange(16) * 8, np.arange(16) * 8).astype(np.uint8)
    smooth = np.stack([smooth, 255 - smooth, smooth // 2], axis=2)
    encoded = imagecodecs.jpeg8_encode(
        smooth, level=100, colorspace="RGB", outcolorspace=kept, subsampling="444"
    )
    path = compressed(
        tmp_path / "a",
        smooth,
        uid.JPEGBaseline8Bit,
        [bytes(encoded)],
        PhotometricInterpretation=claim,
    )
    assert np.abs(picture(path).pixels.astype(int) - smooth).max() < 6


def test_colours_of_8_bits_may_be_claimed_to_have_16(tmp_path):
    encoded = LOSSLESS[uid.JPEG2000Lossless](COLOURS)
    deep = COLOURS.astype(np.uint16)
    found = picture(compressed(tmp_path / "a", deep, uid.JPEG2000Lossless, [encoded]))
    assert np.array_equal(found.pixels, COLOURS)
    assert found.levels == (0, 255)


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("has_table", [True, False])
def test_each_compressed_frame_is_found(tmp_path, parts, has_table):
    frames = np.stack([RAMP, RAMP[::-1], RAMP.T.reshape(12, 10)])
    made = dataset(frames, NumberOfFrames=3)
    made.file_meta.TransferSyntaxUID = uid.JPEG2000Lossless
    encoded = [LOSSLESS[uid.JPEG2000Lossless](frame.copy()) for frame in frames]
    made.PixelData = encapsulate(encoded, fragments_per_frame=parts, has_bot=has_table)
    made["PixelData"].VR = "OB"
    made["PixelData"].is_undefined_length = True
    path = save(tmp_path / "a", made)
    for number, frame in enumerate(frames):
        assert np.array_equal(picture(path, number).pixels, frame)


def test_compressed_pixels_that_are_cut_off_or_altered_are_refused(tmp_path):
    for number, (syntax, encode) in enumerate(LOSSLESS.items()):
        whole = encode(RAMP)
        for name, content in (("cut", whole[: len(whole) * 2 // 3]), ("other", b"\1\2\3\4" * 50)):
            path = compressed(tmp_path / f"{name}{number}", RAMP, syntax, [content])
            assert refusal(path).startswith("is damaged: ")


def jpeg2k_claiming(height: int, width: int, tile: int) -> bytes:
    content = bytearray(LOSSLESS[uid.JPEG2000Lossless](RAMP))
    struct.pack_into(">2L", content, 8, width, height)
    struct.pack_into(">2L", content, 24, tile, tile)
    return bytes(content)


@pytest.mark.parametrize(
    ("syntax", "content", "claim", "message"),
    [
        (
            uid.JPEG2000Lossless,
            jpeg2k_claiming(60000, 60000, 60000),
            RAMP.shape,
            "60000 x 60000 x 1",
        ),
        (uid.JPEG2000Lossless, jpeg2k_claiming(9000, 9000, 9), (9000, 9000), "in 1000000 tiles"),
        (
            uid.JPEGLosslessSV1,
            lossless_jpeg(RAMP).replace(struct.pack(">HH", *RAMP.shape), b"\xff\xff\xff\xff"),
            RAMP.shape,
            "65535 x 65535 x 1",
        ),
    ],
)
def test_a_few_bytes_can_not_ask_for_much_memory(tmp_path, syntax, content, claim, message):
    path = compressed(tmp_path / "a", RAMP, syntax, [content], Rows=claim[0], Columns=claim[1])
    tracemalloc.start()
    begun = time.perf_counter()
    try:
        assert message in refusal(path)
        assert tracemalloc.get_traced_memory()[1] < 2**23
    finally:
        tracemalloc.stop()
    assert time.perf_counter() - begun < 1


def test_what_is_not_installed_is_named_and_so_is_what_is_not_read(tmp_path, monkeypatch):
    path = compressed(
        tmp_path / "a", RAMP, uid.JPEGLSLossless, [LOSSLESS[uid.JPEGLSLossless](RAMP)]
    )
    video = compressed(tmp_path / "b", RAMP, uid.MPEG2MPML, [b"1234"])
    assert refusal(video).startswith(
        "is compressed as MPEG2 Main Profile / Main Level, which is no"
    )
    monkeypatch.setitem(__import__("sys").modules, "imagecodecs", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'medigan-hub\[dicom\]'"):
        picture(path)
    assert np.array_equal(picture(write(tmp_path / "c", RAMP)).pixels, RAMP)


def test_a_file_that_is_compressed_as_a_whole_is_read_up_to_a_size(tmp_path):
    path = write(tmp_path / "a", RAMP, uid.DeflatedExplicitVRLittleEndian)
    assert np.array_equal(picture(path).pixels, RAMP)
    content = path.read_bytes()
    path.write_bytes(content[:-20])
    assert refusal(path) == "is damaged: it is cut off"
    start = content.index(b"1.2.840.10008.1.2.1.99") + 22
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = b"".join(packer.compress(bytes(2**20)) for _ in range(70)) + packer.flush()
    path.write_bytes(content[:start] + bomb)
    tracemalloc.start()
    try:
        assert refusal(path).startswith("is compressed as a whole, to more than 64 MiB; save")
        assert tracemalloc.get_traced_memory()[1] < 200 * 2**20
    finally:
        tracemalloc.stop()


# What is no image, and what is damaged


def test_files_without_their_mark_are_known_by_their_first_elements(tmp_path):
    for syntax in (uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian):
        made = dataset(RAMP, syntax, ImageType=["ORIGINAL", "PRIMARY"])
        whole = save(tmp_path / "whole", made).read_bytes()
        group = b"\0\x08\0\x08CS" if syntax == uid.ExplicitVRBigEndian else b"\x08\0\x08\0"
        for name, content in (("meta", whole[132:]), ("bare", whole[whole.index(group) :])):
            path = tmp_path / name
            path.write_bytes(content)
            assert DECODER.knows(content[:512])
            assert np.array_equal(picture(path).pixels, RAMP)


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"Dear colleague, here is the image, and more words for it. " * 9,
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(400),
        b"II*\0\x08\0\0\0\x10\0\0\x01\x04\0" + bytes(400),
        b"MM\0*\0\0\0\x08\0\x10\x01\0" + bytes(400),
        b"\x5c\x01\0\0" + bytes(500),
        b"\x93NUMPY\x01\0v\0{'descr': '<u2'",
        b"\x1f\x8b\x08\0" + bytes(range(200)),
        bytes(512),
        b"\x08\0" * 256,
        b"\x02\0\0\0UL\x04\0" + bytes(100),
    ],
)
def test_other_files_are_not_taken_for_dicom(start):
    assert not DECODER.knows(start)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (uid.MediaStorageDirectoryStorage, "a DICOMDIR"),
        (uid.BasicTextSRStorage, "a structured report (Basic Text SR Storage)"),
        (
            uid.GrayscaleSoftcopyPresentationStateStorage,
            "a presentation state (Grayscale Softcopy Presentation State Storage)",
        ),
        (uid.EncapsulatedPDFStorage, "an encapsulated PDF (Encapsulated PDF Storage)"),
        (uid.RTStructureSetStorage, "a radiotherapy object (RT Structure Set Storage)"),
        (uid.RawDataStorage, "a DICOM object without an image (Raw Data Storage)"),
        ("1.2.3.4", "a DICOM object without an image (1.2.3.4)"),
    ],
)
def test_what_holds_no_image_says_what_it_is(tmp_path, kind, words):
    made = dataset(RAMP)
    for name in ("Rows", "Columns", "PixelData"):
        delattr(made, name)
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = kind
    with pytest.raises(NoPixels) as error:
        picture(save(tmp_path / "a", made))
    assert str(error.value) == words


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"Rows": 0}, "is damaged: it claims 0 x 10 pixels"),
        ({"NumberOfFrames": -1}, "is damaged: it claims -1 frames"),
        (
            {"NumberOfFrames": 2**31 - 1},
            "is damaged: it claims 2147483647 frames of 12 x 10 pixels, more than its 240 bytes",
        ),
        (
            {"Rows": 65535, "Columns": 65535},
            "is damaged: it claims 65535 x 65535 pixels, more than",
        ),
        ({"BitsAllocated": 12}, "has pixels of 12 bits, which are not read"),
        ({"BitsStored": 20}, "is damaged: it claims 20 bits"),
        ({"SamplesPerPixel": 4}, "has 4 samples a pixel, called MONOCHROME2, which is not read"),
        ({"PhotometricInterpretation": "HSV"}, "has 1 samples a pixel, called HSV"),
    ],
)
def test_a_header_that_can_not_be_true_is_refused(tmp_path, values, message):
    path = write(tmp_path / "a", RAMP, **values)
    assert refusal(path).startswith(message)


def test_numbers_that_are_none_are_refused(tmp_path):
    path = write(tmp_path / "a", RAMP, WindowCenter="40", WindowWidth="400")
    path.write_bytes(path.read_bytes().replace(b"400 ", b"4x0 "))
    assert refusal(path) == "is damaged: its WindowWidth is 4x0 "
    path.write_bytes(path.read_bytes().replace(b"4x0 ", b"nan "))
    assert refusal(path) == "is damaged: its WindowWidth is nan "


def test_an_image_without_pixels_is_damaged(tmp_path):
    made = dataset(RAMP)
    del made.PixelData
    assert refusal(save(tmp_path / "a", made)).startswith("is damaged: it has no pixels")
    (tmp_path / "b").write_bytes(bytes(128) + b"DICM")
    assert refusal(tmp_path / "b").startswith("is damaged: it names neither a size nor what it is")


def test_a_file_that_is_cut_off_anywhere_is_refused_or_known_to_be_none(tmp_path):
    shared = item(PixelMeasuresSequence=[item(PixelSpacing=[0.5, 0.25])])
    path = write(tmp_path / "a", RAMP, SharedFunctionalGroupsSequence=[shared])
    content = path.read_bytes()
    for length in range(132, len(content), 7):
        path.write_bytes(content[:length])
        assert refusal(path)


def test_headers_can_not_keep_the_reader_for_long(tmp_path, monkeypatch):
    nested = b"\x40\x00\x75\xa3SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    path = tmp_path / "a"
    path.write_bytes(bytes(128) + b"DICM" + nested * 100_000)
    assert "its sequences lie too deep within each other" in refusal(path)
    monkeypatch.setattr(header, "MAX_READS", 1000)
    path.write_bytes(bytes(128) + b"DICM" + b"\x09\0\x01\0LO\0\0" * 1001)
    assert "has a header of too many elements" in refusal(path)


def test_an_element_that_claims_more_than_the_file_takes_no_memory(tmp_path):
    path = tmp_path / "a"
    claim = b"\x28\0\x06\x30OW\0\0\xf0\xff\xff\xff" + bytes(100)  # a table of greys
    path.write_bytes(bytes(128) + b"DICM" + claim)
    tracemalloc.start()
    try:
        assert refusal(path) == "is damaged: it is cut off"
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_flipped_bits_are_refused_in_words_or_make_no_difference(tmp_path):
    random = np.random.default_rng(0)
    made = dataset(RAMP, WindowCenter=[2000, 40], WindowWidth=[4000, 400], PixelPaddingValue=0)
    content = save(tmp_path / "a", made).read_bytes()
    path = tmp_path / "b"
    refused = []
    for _ in range(300):
        damaged = bytearray(content)
        for place in random.integers(132, len(content) - RAMP.nbytes, 3):
            damaged[place] ^= 1 << random.integers(8)
        path.write_bytes(damaged)
        try:
            picture(path)
        except NoPixels:
            pass
        except RequestError as error:
            refused.append(str(error))
    assert len(refused) > 30
    assert all(text.startswith(str(path)) and "\n" not in text for text in refused)


def test_no_warning_is_given_whatever_the_filters_and_from_any_thread(tmp_path, caplog):
    """pydicom warns of each of these, NumPy of some."""
    path = write(tmp_path / "a", RAMP, WindowCenter="2000", WindowWidth="3.14159265358979323846")
    content = path.read_bytes()
    path.write_bytes(
        content.replace(b"1.2.840.10008.5.1.4.1.1.7\0", b"1.2.840.10008.5.1.4.1.1.x\0")
    )
    failures: list[BaseException] = []

    def read() -> None:
        try:
            for _ in range(20):
                picture(path)
        except BaseException as error:
            failures.append(error)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        threads = [threading.Thread(target=read) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (failures, caught, caplog.records) == ([], [], [])
    with pytest.warns(UserWarning, match="Invalid value for VR UI"):
        pydicom.dcmread(path)
