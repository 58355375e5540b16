from __future__ import annotations

import numpy as np
import pytest

from medigan_hub.evaluation import features
from medigan_hub.evaluation.preparation import Preparation
from medigan_hub.evaluation.sources import Item
from medigan_hub.evaluation.sources.samples import Samples
from support.extractors import Means

SIDES = (4, 6, 6)


class Made(Samples):
    """Samples of several sizes, or of the one that is declared."""

    key = "made"

    def __init__(self, shape):
        super().__init__("made", {"model": "toy"}, {"shape": shape, "range": [0, 255]})
        self.opened = 0

    @property
    def samples(self):
        return [Item(f"sample {n}", str(n)) for n in range(len(SIDES))]

    def arrays(self, start):
        self.opened += 1
        for side in SIDES[start:]:
            yield np.zeros((*self._output["shape"][:-3], side, side + 1, 3), np.uint8)


def described(images):
    return features.of(images, [(Means(), Preparation(is_normalized=False, protocol="hub"))])


def test_sizes_that_a_model_does_not_declare_are_known_once_they_were_read_or_recalled():
    first, again = Made([None, None, 3]), Made([None, None, 3])
    assert first.sizes == []
    described(first)
    assert first.sizes == [(6, 7, 3), (4, 5, 3)]
    described(again)
    assert again.opened == 0
    assert again.sizes == first.sizes


@pytest.mark.parametrize("shape", [[6, 7, 3], [2, 6, 7, 3]])
def test_sizes_that_a_model_declares_are_known_at_once(shape):
    assert Made(shape).sizes == [(6, 7, 3)]
    assert Made(shape).learned() is None
