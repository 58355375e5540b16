"""NIfTI: which way up slices are, in which order they come, and what is black and white in them."""

from __future__ import annotations

import gzip
import itertools
import struct

import nibabel
import numpy as np
import pytest

from medigan_hub import MissingDependencyError, RequestError, inputs
from medigan_hub.errors import HubNote
from medigan_hub.metadata import Input
from medigan_hub.reading import Reading

GREY = Input("slice", "image", ("intensity",), required=False)
SHAPE = (3, 4, 5)
COUNTED = np.arange(60).reshape(SHAPE)
ALIGNED = np.diag([2.0, 3.0, 4.0, 1.0])
"""Towards right, front and head."""
BODY = {"R": 0, "L": 0, "A": 1, "P": 1, "S": 2, "I": 2}
WAYS = [
    "".join(letters[place] for place in order)
    for letters in itertools.product("RL", "AP", "SI")
    for order in itertools.permutations(range(3))
]
"""All ways in which a volume's axes may run along those of the body."""


def affine(way: str, degrees: float = 0) -> np.ndarray:
    """Return the affine of axes that run to these sides, turned about that of the head."""
    matrix = np.zeros((4, 4))
    matrix[3, 3] = 1
    for axis, letter in enumerate(way):
        matrix[BODY[letter], axis] = (1 if letter in "RAS" else -1) * (1 + BODY[letter])
    turn = np.eye(4)
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn[:2, :2] = [[cos, -sin], [sin, cos]]
    return turn @ matrix


def write(path, data, matrix=ALIGNED, *, kind=nibabel.Nifti1Image, **header):
    image = kind(data, matrix, dtype=data.dtype)
    for name, value in header.items():
        image.header[name] = value
    nibabel.save(image, path)
    return path


def slices(path, **wishes) -> list[np.ndarray]:
    return [image[:, :, 0] for image in inputs.find(path, Reading(**wishes))]


def as_seen(path) -> dict[str, list[np.ndarray]]:
    """Return the slices by the body's axes: head up, or front up, and the patient's right at left.

    Those from the side have the front at the left.
    """
    data = np.asarray(nibabel.as_closest_canonical(nibabel.load(path)).dataobj)
    return {
        name: [np.flip(cut, (0, 1)).T for cut in np.moveaxis(data, axis, 0)]
        for axis, name in enumerate(["sagittal", "coronal", "axial"])
    }


@pytest.mark.parametrize("form", ["sform", "qform", "oblique"])
def test_slices_are_upright_and_in_order_however_a_volume_is_stored(tmp_path, form):
    """48 ways, each cut along three axes."""
    path = tmp_path / "volume.nii"
    data = COUNTED.astype(np.uint8)
    for way in WAYS:
        matrix = affine(way, 12 if form == "oblique" else 0)
        image = nibabel.Nifti1Image(data, matrix)
        if form == "qform":
            image.set_qform(matrix, 1)
            image.set_sform(None, 0)
        nibabel.save(image, path)
        for name, wanted in as_seen(path).items():
            found = slices(path, slice_axis=name)
            assert len(found) == len(wanted)
            assert all(map(np.array_equal, found, wanted)), (way, name)
        assert all(map(np.array_equal, slices(path), as_seen(path)["axial"])), way


def test_a_volume_that_says_nothing_of_space_is_cut_as_it_is_stored(tmp_path):
    path = write(tmp_path / "bare.nii", COUNTED.astype(np.uint8), None)
    assert np.array_equal(slices(path), COUNTED.transpose(2, 1, 0))
    with pytest.raises(RequestError, match=r"bare\.nii does not say how it lies in the body, so t"):
        inputs.find(path, Reading(slice_axis="coronal"))
    for axis, order in enumerate([(0, 2, 1), (1, 2, 0), (2, 1, 0)]):
        for place in (axis, str(axis)):
            found = slices(path, slice_axis=place)
            assert np.array_equal(found, COUNTED.transpose(order)), axis


