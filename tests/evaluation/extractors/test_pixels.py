from __future__ import annotations

import numpy as np

from medigan_hub.evaluation import extractors


def test_features_are_the_grey_levels():
    extractor = extractors.find("pixels")
    images = np.random.default_rng(0).random((2, 176, 176, 1), np.float32)
    found = extractor.features(list(images))
    assert found.shape == (2, *extractor.shape)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, images[..., 0])
