from __future__ import annotations

import numpy as np
import pytest

from medigan_hub.evaluation import metrics
from support import REFERENCE
from support.features import pair


def by_eigenvalues(real, synthetic):
    """Return the distance by the symmetric form with the root of a covariance."""
    covariances = [np.cov(each, rowvar=False) for each in (real, synthetic)]
    variances, axes = np.linalg.eigh(covariances[0])
    root = axes * np.sqrt(variances.clip(0)) @ axes.T
    shared = np.sqrt(np.linalg.eigvalsh(root @ covariances[1] @ root).clip(0)).sum()
    shift = real.mean(axis=0) - synthetic.mean(axis=0)
    return shift @ shift + sum(map(np.trace, covariances)) - 2 * shared


def test_fd_equals_torchmetrics():
    torch = pytest.importorskip("torch")
    fid = pytest.importorskip("torchmetrics.image.fid")
    sets = [each.astype(np.float64) for each in pair(300, 200)]
    means = [torch.from_numpy(each.mean(axis=0)) for each in sets]
    covariances = [torch.from_numpy(np.cov(each, rowvar=False)) for each in sets]
    expected = fid._compute_fid(means[0], covariances[0], means[1], covariances[1]).item()
    assert metrics.find("FD")(*sets) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("real", "synthetic"), [(20, 16), (20, 60), (60, 20), (31, 30)])
def test_fewer_images_than_features_give_what_eigenvalues_give(real, synthetic):
    sets = [each.astype(np.float64) for each in pair(real, synthetic, 30)]
    assert metrics.find("FD")(*sets) == pytest.approx(by_eigenvalues(*sets), rel=1e-6)


@pytest.mark.parametrize("number", [8, 40])
def test_equal_sets_are_at_nought_also_where_features_depend_on_each_other(number):
    real = np.abs(pair(number)[0])
    dependent = np.concatenate([real, real[:, :4] * 2, np.zeros((number, 1))], axis=1)
    assert metrics.find("FD")(dependent, dependent) == pytest.approx(0, abs=1e-9)


def test_normal_distributions_are_as_far_apart_as_they_are():
    rng = np.random.default_rng(0)
    real, synthetic = rng.standard_normal((2, 50_000, 3)) * [[[1, 2, 3]], [[2, 2, 1]]]
    expected = 0.5**2 * 3 + (1 - 2) ** 2 + (3 - 1) ** 2
    assert metrics.find("FD")(real, synthetic + 0.5) == pytest.approx(expected, rel=0.02)


def test_few_images_leave_a_bias():
    metric = metrics.find("FD")
    assert metric.is_biased(249, (100,))
    assert not metric.is_biased(250, (100,))


@pytest.mark.parametrize("name", ["plain", "constant", "few"])
def test_frd_equals_frd_score(name):
    known = np.load(REFERENCE / "frd-score.npz")
    value = metrics.find("FRD")(known[f"{name}_real"], known[f"{name}_synthetic"])
    assert value == pytest.approx(float(known[f"{name}_value"]), rel=1e-6)


def test_frd_is_for_unscaled_radiomics():
    assert metrics.find("FRD").extractors == ("radiomics",)
    assert metrics.find("FRD").scaling == "none"
    constant = np.ones((5, 3), np.float32)
    assert metrics.find("FRD")(constant, constant) == -np.inf