def test_a_stored_axis_is_taken_whatever_the_affine_says(tmp_path):
    path = write(tmp_path / "a.nii", COUNTED.astype(np.uint8), affine("LPI"))
    assert np.array_equal(slices(path, slice_axis=0), COUNTED.transpose(0, 2, 1))


def test_an_array_that_was_saved_by_hand_keeps_its_rows_and_columns(tmp_path):
    path = write(tmp_path / "a.nii", COUNTED.astype(np.uint8), np.eye(4))
    images = inputs.find(path)
    with pytest.warns(HubNote, match="slices along axis 2 as an array, since its affine is the id"):
        images.check(GREY, "toy")
    assert np.array_equal([image[:, :, 0] for image in images], COUNTED.transpose(2, 0, 1))
    assert np.array_equal(slices(path, slice_axis="axial"), as_seen(path)["axial"])


@pytest.mark.parametrize("kind", [np.int8, np.int16, np.uint16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_values_reach_from_the_lowest_to_the_highest_of_the_volume(tmp_path, kind, order, suffix):
    data = (COUNTED - 10).astype(np.dtype(kind).newbyteorder(order))
    if kind == np.uint16:
        data += 10
    for number in (1, 2):
        image_type = getattr(nibabel, f"Nifti{number}Image")
        header = image_type.header_class(endianness=order)
        image = image_type(data, ALIGNED, header, dtype=data.dtype)
        nibabel.save(image, tmp_path / f"a{suffix}")
        with pytest.warns(HubNote, match="the lowest and the highest value of all"):
            found = slices(tmp_path / f"a{suffix}")
        wanted = np.rint(np.array(as_seen(tmp_path / f"a{suffix}")["axial"]) - data.min() * 1.0)
        assert np.array_equal(found, np.rint(wanted * 65535 / 59))


def test_8_bits_are_taken_as_they_are(tmp_path):
    path = write(tmp_path / "a.nii", COUNTED.astype(np.uint8), cal_min=1, cal_max=9)
    assert np.array_equal(slices(path), as_seen(path)["axial"])
    assert slices(path)[0].dtype == np.uint8


def test_scaled_values_are_those_that_count(tmp_path):
    data = COUNTED.astype(np.uint8)
    for suffix in (".nii", ".nii.gz"):
        image = nibabel.Nifti1Image(data, ALIGNED)
        image.header.set_slope_inter(2, -10)
        path = tmp_path / f"a{suffix}"
        nibabel.save(image, path)
        # From -10 to 108: the window from 0 to 100 cuts off both ends.
        values = np.array(as_seen(path)["axial"]) * 1.0
        assert values.min() == -10
        wanted = np.rint(np.clip(values / 100, 0, 1) * 65535)
        assert np.array_equal(slices(path, window=(50, 100)), wanted)


def test_the_header_says_what_is_black_and_white_and_a_wish_comes_before_it(tmp_path):
    path = write(tmp_path / "a.nii", COUNTED.astype(np.int16), cal_min=10, cal_max=20)
    values = np.array(as_seen(path)["axial"]) * 1.0
    images = inputs.find(path)
    with pytest.warns(HubNote, match="axial slices, cal_min 10 as black and cal_max 20 as white"):
        images.check(GREY, "toy")
    wanted = np.rint(np.clip((values - 10) / 10, 0, 1) * 65535)
    assert np.array_equal([image[:, :, 0] for image in images], wanted)
    wanted = np.rint(np.clip(values / 59, 0, 1) * 65535)
    assert np.array_equal(slices(path, window="29.5,59"), wanted)
    images = inputs.find(path, Reading(window=2))
    with pytest.raises(RequestError, match="says nothing of these input images; leave it"):
        images.check(GREY, "toy")
    write(path, COUNTED.astype(np.int16), cal_min=0, cal_max=59)
    images = inputs.find(path)
    with pytest.warns(HubNote) as notes:
        images.check(GREY, "toy")
    assert "cal_min" not in str(notes[0].message)  # nothing is cut off


def test_what_is_missing_is_black_and_does_not_count(tmp_path):
    data = COUNTED.astype(np.float32)
    data[0, 0, 0], data[1, 1, 1] = np.nan, np.inf
    path = write(tmp_path / "a.nii", data)
    with pytest.warns(HubNote, match="black is 1 and white 59, the lowest and the highest value"):
        found = np.array(slices(path, slice_axis=2))
    wanted = np.where(np.isfinite(data), np.rint((COUNTED - 1.0) * 65535 / 58), 0)
    assert np.array_equal(found, wanted.transpose(2, 1, 0))
    write(path, np.full(SHAPE, np.nan, np.float32))
    assert not np.any(slices(path))


def test_a_slice_and_a_volume_of_one_moment_are_read(tmp_path):
    data = COUNTED.astype(np.uint8)
    flat = write(tmp_path / "flat.nii.gz", data[:, :, 0])
    assert np.array_equal(inputs.read(flat)[:, :, 0], np.flip(data[:, :, 0], (0, 1)).T)
    for thin, name in enumerate(["sagittal", "coronal", "axial"]):
        path = write(tmp_path / "thin.nii", data.take([2], axis=thin))
        assert np.array_equal(inputs.read(path)[:, :, 0], as_seen(path)[name][0])
    row = write(tmp_path / "row.nii", data[:1, :, 0])
    for name in ("sagittal", "coronal", "axial"):
        assert sorted(inputs.find(row, Reading(slice_axis=name))[0].ravel()) == [0, 5, 10, 15]
    moment = write(tmp_path / "moment.nii", data[:, :, :, np.newaxis])
    assert np.array_equal(slices(moment), as_seen(write(tmp_path / "b.nii", data))["axial"])
    film = write(tmp_path / "film.nii", np.stack([data, data], axis=-1))
    with pytest.raises(RequestError, match=r"film\.nii has the shape 3 x 4 x 5 x 2; give a slice"):
        inputs.find(film)


def test_colours_and_vectors_have_channels(tmp_path):
    data = COUNTED.astype(np.uint8)
    colours = np.zeros(SHAPE, [(name, "u1") for name in "RGB"])
    for number, name in enumerate("RGB"):
        colours[name] = data + number
    wanted = np.stack([data, data + 1, data + 2], axis=-1).transpose(2, 1, 0, 3)
    path = write(tmp_path / "a.nii", colours, None)
    assert np.array_equal(list(inputs.find(path)), wanted)
    write(path, wanted.transpose(2, 1, 0, 3)[:, :, :, np.newaxis], None)
    assert np.array_equal(list(inputs.find(path)), wanted)
    seen = np.zeros(SHAPE, [(name, "u1") for name in "RGBA"])
    seen["A"] = 255
    write(path, seen, None)
    assert inputs.find(path)[0].shape == (4, 3, 3)
    seen["A"][0, 0, 0] = 254
    write(path, seen, None)
    with pytest.raises(RequestError, match="voxels that can be seen through; save it as RGB"):
        inputs.find(path)[0]
    write(path, COUNTED.astype(np.complex64))
    with pytest.raises(RequestError, match="holds complex64 values; give numbers"):
        inputs.find(path)[0]


def test_what_was_mended_in_a_header_is_said_once(tmp_path, caplog):
    content = bytearray(write(tmp_path / "a.nii", COUNTED.astype(np.uint8)).read_bytes())
    struct.pack_into("<2h", content, 252, 0, 99)  # codes of the coordinates
    (tmp_path / "a.nii").write_bytes(content)
    images = inputs.find(tmp_path / "a.nii")
    with pytest.warns(HubNote, match="slices along axis 2, sform_code 99 not valid; setting to 0"):
        images.check(GREY, "toy")
    assert len(images) == 5
    assert not caplog.records
    nibabel.load(tmp_path / "a.nii")
    assert "sform_code 99 not valid" in caplog.text  # where others use nibabel


def test_the_distance_of_pixels_is_that_of_rows_and_columns(tmp_path):
    path = write(tmp_path / "a.nii", COUNTED.astype(np.uint8), affine("PSR"))
    images = inputs.find(path, Reading(slice_axis="coronal"))
    with pytest.warns(HubNote, match="coronal slices"):
        images.check(GREY, "toy")
    assert images.spacing(0) == (3, 1)  # 3 mm towards the head, 1 mm towards the right


def test_two_volumes_of_one_body_go_together_slice_by_slice(tmp_path):
    """However they are stored: the fourth slice of one is not another place of the other's."""
    data = COUNTED.astype(np.uint8)
    straight = write(tmp_path / "t1.nii", data, affine("RAS"))
    upside_down = write(tmp_path / "t2.nii.gz", data[:, ::-1, ::-1], affine("RPI"))
    found = inputs.paired({"t1": inputs.find(straight), "t2": inputs.find(upside_down)})
    assert len(found["t1"]) == 5
    for place in range(5):
        assert np.array_equal(found["t1"][place], found["t2"][place])


def test_damaged_volumes_are_refused_in_one_line(tmp_path):
    good = write(tmp_path / "good.nii", COUNTED.astype(np.int16)).read_bytes()
    path = tmp_path / "bad.nii"

    def changed(place: int, form: str, *values) -> bytes:
        content = bytearray(good)
        struct.pack_into(form, content, place, *values)
        return bytes(content)

    bad = {
        "empty; give an image": b"",
        "is damaged: it claims": changed(42, "<3h", 3000, 3000, 3000),
        "is damaged: it claims ": changed(42, "<3h", -3, 4, 5),
        "is damaged: it claims  ": changed(42, "<3h", 0, 4, 5),
        "is damaged: it claims 3 x 4 x 5 voxels, and holds at most": good[:400],
        "is damaged: ": changed(70, "<h", 12345),
        "is the header of two files; save it as one": changed(344, "4s", b"ni1\0"),
        "is not an image that can be read; give": changed(344, "4s", b"what"),
        "is damaged: its affine": changed(280, "<12f", *[0.0] * 12),
        "is damaged: data code 2048 not supported": changed(70, "<2h", 2048, 256),
    }
    for message, content in bad.items():
        path.write_bytes(content)
        with pytest.raises(RequestError, match=message.rstrip()) as error:
            inputs.find(path)[0]
        assert "bad.nii" in str(error.value)
        assert "\n" not in str(error.value)
    packed = gzip.compress(good)
    path.write_bytes(packed[:-12])
    with pytest.raises(RequestError, match=r"bad\.nii (is damaged|can't be read)"):
        inputs.find(path)[0]


def test_volumes_without_nibabel_name_the_extra(tmp_path, monkeypatch):
    path = write(tmp_path / "a.nii", COUNTED.astype(np.uint8))
    monkeypatch.setitem(__import__("sys").modules, "nibabel", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'medigan-hub\[nifti\]'"):
        inputs.find(path)


@pytest.mark.parametrize(
    ("affine", "unit", "spacing"),
    [
        (np.diag([-0.5, -0.25, 3, 1]), None, (0.25, 0.5)),
        (np.diag([-500, -250, 3, 1]), "micron", (0.25, 0.5)),
        (np.diag([0.0005, 0.00025, 0.003, 1]), "meter", (0.25, 0.5)),
        (np.eye(4), None, None),  # it was saved from an array by hand, and says nothing of space
        (np.eye(4), "mm", (1, 1)),
        (None, None, None),
    ],
)
def test_the_distance_of_voxels_is_known_where_the_file_says_it(tmp_path, affine, unit, spacing):
    image = nibabel.Nifti1Image(np.zeros((4, 3), np.uint8), affine)
    if unit is not None:
        image.header.set_xyzt_units(unit)
    nibabel.save(image, tmp_path / "a.nii")
    images = inputs.find(tmp_path / "a.nii")
    assert images[0].max() == 0
    found = images.spacing(0)
    assert found is None if spacing is None else found == pytest.approx(spacing)
