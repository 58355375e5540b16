from __future__ import annotations

import itertools

import numpy as np
import pytest

from medigan_hub.evaluation import metrics
from medigan_hub.evaluation.metrics.similarity import WEIGHTS, ms_ssim
from support.features import uneven


def images(number, side):
    """Return images with structure of several sizes, 0 to 1."""
    rng = np.random.default_rng(number)
    coarse = np.kron(rng.random((number, side // 8, side // 8)), np.ones((8, 8)))
    return (0.7 * coarse + 0.3 * rng.random(coarse.shape)).astype(np.float32)


def test_values_equal_torchmetrics():
    torch = pytest.importorskip("torch")
    image = pytest.importorskip("torchmetrics.functional.image")
    one, other = images(3, 176), images(4, 176)[:3] * 0.5 + 0.2
    sets = [torch.from_numpy(each.astype(np.float64))[:, None] for each in (one, other)]
    wish = {"data_range": 1.0, "reduction": "none"}
    finer = image.multiscale_structural_similarity_index_measure(
        *sets, **wish, betas=(*WEIGHTS[:4], 0.0)
    )
    # The last scale there has a border that was mirrored; as published there is none.
    small = [torch.nn.functional.avg_pool2d(each, 16) for each in sets]
    _, places = image.structural_similarity_index_measure(*small, **wish, return_full_image=True)
    coarsest = places[:, 0, 5:-5, 5:-5].mean(dim=(1, 2)).relu()
    expected = (finer * coarsest ** WEIGHTS[4]).numpy()
    assert (expected > 0.01).all()
    np.testing.assert_allclose(ms_ssim(one, other), expected, rtol=1e-6)


def test_smaller_images_have_fewer_scales():
    one = images(3, 24)
    found = ms_ssim(one, np.roll(one, 1, axis=0))
    assert ((found < 0.9) & (found >= 0)).all()
    np.testing.assert_allclose(ms_ssim(one, one), 1)


def test_the_value_is_the_mean_over_pairs():
    few = images(5, 24)
    pairs = [ms_ssim(few[[a]], few[[b]])[0] for a, b in itertools.combinations(range(5), 2)]
    assert metrics.find("intra-MS-SSIM")(few, few) == pytest.approx(np.mean(pairs))


def test_pairs_of_a_group_are_left_out():
    some, groups = images(8, 16), uneven(8, 8, 3)
    found = metrics.find("intra-MS-SSIM").left_out(some, some, groups)
    for group, value in enumerate(found):
        kept = some[groups.synthetic != group]
        pairs = itertools.combinations(range(len(kept)), 2)
        expected = np.mean([ms_ssim(kept[[a]], kept[[b]])[0] for a, b in pairs])
        assert value == pytest.approx(expected)


def test_of_many_images_the_pairs_are_drawn_from_all():
    many = np.zeros((1200, 16, 16), np.float32)
    assert metrics.find("intra-MS-SSIM")(many, many) == pytest.approx(1)
    many[::2] = np.indices((16, 16)).sum(axis=0) % 2
    assert 0.3 < metrics.find("intra-MS-SSIM")(many, many) < 0.7
