from __future__ import annotations

import numpy as np
import pytest

from medigan_hub.evaluation import metrics
from support.features import pair, uneven


def gaussian_mmd(real, synthetic, bandwidth):
    """Return the unbiased square, straight from its definition."""

    def kernel(one, other):
        return np.exp(-((one[:, None] - other) ** 2).sum(-1) / (2 * bandwidth**2))

    own = [kernel(each, each) for each in (real, synthetic)]
    means = [(each.sum() - len(each)) / len(each) / (len(each) - 1) for each in own]
    return sum(means) - 2 * kernel(real, synthetic).mean()


def bandwidth(real, synthetic):
    pooled = np.concatenate([real, synthetic])
    distances = np.sqrt(((pooled[:, None] - pooled) ** 2).sum(-1))
    return np.median(distances[np.triu_indices(len(pooled), 1)])


def test_kid_equals_torchmetrics():
    torch = pytest.importorskip("torch")
    kid = pytest.importorskip("torchmetrics.image.kid")
    real, synthetic = (each.astype(np.float64) for each in pair(80, 80))
    expected = kid.poly_mmd(torch.from_numpy(real), torch.from_numpy(synthetic)).item()
    assert metrics.find("KID")(real, synthetic) == pytest.approx(expected, rel=1e-9)


def test_mmd_is_its_definition_with_and_without_groups():
    metric = metrics.find("MMD")
    real, synthetic = (each.astype(float) for each in pair(40, 30))
    width = bandwidth(real, synthetic)
    assert metric(real, synthetic) == pytest.approx(gaussian_mmd(real, synthetic, width))
    groups = uneven(40, 30)
    expected = [
        gaussian_mmd(real[groups.real != n], synthetic[groups.synthetic != n], width)
        for n in range(groups.count)
    ]
    np.testing.assert_allclose(metric.left_out(real, synthetic, groups), expected)


@pytest.mark.parametrize("name", ["KID", "MMD"])
def test_equal_distributions_are_at_nought_on_average(name):
    rng, metric = np.random.default_rng(0), metrics.find(name)
    values = [metric(*rng.standard_normal((2, 30, 5))) for _ in range(100)]
    assert min(values) < 0
    assert abs(np.mean(values)) < 3 * np.std(values) / 10


def test_the_width_of_the_kernel_follows_the_features():
    real, synthetic = pair()
    metric = metrics.find("MMD")
    assert metric(1000 * real, 1000 * synthetic) == pytest.approx(metric(real, synthetic))
