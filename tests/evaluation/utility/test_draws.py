"""What is drawn in a repeat: whole patients, every class, and the smaller within the larger."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from medigan_hub.evaluation.utility.draws import Draws

CLASSES = np.array([0, 0, 1, 1] * 30 + [2] * 8)
BELONGS = [f"patient {n // 4}" for n in range(len(CLASSES))]
THEIRS = np.arange(300) % 3


@pytest.fixture
def draws():
    return Draws(CLASSES, BELONGS, THEIRS, seed=4)


def test_shares_are_of_whole_patients_with_every_class(draws):
    for repeat in range(5):
        for share in (0.01, 0.1, 0.33, 0.7):
            found = draws.real(repeat, share)
            words = {BELONGS[place] for place in found}
            assert sorted(found) == [n for n, word in enumerate(BELONGS) if word in words]
            assert {*CLASSES[found].tolist()} == {0, 1, 2}
            if share > 0.1:
                assert abs((CLASSES[found] == 0).sum() - share * 60) <= 2
    assert len(draws.real(0, 1)) == len(CLASSES)


def test_a_smaller_share_lies_within_a_larger_one(draws):
    for repeat in range(5):
        found = [set(draws.real(repeat, share)) for share in (0.01, 0.1, 0.3, 0.6, 1)]
        assert all(one <= other for one, other in pairwise(found))
        assert len(found[0]) < len(found[-1])


def test_repeats_differ_and_come_again(draws):
    first = draws.real(0, 0.3).tolist()
    assert first != draws.real(1, 0.3).tolist()
    assert first == Draws(CLASSES, BELONGS, THEIRS, seed=4).real(0, 0.3).tolist()
    assert first != Draws(CLASSES, BELONGS, THEIRS, seed=5).real(0, 0.3).tolist()


def test_synthetic_images_have_the_classes_of_the_real_ones(draws):
    real = draws.real(0, 0.5)
    numbers = draws.numbers(real, 1.5)
    assert numbers.tolist() == np.ceil(1.5 * np.bincount(CLASSES[real])).tolist()
    found = draws.synthetic(0, numbers)
    assert np.bincount(THEIRS[found]).tolist() == numbers.tolist()
    assert len({*found.tolist()}) == len(found)
    assert {*found} <= {*draws.synthetic(0, 2 * numbers)}
    assert draws.numbers(np.arange(6), 1 / 3).tolist() == [2, 1, 0]


def test_images_of_no_patient_stand_for_themselves():
    draws = Draws(np.arange(20) % 2, [""] * 20, np.arange(20) % 2, seed=0)
    assert draws.num_groups == 20
    assert len(draws.real(0, 0.2)) == 4
    assert draws.fewest_groups == 10
