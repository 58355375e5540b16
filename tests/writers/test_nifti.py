from __future__ import annotations

import gzip
import json
import struct
import sys

import nibabel
import numpy as np
import pytest

from medigan_hub import Hub, HubError
from medigan_hub.provenance import GIVEN_INPUT, NOTICE, SIMULATED_INPUT

IMAGE = {
    "name": "image",
    "kind": "image",
    "shape": [8, 6, 1],
    "dtype": "uint8",
    "range": [0, 255],
    "channels": ["intensity"],
}
VOLUME = {**IMAGE, "shape": [4, 8, 6, 1], "spacing_mm": [3, 2, 1.5], "orientation": ["S", "P", "L"]}
RANGES = {
    "uint8": [0, 255],
    "uint16": [0, 65535],
    "int16": [-32768, 32767],
    "int32": [-(2**31), 2**31 - 1],
    "int64": [-(10**14), 10**14],
    "float32": [0, 1],
}
INPUT = {"name": "start", "kind": "image", "channels": ["intensity"], "required": False}


@pytest.fixture
def save(install, drawing, document, tmp_path):
    """Return a function that saves a data set of a toy model and returns its folder."""

    def save_data_set(*outputs, takes_input=False, count=2, folder="out", **wishes):
        document["outputs"] = list(outputs)
        document["inputs"] = [INPUT] if takes_input else []
        if not (tmp_path / "site" / "medigan_model_toy_noise").exists():
            install(code=drawing, document=document)
        Hub().save("toy-noise", count, tmp_path / folder, format="nifti", **wishes)
        return tmp_path / folder

    return save_data_set


def read(folder, name="image", index=1):
    return nibabel.load(folder / name / f"{index:06d}.nii.gz")


def values(image):
    return np.asanyarray(image.dataobj)


def sample(index=1, count=2):
    (batch,) = Hub().generate("toy-noise", count)
    return {name: array[index] for name, array in batch.arrays.items()}


@pytest.mark.parametrize("dtype", RANGES)
@pytest.mark.parametrize("shape", [[8, 6, 1], [4, 8, 6, 1]], ids=["slice", "volume"])
def test_values_of_every_type_come_back_exactly_with_x_first(save, dtype, shape):
    folder = save({**IMAGE, "shape": shape, "dtype": dtype, "range": RANGES[dtype]})
    image = read(folder)
    assert image.get_data_dtype() == values(image).dtype == dtype
    stored = gzip.decompress((folder / "image" / "000001.nii.gz").read_bytes())
    assert struct.unpack_from("<2f", stored, 112) == (1, 0)  # slope and intercept
    pixels = sample()["image"].reshape(-1, 8, 6)  # depth, height, width
    assert values(image).shape == (6, 8, len(pixels))
    assert np.array_equal(values(image), pixels.transpose())
    assert np.array_equal(image.get_fdata(), pixels.transpose())


@pytest.mark.parametrize("names", [["red", "green", "blue"], ["R", "G", "B"]])
def test_colours_are_pixels_of_rgb24(save, names):
    folder = save({**IMAGE, "shape": [8, 6, 3], "channels": names})
    image = read(folder)
    assert image.header["datatype"] == 128
    assert image.shape == (6, 8, 1)
    pixels = np.stack([values(image)[key][:, :, 0] for key in "RGB"], axis=-1)
    assert np.array_equal(pixels, sample()["image"].transpose(1, 0, 2))


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [8, 6, 2], "channels": ["t1", "t2"]},
        {"shape": [8, 6, 3], "channels": ["t1", "t2", "flair"]},
        {"shape": [8, 6, 3], "channels": ["red", "green", "blue"], "dtype": "uint16"},
    ],
)
def test_other_channels_are_the_fifth_axis(save, change):
    folder = save({**IMAGE, **change})
    image = read(folder)
    assert image.header.get_intent()[0] == "vector"
    assert image.shape == (6, 8, 1, 1, change["shape"][2])
    assert np.array_equal(values(image)[:, :, 0, 0], sample()["image"].transpose(1, 0, 2))


def test_the_place_of_a_volume_is_that_of_the_metadata(save):
    image = read(save(VOLUME))
    assert image.header.get_zooms() == (1.5, 2, 3)
    assert image.header.get_xyzt_units()[0] == "mm"
    assert nibabel.aff2axcodes(image.affine) == ("L", "P", "S")
    assert np.array_equal(image.affine[:3, :3], np.diag([-1.5, -2, 3]))
    assert np.allclose(image.affine @ [2.5, 3.5, 1.5, 1], [0, 0, 0, 1])  # its middle
    assert np.allclose(image.header.get_qform(), image.affine)
    assert image.header["qform_code"] == image.header["sform_code"] == 2


