"""What holds for each of the hub's metrics."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from medigan_hub.errors import RequestError
from medigan_hub.evaluation import metrics
from medigan_hub.evaluation.metrics import Metric
from support.features import pair, uneven

OF_FEATURES = [name for name in metrics.names() if name != "intra-MS-SSIM"]
EXACT = [name for name in OF_FEATURES if name not in ("MMD", "Vendi")]
"""Those in which nothing is drawn or chosen from all images."""


def images(number):
    return np.random.default_rng(1).random((number, 24, 24), np.float32)


def inputs(name):
    return (images(12), images(9)) if name == "intra-MS-SSIM" else pair()


def test_the_leading_metric_comes_first_and_names_fold_case():
    assert metrics.names() == [
        *("KID", "MMD", "FD", "FRD", "SWD", "precision", "recall", "density", "coverage"),
        *("Vendi", "intra-MS-SSIM"),
    ]
    assert metrics.find("kid").name == "KID"


@pytest.mark.parametrize("name", EXACT)
def test_leaving_out_groups_equals_computing_without_them(name):
    metric, (real, synthetic) = metrics.find(name), pair()
    groups = uneven(len(real), len(synthetic))
    slow = Metric.left_out(metric, real, synthetic, groups)
    assert len(set(slow.tolist())) > 1
    np.testing.assert_allclose(metric.left_out(real, synthetic, groups), slow, rtol=1e-9)


@pytest.mark.parametrize("name", [*EXACT, "MMD"])
def test_blocks_change_nothing(name, monkeypatch):
    metric, (real, synthetic) = metrics.find(name), pair()
    groups = uneven(len(real), len(synthetic))
    whole, without = metric(real, synthetic), metric.left_out(real, synthetic, groups)
    monkeypatch.setattr("medigan_hub.evaluation.metrics.blocks.BLOCK", 16)
    monkeypatch.setattr("medigan_hub.evaluation.metrics.sliced.BLOCK", 16)
    monkeypatch.setattr("medigan_hub.evaluation.metrics.sliced.VALUES", 500)
    assert metric(real, synthetic) == pytest.approx(whole, rel=1e-9)
    np.testing.assert_allclose(metric.left_out(real, synthetic, groups), without, rtol=1e-9)


@pytest.mark.parametrize("name", [n for n in EXACT if n != "FRD"])
def test_memory_does_not_hold_all_pairs(name, tmp_path, monkeypatch):
    monkeypatch.setattr("medigan_hub.evaluation.metrics.blocks.BLOCK", 128)
    monkeypatch.setattr("medigan_hub.evaluation.metrics.sliced.VALUES", 2**16)
    number = 1500
    for place, features in zip(("real", "synthetic"), pair(number, number, 4), strict=True):
        np.save(tmp_path / f"{place}.npy", features)
    sets = [np.load(tmp_path / f"{place}.npy", mmap_mode="r") for place in ("real", "synthetic")]
    metric, groups = metrics.find(name), uneven(number, number)
    metric(*pair())
    tracemalloc.start()
    try:
        metric.left_out(*sets, groups)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < number * number * 8 / 4


@pytest.mark.parametrize("name", metrics.names())
def test_the_same_features_give_the_same_value(name):
    metric, (real, synthetic) = metrics.find(name), inputs(name)
    assert metric(real, synthetic) == metric(real.copy(), synthetic.copy())


@pytest.mark.parametrize("name", [n for n in metrics.names() if n != "FRD"])
def test_constant_images_have_a_value(name):
    metric, (real, synthetic) = metrics.find(name), inputs(name)
    same, other = np.full_like(real, 0.5), np.full_like(synthetic, 0.25)
    for one, two in ((same, same), (same, other), (real, other), (same, synthetic)):
        assert np.isfinite(metric(one, two))


def test_equal_constant_sets_are_as_good_as_can_be():
    constant = np.ones((20, 3), np.float32)
    for name in ("KID", "MMD", "FD", "SWD", "precision", "recall", "density", "coverage"):
        metric = metrics.find(name)
        assert metric(constant, constant) == pytest.approx(metric.ideal, abs=1e-12)


@pytest.mark.parametrize("name", metrics.names())
def test_values_lie_within_their_limits(name):
    metric, (real, synthetic) = metrics.find(name), inputs(name)
    low, high = metric.limits
    assert low <= metric(real, synthetic) <= high


@pytest.mark.parametrize("name", ["Vendi", "intra-MS-SSIM"])
def test_of_one_set_the_real_images_are_not_asked(name):
    metric, (real, synthetic) = metrics.find(name), inputs(name)
    assert metric.is_of_one_set
    assert metric(real, synthetic) == metric(synthetic[:3], synthetic)
    assert metric(real, synthetic) != metric(real, synthetic[::-1] ** 2)


@pytest.mark.parametrize(
    ("name", "real", "synthetic", "message"),
    [
        ("KID", (5, 4), (5, 3), r"have the shape \[5, 4\], those of synthetic ones \[5, 3\]"),
        ("KID", (5,), (5,), r"have the shape \[5\]"),
        ("coverage", (6, 3), (5, 3), "coverage needs 6 images in each set, and there are 5 synth"),
        ("Vendi", (49, 3), (60, 3), "Vendi needs 50 images in each set, and there are 49 real"),
    ],
)
def test_features_that_do_not_fit_are_refused(name, real, synthetic, message):
    with pytest.raises(RequestError, match=message):
        metrics.find(name).check(np.zeros(real), np.zeros(synthetic))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_is_refused_with_its_image(value):
    real, synthetic = pair()
    synthetic[41, 3] = value
    with pytest.raises(RequestError, match="a feature of synthetic image 41 is no number"):
        metrics.find("FD").check(real, synthetic)
