"""Preparation: what extractors are given, and medigan's way held against OpenCV."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from medigan_hub.errors import RequestError
from medigan_hub.evaluation.extractors import Extractor
from medigan_hub.evaluation.preparation import Preparation


class Toy(Extractor):
    name = "toy"
    title = "mean"
    shape = (1,)

    def __init__(self, size=None, channels=1):
        super().__init__()
        self.size, self.channels = size, channels

    def features(self, images):
        return np.array([[image.mean()] for image in images], np.float32)


HUB, MEDIGAN = Preparation(), Preparation(protocol="medigan")


def noise(*shape, dtype=np.uint8, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


def test_grey_is_repeated_and_keeps_its_values():
    image = noise(5, 7, 1)
    found = HUB(image, Toy(channels=3))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, (image / np.float32(255)).repeat(3, axis=-1))


def test_colours_become_their_luma_without_rounding():
    image = np.zeros((2, 2, 3), np.uint8)
    image[0, 0, 1] = 1
    assert HUB(image, Toy())[0, 0] == pytest.approx(0.587 / 255, rel=1e-6)
    assert HUB(np.full((2, 2, 3), 255, np.uint8), Toy()).max() <= 1


def test_16_bits_are_kept_as_fractions():
    image = np.array([[[256], [257]]], np.uint16)
    np.testing.assert_allclose(HUB(image, Toy()).ravel() * 65535, [256, 257], rtol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_opacity_is_left_out(channels):
    image = noise(4, 4, channels + 1)
    np.testing.assert_array_equal(
        HUB(image, Toy(channels=3)), HUB(image[:, :, :-1], Toy(channels=3))
    )


def test_fractions_stay_as_they_are_at_their_own_size():
    image = np.random.default_rng(0).random((6, 4, 1))
    np.testing.assert_array_equal(HUB(image, Toy()), image.astype(np.float32))


def test_resizing_is_bicubic_and_antialiased_each_channel_by_itself():
    image = noise(90, 70, 3, dtype=np.uint16)
    found = HUB(image, Toy((30, 35), channels=3))
    assert found.shape == (30, 35, 3)
    for channel in range(3):
        plain = Image.fromarray((image[:, :, channel] / 65535).astype(np.float32))
        want = np.asarray(plain.resize((35, 30), Image.Resampling.BICUBIC))
        np.testing.assert_allclose(found[:, :, channel], want.clip(0, 1), atol=1e-6)


def test_stripes_finer_than_the_pixels_become_grey():
    stripes = np.zeros((64, 64, 1), np.uint8)
    stripes[:, ::2] = 255
    np.testing.assert_allclose(HUB(stripes, Toy((16, 16)))[:, 2:-2], 0.5, atol=0.01)


def test_what_overshoots_an_edge_is_cut_off():
    edge = np.zeros((8, 8, 1), np.uint8)
    edge[:, 4:] = 255
    found = HUB(edge, Toy((32, 32)))
    assert (found.min(), found.max()) == (0, 1)


def test_min_max_is_taken_over_all_channels_once_an_image_has_its_size():
    image = noise(40, 40, 3) // 4 + 50
    plain = HUB(image, Toy((16, 16), channels=3))
    found = Preparation(is_normalized=True)(image, Toy((16, 16), channels=3))
    want = (plain - plain.min()) / (plain.max() - plain.min())
    np.testing.assert_allclose(found, want, atol=1e-6)
    assert (found.min(), found.max()) == (0, 1)


@pytest.mark.parametrize("protocol", ["hub", "medigan"])
def test_an_image_of_one_value_becomes_nothing(protocol):
    flat = np.full((9, 9, 3), 77, np.uint8)
    found = Preparation(is_normalized=True, protocol=protocol)(flat, Toy((4, 4), channels=3))
    np.testing.assert_array_equal(found, 0)


SHAPES = [(33, 80, 3), (64, 64, 1), (500, 301, 3), (1200, 77, 1), (122, 182, 3), (2, 1, 1)]


@pytest.mark.parametrize("shape", SHAPES)
def test_medigan_resizes_as_opencv_to_a_grey_level(shape):
    image = noise(*shape)
    found = MEDIGAN(image, Toy((61, 91), channels=3)) * 255
    blue_first = np.ascontiguousarray(np.broadcast_to(image, (*shape[:2], 3))[:, :, ::-1])
    want = cv2.resize(blue_first, (91, 61), interpolation=cv2.INTER_LINEAR)
    assert np.abs(found - want).max() <= 1
    assert np.abs(found - want).mean() < 0.02


def test_medigan_normalises_in_8_bits_as_opencv():
    image = noise(61, 91, 3) // 3 + 40
    found = Preparation(is_normalized=True, protocol="medigan")(image, Toy((61, 91), channels=3))
    want = cv2.normalize(image[:, :, ::-1], None, 0, 255, cv2.NORM_MINMAX)
    np.testing.assert_array_equal(np.rint(found * 255), want)


@pytest.mark.parametrize(
    "image", [noise(20, 30, dtype=np.uint16), noise(20, 30, 3), noise(20, 30, 4)]
)
def test_medigan_reads_what_opencv_reads(image, tmp_path):
    """16 bits lose the lower ones, opacity is left out, and blue comes first."""
    path = tmp_path / "image.png"
    Image.fromarray(image).save(path)
    found = MEDIGAN(np.atleast_3d(image), Toy((20, 30), channels=3))
    np.testing.assert_array_equal(np.rint(found * 255), cv2.imread(path))


@pytest.mark.parametrize("extractor", [Toy(channels=3), Toy((8, 8))])
def test_medigan_s_way_is_for_colour_images_of_one_size(extractor):
    with pytest.raises(RequestError, match=r"protocol=medigan is for networks .* leave toy or"):
        MEDIGAN.check(extractor)
    HUB.check(extractor)


def test_words_tell_ways_apart():
    ways = [Preparation(normal, protocol) for normal in (0, 1) for protocol in ("hub", "medigan")]
    assert len({way.words for way in ways}) == 4


def test_a_protocol_that_is_none_is_refused():
    with pytest.raises(RequestError, match="protocol is 'fid'; use hub or medigan"):
        Preparation(protocol="fid")


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((4, 4)), r"the shape \(4, 4\)"),
        (np.zeros((4, 0, 1)), r"the shape \(4, 0, 1\)"),
        (np.zeros((4, 4, 5)), r"the shape \(4, 4, 5\)"),
        (np.zeros((4, 4, 1), np.int32), "int32 values"),
        (np.full((4, 4, 1), 1.5), "from 1.5 to 1.5"),
        (np.full((4, 4, 1), np.nan), "fill what is missing"),
    ],
)
def test_what_is_no_image_is_refused(image, words):
    with pytest.raises(RequestError, match=words):
        HUB(image, Toy())