@pytest.mark.parametrize(
    ("orientation", "axes"),
    [(["P", "L"], "LPS"), (["A", "R"], "RAS"), (["I", "P"], "PIR"), (["S", "L"], "LSA")],
)
def test_the_third_axis_of_a_slice_completes_the_others(save, orientation, axes):
    folder = save({**IMAGE, "spacing_mm": [1.6, 0.25], "orientation": orientation})
    image = read(folder)
    assert "".join(nibabel.aff2axcodes(image.affine)) == axes
    assert np.allclose(image.header.get_zooms(), (0.25, 1.6, 1))
    assert np.isclose(np.linalg.det(image.affine), 0.4)  # not mirrored
    assert np.allclose(image.header.get_qform(), image.affine)


def test_a_volume_may_be_left_handed(save):
    image = read(save({**VOLUME, "orientation": ["S", "A", "L"]}))
    assert nibabel.aff2axcodes(image.affine) == ("L", "A", "S")
    assert np.allclose(image.header.get_qform(), image.affine)


def test_what_is_not_known_of_the_place_is_not_claimed(save):
    spaced = {**IMAGE, "name": "spaced", "spacing_mm": [1.5, 0.25]}
    turned = {**IMAGE, "name": "turned", "orientation": ["P", "L"]}
    folder = save(IMAGE, spaced, turned)
    found = {
        name: (
            header.get_zooms(),
            header.get_xyzt_units()[0],
            int(header["qform_code"]),
            int(header["sform_code"]),
        )
        for name in ("image", "spaced", "turned")
        for header in [read(folder, name).header]
    }
    assert found == {
        "image": ((1, 1, 1), "unknown", 0, 0),
        "spaced": ((0.25, 1.5, 1), "mm", 0, 0),
        "turned": ((1, 1, 1), "unknown", 2, 2),
    }


def words(image):
    (extension,) = image.header.extensions
    assert extension.get_code() == 6
    return json.loads(extension.get_content())


def description(image):
    return image.header["descrip"].item().decode()


def test_every_file_says_that_it_is_synthetic_and_how_it_was_made(save):
    folder = save(IMAGE, takes_input=True, seed=9)
    for name in ("image", "start"):
        image = read(folder, name)
        assert description(image) == "Synthetic: toy-noise 1.0.0, seed 9, sample 1"
        said = words(image)
        notice = SIMULATED_INPUT if name == "start" else NOTICE
        assert (said["Synthetic"], said["Description"]) == ("yes", notice)
        assert (said["Model"], said["Licence"]) == ("toy-noise 1.0.0", "MIT")
        assert (said["Seed"], said["Sample"], said["Array"]) == ("9", "1", name)


def test_an_input_that_the_user_gave_is_not_called_synthetic(save, ramp):
    folder = save(IMAGE, takes_input=True, inputs=[ramp, 255 - ramp])
    given, made = read(folder, "start"), read(folder)
    assert np.array_equal(values(given)[:, :, 0], (255 - ramp)[:, :, 0].T)
    assert description(given) == "Given input of toy-noise 1.0.0, seed 0, sample 1"
    assert words(given)["Synthetic"] == "not known"
    assert words(given)["Description"] == GIVEN_INPUT.format(origin="given by the user")
    assert words(made)["Synthetic"] == "yes"


def test_a_long_name_leaves_the_description_in_its_80_bytes(save, document):
    document["version"] = "1.0.0-" + "x" * 58
    text = description(read(save(IMAGE)))
    assert len(text) == 79
    assert text.startswith("Synthetic: toy-noise 1.0.0-xxx")


def test_the_same_job_gives_the_same_bytes(save):
    contents = [
        {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.nii.gz")}
        for folder in (save(IMAGE, VOLUME | {"name": "volume"}, folder=name) for name in "ab")
    ]
    assert contents[0] == contents[1]
    assert sorted(contents[0]) == [
        f"{name}/00000{index}.nii.gz" for name in ("image", "volume") for index in (0, 1)
    ]
    for content in contents[0].values():
        assert content[3:8] == bytes(5)  # neither a file name nor a time


def test_a_missing_library_is_said_before_anything_is_made(save, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "nibabel", None)
    monkeypatch.delitem(sys.modules, "nibabel.nifti1")
    with pytest.raises(HubError, match=r"needs nibabel, .*pip install 'medigan-hub\[nifti\]'"):
        save(IMAGE)
    assert not (tmp_path / "out").exists()
