from __future__ import annotations

import numpy as np
import pytest

from medigan_hub.errors import RequestError
from medigan_hub.evaluation import reading
from medigan_hub.evaluation.reading import REAL, SYNTHETIC


def test_a_test_shows_every_image_once_in_an_order_that_the_seed_sets():
    first = reading.order(20, 10, seed=7)
    assert sorted(first) == [(REAL, n) for n in range(20)] + [(SYNTHETIC, n) for n in range(10)]
    assert reading.order(20, 10, seed=7) == first
    assert reading.order(20, 10, seed=8) != first
    assert first != sorted(first)


def test_each_place_is_as_often_synthetic_as_real():
    kinds = np.array([[kind for kind, _ in reading.order(5, 5, seed)] for seed in range(2000)])
    share = (kinds == SYNTHETIC).mean(axis=0)
    assert (abs(share - 0.5) < 0.05).all()  # some four standard deviations


# Found by bisection: where the score test at 5 % begins to reject a share.
@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [
        (0, 10, 0.0, 0.27753),
        (1, 10, 0.01788, 0.40415),
        (5, 10, 0.23659, 0.76341),
        (10, 10, 0.72247, 1.0),
        (263, 1000, 0.23666, 0.29116),
        (81, 263, 0.25529, 0.36621),  # of SciPy's binomtest
    ],
)
def test_the_interval_is_that_of_wilson(count, total, low, high):
    assert reading.wilson(count, total) == pytest.approx((low, high), abs=1e-5)


def test_a_wider_confidence_gives_a_wider_interval():
    low, high = reading.wilson(7, 20)
    lower, higher = reading.wilson(7, 20, confidence=0.99)
    assert lower < low < high < higher


def test_a_score_counts_each_kind_by_itself():
    truth = [SYNTHETIC] * 4 + [REAL] * 6
    answers = [SYNTHETIC] * 3 + [REAL] * 6 + [SYNTHETIC]
    score = reading.score(truth, answers)
    assert (score.right.count, score.right.total) == (8, 10)
    assert (score.sensitivity.count, score.sensitivity.total) == (3, 4)
    assert (score.specificity.count, score.specificity.total) == (5, 6)
    assert score.right.interval == reading.wilson(8, 10)
    # Of 1024 ways to guess, those with 0, 1, 2, 8, 9 or 10 right.
    assert score.p_value == (1 + 10 + 45) * 2 / 1024


@pytest.mark.parametrize(
    ("right", "p_value"),
    [(15, 0.04138946533203125), (5, 0.04138946533203125), (11, 0.8238029479980469), (10, 1)],
)
def test_the_p_value_is_that_of_the_exact_test(right, p_value):
    """Of 20 images; the values are those of SciPy's binomtest."""
    score = reading.score([REAL] * 20, [REAL] * right + [SYNTHETIC] * (20 - right))
    assert score.p_value == pytest.approx(p_value, rel=1e-12)


def test_a_kind_that_was_not_shown_has_no_share():
    score = reading.score([REAL, REAL], [REAL, SYNTHETIC])
    assert score.sensitivity is None
    assert "called synthetic" not in score.words


def test_a_test_of_one_kind_says_nothing_of_telling_apart():
    words = reading.score([SYNTHETIC] * 20, [SYNTHETIC] * 20).words
    assert "All images were of one kind" in words
    assert "than by guessing" not in words


@pytest.mark.parametrize(
    "numbers", [(-1, 3, 0), (3, -1, 0), (2.5, 1, 0), (1, 1, -1), (1, 1, 2**64)]
)
def test_an_order_of_impossible_numbers_is_refused(numbers):
    with pytest.raises(RequestError, match="must be a whole number"):
        reading.order(*numbers)


def test_half_right_is_no_proof_that_images_are_alike():
    words = reading.score([REAL, SYNTHETIC] * 10, [REAL] * 20).words
    assert "10 of 20 (50%, 95 % interval 30% to 70%)" in words
    assert "does not show that there is none" in words


@pytest.mark.parametrize(("right", "side"), [(18, "more"), (2, "less")])
def test_far_from_half_right_is_said_with_its_p_value(right, side):
    truth = [SYNTHETIC, REAL] * 10
    answers = truth[:right] + [REAL, SYNTHETIC] * ((20 - right) // 2)
    words = reading.score(truth, answers).words
    assert f"{side} often right than by guessing (p = 0.0004)" in words


def test_a_perfect_reader_of_a_long_test_has_a_p_value():
    score = reading.score([SYNTHETIC] * 100, [SYNTHETIC] * 100)
    assert score.p_value == 2 / 2**100


@pytest.mark.parametrize(
    ("truth", "answers", "words"),
    [
        ([], [], "0 answers for 0 images"),
        ([REAL], [REAL, REAL], "2 answers for 1 images"),
        ([REAL], ["maybe"], "'maybe'"),
        (["fake"], [REAL], "'fake'"),
    ],
)
def test_answers_that_can_t_be_counted_are_refused(truth, answers, words):
    with pytest.raises(RequestError, match=words):
        reading.score(truth, answers)


@pytest.mark.parametrize("numbers", [(3, 2), (-1, 2), (0, 0), (1, 2.5)])
def test_impossible_counts_have_no_interval(numbers):
    with pytest.raises(RequestError):
        reading.wilson(*numbers)


def test_images_differ_in_nothing_but_what_they_show(ramp):
    wide = ramp.astype(np.uint16) * 257
    colour = ramp.repeat(3, axis=-1)
    found = reading.alike([ramp, wide, colour], (20, 30))
    assert all(image.dtype == np.uint8 and image.shape == (20, 30, 1) for image in found)
    assert all((image == ramp).all() for image in found)


def test_images_come_in_one_size(ramp):
    found = reading.alike([ramp, ramp[:10, :10]], (16, 24))
    assert [image.shape for image in found] == [(16, 24, 1)] * 2


def test_images_of_another_form_are_cut_and_not_stretched():
    circle = np.hypot(*np.mgrid[-32:32, -32:32]) < 20
    square = np.where(circle, 255, 0).astype(np.uint8)[:, :, np.newaxis]
    wide = np.pad(square, ((0, 0), (40, 40), (0, 0)))
    high = np.pad(square, ((25, 25), (0, 0), (0, 0)))
    for image in (square, wide, high):
        (found,) = reading.alike([image], (32, 32))
        assert found.shape == (32, 32, 1)
        assert (found == reading.alike([square], (32, 32))[0]).all()
    (found,) = reading.alike([square], (64, 8))
    assert (found == square[:, 28:36]).all()


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4, 1)), np.zeros((4, 4), np.uint8), np.zeros((0, 4, 1), np.uint8)]
)
def test_images_of_no_known_scale_or_form_are_refused(image):
    with pytest.raises(RequestError, match=r"image 0 is .*; give uint8 or uint16, "):
        reading.alike([image], (4, 4))


def test_colour_stays_where_all_images_have_it():
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 255
    assert [image.shape[-1] for image in reading.alike([red, red], (4, 4))] == [3, 3]
    grey = np.full((4, 4, 1), 7, np.uint8)
    assert [image.shape[-1] for image in reading.alike([red, grey], (4, 4))] == [1, 1]
