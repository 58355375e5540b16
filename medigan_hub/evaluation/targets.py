"""What a column of labels says: classes, or a number."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass

import numpy as np

from medigan_hub.errors import RequestError, listed, shortened
from medigan_hub.evaluation.sources import ImageSet, column

MAX_CLASSES = 10
"""Different numbers in a column beyond which it is a measure, and not a name of classes."""
MAX_NAMES = 100
"""Different words in a column beyond which it names images, and not classes."""
DIGITS = re.compile(r"([0-9]+)")


@dataclass(frozen=True)
class Target:
    """What is to be predicted of an image."""

    name: str
    """Of the column."""
    classes: tuple[str, ...]
    """In natural order; none where it is a number."""

    @property
    def is_number(self) -> bool:
        """Whether it is a number, as an age, and not a class."""
        return not self.classes

    @classmethod
    def of(cls, name: str, real: ImageSet) -> Target:
        """Return what a column of the real images is.

        Numbers are classes where there are ten different ones at most, and a measure else. 1, 1.0
        and 01 are one class.

        Raises
        ------
        RequestError
            There is no such column, it has gaps, it is the same for all images, or each has a word
            of its own.
        """
        words = [canonical(each) for each in column(real, name)]
        counts = Counter(words)
        if len(counts) == 1:
            raise RequestError(
                f"the column {shortened(name)} of {real.title} is {shortened(words[0])} for all "
                "images, and so there is nothing to tell apart; give images of two classes"
            )
        numbers = [each for each in counts if is_number(each)]
        if len(numbers) > MAX_CLASSES:
            target = cls(name, ())
            target.values(real)  # refuses what is none, be it one among many
            return target
        if len(counts) > MAX_NAMES or len(counts) > len(words) / 2:
            odd = [each for each in counts if not is_number(each)]
            example = f", as {listed(map(shortened, odd), most=2)}" if odd else ""
            raise RequestError(
                f"the column {shortened(name)} of {real.title} has {len(counts)} different values "
                f"for {len(words)} images{example}, which are no classes and no numbers; name "
                "another column"
            )
        return cls(name, tuple(sorted(counts, key=_natural)))

    def values(self, images: ImageSet) -> np.ndarray:
        """Return it of each image: the place of its class, (N,) int64, or a number, float64.

        Raises
        ------
        RequestError
            The column lacks, has gaps, or says something else of an image, which is named.
        """
        words = [canonical(each) for each in column(images, self.name)]
        known = {each: n for n, each in enumerate(self.classes)}
        for place, word in enumerate(words):
            if word not in known if self.classes else not is_number(word):
                what = f"none of {listed(self.classes)}" if self.classes else "no number"
                raise RequestError(
                    f"{shortened(self.name)} of {shortened(images.items[place].name)} of "
                    f"{images.title} is {shortened(word)}, which is {what}"
                )
        if self.is_number:
            return np.array([float(word) for word in words])
        return np.array([known[word] for word in words], np.int64)

    def check_all_there(self, images: ImageSet) -> None:
        """Make sure that a set has images of every class.

        Raises
        ------
        RequestError
            It lacks one.
        """
        there = {*self.values(images).tolist()}
        missing = [each for n, each in enumerate(self.classes) if n not in there]
        if missing:
            raise RequestError(
                f"{images.title} has no image with {shortened(self.name)} {listed(missing)}; give "
                "some, or leave that class out of the other sets"
            )


def canonical(word: str) -> str:
    """Return a word as it is compared: a whole number without its decimals."""
    if not is_number(word):
        return word
    number = float(word)
    return str(int(number)) if number.is_integer() and abs(number) < 2**53 else repr(number)


def is_number(word: str) -> bool:
    """Tell whether a word is a number; infinity and NaN are none."""
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False


def _natural(word: str) -> list[tuple[int, float, str]]:
    if is_number(word):
        return [(0, float(word), "")]
    parts = DIGITS.split(word)
    return [(0, int(each), "") if each.isdigit() else (1, 0, each) for each in parts if each]
