from __future__ import annotations

import numpy as np
import pytest

from medigan_hub.errors import RequestError
from medigan_hub.evaluation.sources.drawn import Drawn
from support.image_sets import ArraySet


def images(number=40):
    return ArraySet(
        {f"{n}.png": np.full((3, 2, 1), n, np.uint8) for n in range(number)},
        groups={f"{n}.png": f"patient {n // 2}" for n in range(number)},
        facts={f"{n}.png": {"label": str(n)} for n in range(number)},
        spacing=(0.5, 0.5),
    )


def test_some_are_drawn_by_a_seed_and_keep_their_order():
    found, again, other = (Drawn(images(), 15, seed) for seed in (3, 3, 4))
    places = [int(image[0, 0, 0]) for image in found.images()]
    assert len(found) == 15
    assert places == sorted(set(places))
    assert [item.name for item in found.items] == [f"{n}.png" for n in places]
    assert [item.group for item in found.items] == [f"patient {n // 2}" for n in places]
    assert [found.fact(n, "label") for n in range(15)] == [str(n) for n in places]
    assert found.key == again.key
    assert found.key not in (other.key, images().key)
    assert [int(image[0, 0, 0]) for image in found.images(9)] == places[9:]
    assert list(found.images(15)) == []
    assert "arrays: 15 of its 40 images, drawn by the seed" in found.notes


def test_all_have_the_same_chance():
    drawn = [item.name for seed in range(400) for item in Drawn(images(8), 2, seed).items]
    counts = [drawn.count(f"{n}.png") for n in range(8)]
    assert sum(counts) == 800
    assert all(65 <= count <= 135 for count in counts)


def test_no_image_is_read_after_the_last_one():
    whole = images()
    found = Drawn(whole, 1, 0)
    list(found.images())
    assert whole.read == [found.items[0].name]
    assert found.spacing(0) == (0.5, 0.5)


def test_more_than_there_are_can_not_be_drawn():
    with pytest.raises(RequestError, match="the number of images is 41"):
        Drawn(images(), 41, 0)
