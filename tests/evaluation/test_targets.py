"""What a column says: classes or a number, or why neither."""

from __future__ import annotations

import numpy as np
import pytest

from medigan_hub.errors import RequestError
from medigan_hub.evaluation.targets import Target
from support.image_sets import ArraySet

IMAGE = np.zeros((2, 2, 1), np.uint8)


def images(words, title="arrays", column="label"):
    names = [f"image-{n}" for n in range(len(words))]
    facts = {name: {column: word} for name, word in zip(names, words, strict=True)}
    return ArraySet(dict.fromkeys(names, IMAGE), title=title, facts=facts)


def test_words_are_classes_in_natural_order():
    real = images(["type 10", "type 2", "type 2", "type 10"])
    target = Target.of("label", real)
    assert target.classes == ("type 2", "type 10")
    assert not target.is_number
    assert target.values(real).tolist() == [1, 0, 0, 1]


def test_few_numbers_are_classes_however_they_are_written():
    target = Target.of("label", images(["1", "1.0", "0", "00", "2", "2"]))
    assert target.classes == ("0", "1", "2")
    assert target.values(images(["2.0", "0"])).tolist() == [2, 0]


def test_many_numbers_are_a_measure():
    real = images([str(n / 2) for n in range(30)])
    target = Target.of("label", real)
    assert target.is_number
    assert target.values(real).tolist() == [n / 2 for n in range(30)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a", "a"], "is a for all images"),
        (["a", "", "b", ""], "says nothing of image-1 of arrays, and of 1 more images"),
        (["", ""], "has no column label"),
        ([f"P{n}" for n in range(12)], "12 different values for 12 images, as P0, P1 and"),
        ([*map(str, range(20)), "nan"], "label says nothing of image-20 of arrays"),
    ],
)
def test_what_is_no_target_is_named(words, message):
    with pytest.raises(RequestError, match=message):
        Target.of("label", images(words))


def test_a_column_that_is_not_there_is_answered_with_those_that_are():
    with pytest.raises(RequestError, match=r"no column age \(there is label\)"):
        Target.of("age", images(["a", "b"]))


def test_a_value_that_is_none_of_the_classes_is_named():
    target = Target.of("label", images(["a", "b", "a", "b"]))
    with pytest.raises(RequestError, match="image-1 of others is c, which is none of a, b"):
        target.values(images(["a", "c"], "others"))


def test_text_in_a_column_of_numbers_is_named():
    target = Target.of("label", images([str(n) for n in range(30)]))
    with pytest.raises(RequestError, match="image-0 of others is old, which is no number"):
        target.values(images(["old", "3"], "others"))


def test_a_class_that_a_set_lacks_is_named():
    target = Target.of("label", images(["a", "b", "a", "b"]))
    target.check_all_there(images(["b", "a"]))
    with pytest.raises(RequestError, match="others has no image with label b"):
        target.check_all_there(images(["a", "a"], "others"))
