"""Metrics of pairs, each against another way to compute it, and where they have no value."""

from __future__ import annotations

import math

import numpy as np
import pytest

from medigan_hub.evaluation.metrics import find_pair
from medigan_hub.evaluation.pairs import Pair, Undefined

torch = pytest.importorskip("torch")
oracles = pytest.importorskip("torchmetrics.functional")
pytest.importorskip("scipy")


def noisy(*shape: int, seed: int = 0) -> Pair:
    rng = np.random.default_rng(seed)
    real = rng.random(shape)
    return Pair(real, np.clip(real + rng.normal(0, 0.1, shape), 0, 1))


def blobs(seed: int, spacing=None) -> Pair:
    """Two masks of a few rectangles each, one at the edge of the image."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((2, 40, 30), bool)
    for mask in masks:
        for _ in range(3):
            top, left = rng.integers(0, 25, 2)
            mask[top : top + rng.integers(1, 15), left : left + rng.integers(1, 9)] = True
    return Pair(*masks, spacing)


def tensors(pair: Pair):
    return [torch.from_numpy(np.moveaxis(a, -1, 0)[None]) for a in (pair.synthetic, pair.real)]


@pytest.mark.parametrize("shape", [(64, 48, 1), (40, 60, 3), (6, 200, 1)])
def test_ssim_is_that_of_torchmetrics(shape):
    pair = noisy(*shape)
    expected = oracles.image.structural_similarity_index_measure(*tensors(pair), data_range=1.0)
    assert find_pair("SSIM")(pair) == pytest.approx(expected.item(), rel=1e-9)


def test_ssim_is_what_its_formula_says_around_a_pixel():
    pair = noisy(30, 30, 1)
    region = np.zeros((30, 30), bool)
    region[12, 17] = True
    offsets = np.arange(-5, 6)
    weights = np.exp(-(offsets**2) / (2 * 1.5**2))
    weights = np.outer(weights, weights) / np.outer(weights, weights).sum()
    x, y = (image[7:18, 12:23, 0] for image in (pair.real, pair.synthetic))
    mean_x, mean_y = (weights * x).sum(), (weights * y).sum()
    var_x, var_y = (weights * (x - mean_x) ** 2).sum(), (weights * (y - mean_y) ** 2).sum()
    together = (weights * (x - mean_x) * (y - mean_y)).sum()
    c1, c2 = 0.01**2, 0.03**2
    expected = (2 * mean_x * mean_y + c1) * (2 * together + c2)
    expected /= (mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)
    found = find_pair("SSIM")(Pair(pair.real, pair.synthetic, region=region))
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("rows", [slice(0, 3), slice(12, 17), slice(20, 30), slice(0, 30)])
def test_ssim_inside_a_region_is_the_mean_of_the_map_there(rows):
    pair = noisy(30, 24, 3)
    region = np.zeros((30, 24), bool)
    region[rows, 4:11] = True
    region[rows.stop - 1, 20] = True
    _, local = oracles.image.structural_similarity_index_measure(
        *tensors(pair), data_range=1.0, return_full_image=True
    )
    found = find_pair("SSIM")(Pair(pair.real, pair.synthetic, region=region))
    assert found == pytest.approx(local[0].mean(0).numpy()[region].mean(), rel=1e-9)


@pytest.mark.parametrize(
    ("side", "name"),
    [(176, "MS-SSIM"), (175, "MS-SSIM (4 scales)"), (87, "MS-SSIM (3 scales)"), (22, "2 scales")],
)
def test_ms_ssim_has_as_many_scales_as_fit_and_says_so(side, name):
    pair = noisy(side, side + 9, 1)
    metric = find_pair("MS-SSIM")
    assert name in metric.called(pair)
    assert metric(Pair(pair.real, pair.real)) == pytest.approx(1)
    assert 0 < metric(pair) < 0.999


@pytest.mark.parametrize("shape", [(180, 176, 3), (191, 177, 1)])
def test_ms_ssim_is_that_of_torchmetrics_where_all_scales_fit(shape):
    pair = noisy(*shape)
    expected = oracles.image.multiscale_structural_similarity_index_measure(
        *tensors(pair), data_range=1.0
    )
    assert find_pair("MS-SSIM")(pair) == pytest.approx(expected.item(), rel=1e-6)


def test_ms_ssim_of_fewer_scales_has_weights_of_the_same_sum():
    weights = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
    pair = noisy(50, 44, 1)
    expected = oracles.image.multiscale_structural_similarity_index_measure(
        *tensors(pair),
        data_range=1.0,
        betas=tuple(weight * sum(weights) / sum(weights[:3]) for weight in weights[:3]),
    )
    assert find_pair("MS-SSIM")(pair) == pytest.approx(expected.item(), rel=1e-6)


def test_ms_ssim_of_an_image_and_its_negative_is_0_and_no_nan():
    real = noisy(64, 64, 1).real
    assert find_pair("MS-SSIM")(Pair(real, 1 - real)) == 0


def test_differences_are_those_of_torchmetrics():
    pair = noisy(20, 30, 3)
    synthetic, real = tensors(pair)
    psnr = oracles.image.peak_signal_noise_ratio(synthetic, real, data_range=1.0)
    assert find_pair("PSNR")(pair) == pytest.approx(psnr.item(), rel=1e-6)
    mse = oracles.regression.mean_squared_error(synthetic.ravel(), real.ravel())
    assert find_pair("MSE")(pair) == pytest.approx(mse.item(), rel=1e-9)
    mae = oracles.regression.mean_absolute_error(synthetic.ravel(), real.ravel())
    assert find_pair("MAE")(pair) == pytest.approx(mae.item(), rel=1e-9)
    nmse = (np.linalg.norm(pair.real - pair.synthetic) / np.linalg.norm(pair.real)) ** 2
    assert find_pair("NMSE")(pair) == pytest.approx(nmse, rel=1e-9)


@pytest.mark.parametrize("name", ["MSE", "MAE", "NMSE", "PSNR"])
def test_inside_a_region_its_pixels_alone_count(name):
    pair = noisy(20, 30, 3)
    region = np.zeros((20, 30), bool)
    region[5:9, 3:20] = True
    cut = Pair(pair.real[5:9, 3:20], pair.synthetic[5:9, 3:20])
    metric = find_pair(name)
    inside = metric(Pair(pair.real, pair.synthetic, region=region))
    assert inside == pytest.approx(metric(cut), rel=1e-12)
    assert inside != pytest.approx(metric(pair), rel=1e-3)


@pytest.mark.parametrize("seed", range(4))
def test_dice_is_that_of_torchmetrics(seed):
    pair = blobs(seed)
    one, other = (
        torch.from_numpy(mask.ravel().astype(int)) for mask in (pair.real, pair.synthetic)
    )
    expected = oracles.classification.binary_f1_score(one, other)
    assert find_pair("Dice")(pair) == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("spacing", [None, (0.5, 2.0)])
def test_hd95_is_that_of_all_distances(seed, spacing):
    pair = blobs(seed, spacing)

    def edge(mask: np.ndarray) -> np.ndarray:
        return np.array(
            [
                (row, column)
                for row, column in np.argwhere(mask)
                if not all(
                    0 <= r < 40 and 0 <= c < 30 and mask[r, c]
                    for r, c in (
                        (row - 1, column),
                        (row + 1, column),
                        (row, column - 1),
                        (row, column + 1),
                    )
                )
            ]
        ) * np.array(spacing or (1, 1))

    one, other = edge(pair.real), edge(pair.synthetic)
    distances = np.linalg.norm(one[:, None] - other[None], axis=-1)
    expected = max(np.percentile(distances.min(axis), 95) for axis in (0, 1))
    metric = find_pair("HD95")
    assert metric(pair) == pytest.approx(expected, rel=1e-9)
    assert metric.called(pair) == ("HD95 (mm)" if spacing else "HD95 (pixels)")


EMPTY, FULL = np.zeros((12, 12), bool), np.ones((12, 12), bool)
GREY, BLACK = np.full((12, 12, 1), 0.5), np.zeros((12, 12, 1))


@pytest.mark.parametrize(
    ("name", "real", "synthetic", "reason"),
    [
        ("Dice", EMPTY, EMPTY, "both masks are empty"),
        ("HD95", EMPTY, EMPTY, "both masks are empty"),
        ("HD95", FULL, EMPTY, "one mask is empty"),
        ("HD95", EMPTY, FULL, "one mask is empty"),
        ("PSNR", GREY, GREY, "the images are identical, and it is infinite"),
        ("NMSE", BLACK, GREY, "the real image is black"),
        ("SSIM", GREY[:5], GREY[:5], "the images have 5 rows or columns, or fewer"),
        ("MS-SSIM", GREY, GREY, "the images are too small for two scales"),
    ],
)
def test_where_there_is_no_value_a_reason_is_given(name, real, synthetic, reason):
    with pytest.raises(Undefined, match=reason):
        find_pair(name)(Pair(real, synthetic))


@pytest.mark.parametrize(
    ("name", "real", "synthetic", "value"),
    [
        ("Dice", FULL, EMPTY, 0),
        ("Dice", FULL, FULL, 1),
        ("HD95", FULL, FULL, 0),
        ("SSIM", GREY, GREY, 1),
        ("SSIM", BLACK, GREY, 1e-4 / (0.25 + 1e-4)),
        ("NMSE", GREY, BLACK, 1),
        ("PSNR", GREY, BLACK, 20 * math.log10(2)),
    ],
)
def test_constant_images_have_the_values_of_the_formulas(name, real, synthetic, value):
    assert find_pair(name)(Pair(real, synthetic)) == pytest.approx(value, abs=1e-9)
