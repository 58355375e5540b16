"""What the hub wrote, read back as input: the same levels, however dark or bright an image is."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import tifffile
from PIL import Image

from medigan_hub import Hub, inputs
from medigan_hub.errors import HubNote
from medigan_hub.metadata import Input
from medigan_hub.reading import Reading
from medigan_hub.writers import dicom, png
from support import toys

pytestmark = pytest.mark.filterwarnings(
    "ignore:input images. (window|the array image$):medigan_hub.errors.HubNote"
)

CHANNELS = {1: ("intensity",), 3: ("red", "green", "blue")}
SHAPE = (9, 12)
"""Rows and columns."""
FITTING = {
    "png": set(png.FITTING),
    "dicom": {fit for fit in dicom.FITTING if fit[0] != "int16"},
    "nifti": {*png.FITTING, ("uint16", 3)},
    "npz": {*png.FITTING, ("uint16", 3)},
}
"""Images that each format holds."""
PLACES = {"npz": "samples/000000.npz", "nifti": "{}/000000.nii.gz", "dicom": "{}/000000.dcm"}
CASES = [(form, *fit) for form, fits in FITTING.items() for fit in sorted(fits)]


def dark(dtype: str, channels: int) -> np.ndarray:
    """Return an image whose brightest pixel is far from white, and its darkest from black."""
    pixels = np.random.default_rng(1).integers(100, 200, (*SHAPE, channels))
    if dtype == "uint16":
        pixels *= 15
    pixels[..., -1] += 3  # no grey in three channels
    return pixels.astype(dtype)


@pytest.fixture
def save(install, document, tmp_path):
    """Return a function that saves an image as input and output, and returns where it lies."""

    def save_in(form, pixels, *, range_=None):
        channels = list(CHANNELS[pixels.shape[-1]])
        document["task"], document["latent"] = "image-to-image", None
        document["inputs"] = [
            {"name": "start", "kind": "image", "channels": channels, "required": True}
        ]
        document["outputs"][0] |= {
            "shape": [None, None, len(channels)],
            "dtype": str(pixels.dtype),
            "range": range_ or [0, np.iinfo(pixels.dtype).max],
            "channels": channels,
        }
        install(code=toys.code("halved"), document=document)
        bits = 16 if pixels.dtype == np.uint16 else None
        Hub().save("toy-noise", 1, tmp_path / "out", format=form, inputs=pixels, bits=bits)

        def place(name):
            return tmp_path / "out" / PLACES.get(form, "{}/000000.png").format(name)

        return place

    return save_in


def read_back(path, channels: int) -> np.ndarray:
    """Return the image as a model would be given it; nothing may be guessed of its levels."""
    images = inputs.find(path)
    images.check(Input("image", "image", CHANNELS[channels], required=True), "toy")
    assert len(images) == 1
    return images[0]


@pytest.mark.parametrize(("form", "dtype", "channels"), CASES)
def test_an_image_comes_back_with_its_levels(save, form, dtype, channels):
    pixels = dark(dtype, channels)
    place = save(form, pixels)
    found = read_back(place("image"), channels)
    assert found.dtype == dtype
    assert np.array_equal(found, pixels // 2)
    if form != "npz":  # where the image is the one that is taken
        assert np.array_equal(read_back(place("start"), channels), pixels)


@pytest.mark.parametrize("form", ["dicom", "nifti", "npz"])
def test_the_white_that_a_model_declares_is_white(save, form):
    """A PNG can't say that its white is not that of 16 bits; its reader says what it took."""
    pixels = dark("uint16", 1)
    found = read_back(save(form, pixels, range_=[0, 4095])("image"), 1)
    wanted = np.rint((pixels // 2) * (65535 / 4095))
    assert np.abs(found - wanted).max() <= 16  # of a DICOM window, the ends are half a level off
    assert found.max() < 65535 * 0.5


def test_a_png_of_fewer_levels_does_not_claim_all_16_bits(save):
    pixels = dark("uint16", 1)
    images = inputs.find(save("png", pixels, range_=[0, 4095])("image"))
    with pytest.warns(HubNote, match="taken as 12 bits"):
        found = images[0]
    assert np.array_equal(found, np.rint((pixels // 2) * (65535 / 4095)))


@pytest.mark.parametrize(
    ("dtype", "channels"), list(itertools.product(["uint8", "uint16"], [1, 3]))
)
def test_a_tiff_comes_back_with_its_levels(tmp_path, dtype, channels):
    """It can't say how many bits count, which the caller does."""
    pixels = dark(dtype, channels)
    flat = pixels[:, :, 0] if channels == 1 else pixels
    reading = Reading(bits=16) if dtype == "uint16" else Reading()
    path = tmp_path / "a.tif"
    kinds = {} if channels == 1 else {"photometric": "rgb"}
    for how in (kinds, {**kinds, "compression": "zlib"}, {**kinds, "tile": (16, 16)}):
        tifffile.imwrite(path, flat, **how)
        assert np.array_equal(inputs.read(path, reading), pixels), how
    if (dtype, channels) != ("uint16", 3):  # which Pillow does not write
        Image.fromarray(flat).save(path)
        assert np.array_equal(inputs.read(path, reading), pixels)


@pytest.mark.parametrize("form", ["png", "dicom", "nifti"])
def test_a_data_set_is_an_input_as_a_folder(save, form):
    pixels = dark("uint16", 1)
    folder = save(form, pixels)("image").parent
    assert np.array_equal(read_back(folder, 1), pixels // 2)
