"""C_T and AuthPct, as their authors have them."""

from __future__ import annotations

import numpy as np
import pytest

from medigan_hub.evaluation.privacy.copying import authenticity, data_copying, num_cells

stats = pytest.importorskip("scipy.stats")


def test_in_one_cell_it_is_the_test_of_mann_and_whitney():
    rng = np.random.default_rng(0)
    ours, theirs = np.round(rng.random(60), 1), np.round(rng.random(40) + 0.1, 1)
    wanted = stats.mannwhitneyu(
        ours, theirs, alternative="less", use_continuity=False, method="asymptotic"
    )
    found = data_copying(ours, theirs)
    assert stats.norm.cdf(found.value) == pytest.approx(wanted.pvalue)
    assert (found.cells, found.left_out) == (1, 0)


def test_cells_are_averaged_by_their_held_out_images():
    rng = np.random.default_rng(1)
    ours, theirs = rng.random(100), rng.random(120)
    cells = np.repeat([0, 1, 2], [40, 55, 5]), np.repeat([0, 1, 2], [30, 60, 30])
    one, other = (data_copying(ours[cells[0] == n], theirs[cells[1] == n]).value for n in (0, 1))
    found = data_copying(ours, theirs, cells)
    assert found.value == pytest.approx(one / 3 + 2 * other / 3)
    assert (found.cells, found.left_out) == (2, 5)


def test_the_range_holds_the_values_where_nothing_is_copied():
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(400):
        cells = rng.integers(0, 3, 150), rng.integers(0, 3, 150)
        found = data_copying(rng.random(150), rng.random(150), cells)
        held += found.low <= found.value <= found.high
    assert 0.92 <= held / 400 <= 0.98


def test_copies_lie_below_the_range_and_few_images_have_none():
    rng = np.random.default_rng(3)
    found = data_copying(rng.random(100) * 0.1, rng.random(100))
    assert found.value < -5 < found.low
    assert data_copying(rng.random(19), rng.random(100)) is None
    assert data_copying(np.ones(30), np.ones(30)).value == 0
    assert (num_cells(10, 500), num_cells(500, 130), num_cells(5000, 5000)) == (1, 3, 8)


def test_an_image_nearer_than_the_next_training_image_is_not_authentic():
    found = authenticity(
        np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0]), (np.full(3, 2.0), np.array([1.0, 3.0]))
    )
    assert (found.synthetic.count, found.synthetic.number) == (1, 3)
    assert found.heldout.value == 0.5
