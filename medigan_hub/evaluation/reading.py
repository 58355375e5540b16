"""A blind reading test: does a reader tell synthetic images from real ones?

Also called a visual Turing test. Real and synthetic images come in random order, and
the reader says of each which it is; half right is what guessing gives.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from medigan_hub.errors import RequestError, whole_number
from medigan_hub.inputs import resized, with_channels

if TYPE_CHECKING:
    from numpy.typing import NDArray

REAL, SYNTHETIC = "real", "synthetic"


@dataclass(frozen=True)
class Share:
    """How many of some images, with the interval in which the true share lies."""

    count: int
    total: int

    @property
    def value(self) -> float:
        """0 to 1."""
        return self.count / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """Of 95 %; see ``wilson``."""
        return wilson(self.count, self.total)

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{self.count} of {self.total} ({self.value:.0%}, "
            f"95 % interval {low:.0%} to {high:.0%})"
        )


@dataclass(frozen=True)
class Score:
    """How a reader did."""

    right: Share
    """Images that were called what they are."""
    sensitivity: Share | None
    """Synthetic images that were called synthetic; None where there were none."""
    specificity: Share | None
    """Real images that were called real; None where there were none."""

    @property
    def p_value(self) -> float:
        """How likely it is that guessing comes as far from half right, or farther (0 to 1).

        The exact binomial test, two-sided.
        """
        count, total = self.right.count, self.right.total
        far = abs(2 * count - total)
        ways = sum(math.comb(total, k) for k in range(total + 1) if abs(2 * k - total) >= far)
        return float(ways / 2**total)

    @property
    def words(self) -> str:
        """What the score says, and what it does not."""
        low, high = self.right.interval
        one_kind = self.sensitivity is None or self.specificity is None
        told = [f"Right: {self.right}."]
        if self.sensitivity is not None:
            told.append(f"Synthetic ones called synthetic: {self.sensitivity}.")
        if self.specificity is not None:
            told.append(f"Real ones called real: {self.specificity}.")
        if one_kind:  # who says the same of all is right in all, or in none
            told.append("All images were of one kind, and that tells nothing of telling apart.")
        elif low <= 0.5 <= high:
            told.append(
                "Guessing, which is half right, lies within the interval: this test shows no "
                "difference. It does not show that there is none; a larger one might."
            )
        else:
            side = "more" if low > 0.5 else "less"
            told.append(f"That is {side} often right than by guessing (p = {self.p_value:.2g}).")
        return " ".join(told)


def order(num_real: int, num_synthetic: int, seed: int) -> list[tuple[str, int]]:
    """Return the images of a test in random order: the kind, and the place among its kind.

    The same seed gives the same order.

    Raises
    ------
    RequestError
        The seed, or how many images there are, is no whole number or out of range.

    >>> sorted(order(1, 2, seed=7))
    [('real', 0), ('synthetic', 0), ('synthetic', 1)]
    """
    seed = whole_number("the seed", seed, 0, 2**64 - 1)
    num_real = whole_number("the number of real images", num_real, 0)
    num_synthetic = whole_number("the number of synthetic images", num_synthetic, 0)
    images = [(REAL, n) for n in range(num_real)] + [(SYNTHETIC, n) for n in range(num_synthetic)]
    rng = np.random.Generator(np.random.Philox(key=np.array([seed, 0], dtype=np.uint64)))
    return [images[n] for n in rng.permutation(len(images))]


def score(truth: Sequence[str], answers: Sequence[str]) -> Score:
    """Hold a reader's answers against the truth, each ``real`` or ``synthetic``.

    Raises
    ------
    RequestError
        There are no answers, or not as many as images, or one is neither.

    >>> score(["real", "synthetic"], ["real", "real"]).right.value
    0.5
    """
    if not truth or len(truth) != len(answers):
        raise RequestError(
            f"there are {len(answers)} answers for {len(truth)} images; give one for each"
        )
    for word in (*truth, *answers):
        if word not in (REAL, SYNTHETIC):
            raise RequestError(f"an image is called {word!r}; it is {REAL} or {SYNTHETIC}")
    pairs = list(zip(truth, answers, strict=True))

    def share(kinds: Sequence[str]) -> Share | None:
        asked = [(kind, says) for kind, says in pairs if kind in kinds]
        return Share(sum(kind == says for kind, says in asked), len(asked)) if asked else None

    right = Share(sum(kind == says for kind, says in pairs), len(pairs))
    return Score(right, sensitivity=share([SYNTHETIC]), specificity=share([REAL]))


def wilson(successes: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the score interval of a share: its lower and upper end, 0 to 1.

    Source: Wilson (1927), "Probable inference, the law of succession, and statistical
    inference", doi:10.1080/01621459.1927.10502953.

    >>> [round(end, 4) for end in wilson(8, 10)]
    [0.4902, 0.9433]
    """
    total = whole_number("the number of trials", total, 1)
    successes = whole_number("the number of successes", successes, 0, total)
    if not 0 < confidence < 1:
        raise RequestError(f"the confidence is {confidence!r}; give a share between 0 and 1")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = successes / total
    middle = share + z**2 / (2 * total)
    reach = z * math.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    ends = [(middle - reach) / (1 + z**2 / total), (middle + reach) / (1 + z**2 / total)]
    # No share lies beyond 0 or 1, whatever rounding makes of it.
    return (0.0 if successes == 0 else ends[0]), (1.0 if successes == total else ends[1])


def alike(images: Sequence[np.ndarray], size: tuple[int, int]) -> list[NDArray[np.uint8]]:
    """Bring images to one size and 8 bits, so that nothing but what they show tells them apart.

    Parameters
    ----------
    images
        uint8 or uint16, each using the whole range: (height, width, channels).
    size
        Height and width of what is returned: (height, width, 1 or 3) each. All are
        grey where one of them is. What is wider or higher than that is cut off evenly
        on both sides: stretched, it would show.

    Raises
    ------
    RequestError
        An image has another type or form.
    """
    for number, image in enumerate(images):
        if image.dtype not in (np.uint8, np.uint16) or image.ndim != 3 or 0 in image.shape:
            raise RequestError(
                f"image {number} is {image.dtype} of the shape {image.shape}; give uint8 or "
                "uint16, (height, width, channels)"
            )
    grey = any(image.shape[-1] != 3 or (image[..., :1] == image).all() for image in images)
    found = []
    for image in images:
        eight = image if image.dtype == np.uint8 else (image / 257).round().astype(np.uint8)
        shown = with_channels(eight, 1) if grey else eight
        found.append(resized(_cut(shown, size), size))
    return found


def _cut(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the middle of an image, as large as may be with the sides' ratio that ``size`` has."""
    height, width = image.shape[:2]
    rows = min(height, max(1, round(width * size[0] / size[1])))
    columns = min(width, max(1, round(height * size[1] / size[0])))
    top, left = (height - rows) // 2, (width - columns) // 2
    return image[top : top + rows, left : left + columns]
