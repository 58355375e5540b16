"""Images that are another one, whatever their file."""

from __future__ import annotations

import numpy as np
import pytest

from medigan_hub.evaluation.preparation import Preparation
from medigan_hub.evaluation.privacy.duplicates import Digests, duplicates
from support.fields import fields


def digests(*images):
    return Digests().features([Preparation()(image, Digests()) for image in images])


@pytest.fixture
def image():
    return fields(1, 0, 12)[0][:, :9]


def test_the_same_pixels_are_the_same_in_every_form(image):
    forms = {
        "16 bits": image.astype(np.uint16) * 257,
        "fractions": image.astype(np.float32) / 255,
        "colour": image.repeat(3, axis=-1),
        "opaque": np.concatenate([image, np.full_like(image, 255)], axis=-1),
        "left-right": image[:, ::-1],
        "up-down": image[::-1],
        "left-right and up-down": image[::-1, ::-1],
    }
    found = duplicates(digests(*forms.values()), digests(image[:5], image))
    assert [(each.place, each.of) for each in found] == [(n, 1) for n in range(len(forms))]
    assert [each.mirrored for each in found] == ["", "", "", "", *list(forms)[4:]]


def test_16_bits_are_told_apart(image):
    fine = image.astype(np.uint16) * 257
    other = fine.copy()
    other[3, 3] += 1
    assert duplicates(digests(other), digests(fine)) == []
    assert duplicates(digests(fine / np.float32(2**16 - 1)), digests(fine)) != []


def test_another_size_and_other_colours_are_another_image(image):
    red = image.repeat(3, axis=-1)
    red[..., 1] = 0
    assert duplicates(digests(image[1:], red), digests(image)) == []


def test_images_of_one_grey_level_are_no_copies():
    black = np.zeros((6, 6, 1), np.uint8)
    assert duplicates(digests(black, black), digests(black)) == []


def test_the_first_of_several_is_named(image):
    found = duplicates(digests(image), digests(image[:4], image, image))
    assert [(each.place, each.of) for each in found] == [(0, 1)]
