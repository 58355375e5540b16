"""With how many digits a figure is shown: as many as its interval bears."""

from __future__ import annotations

import math
from typing import Protocol

MOST_PLACES = 6
"""Decimal places beyond which a number is written with its power of ten."""


class Valued(Protocol):
    """What has a value with its interval, as a figure."""

    @property
    def value(self) -> float:
        """The value."""

    @property
    def low(self) -> float | None:
        """Lower end of its interval."""

    @property
    def high(self) -> float | None:
        """Upper end of its interval."""


def places(figure: Valued) -> int:
    """Return the decimal places of a figure: below 0, it is rounded to tens, hundreds, ...

    Of the interval three digits are shown, and more where it is narrow: two of its width.
    Without an interval three of the value are.
    """
    low, high = figure.low, figure.high
    if low is None or high is None:
        return 2 - _power(figure.value)
    return max(2 - _power(max(abs(low), abs(high))), 1 - _power(high - low))


def rounded(value: float, places: int) -> float:
    """Return a value with so many decimal places.

    >>> rounded(0.12345, 3), rounded(1335.2, -1)
    (0.123, 1340.0)
    """
    return round(value, places) + 0.0  # which makes 0 of what was just below it, and not -0


def shown(value: float | None, places: int) -> str:
    """Return a value as text, with so many decimal places; a dash where there is none.

    >>> shown(0.5, 2), shown(1335.2, -1), shown(0.0000123, 7), shown(None, 2)
    ('0.50', '1340', '1.23e-05', '-')
    """
    if value is None or not math.isfinite(value):
        return "-"
    if places > MOST_PLACES and rounded(value, places):
        return f"{value:.{max(0, places + _power(value))}e}"
    return f"{rounded(value, places):.{max(0, min(places, MOST_PLACES))}f}"


def told(value: float, low: float | None, high: float | None, places: int) -> str:
    """Return a value with its interval, where it has one.

    >>> told(0.5, 0.41, 0.59, 2), told(0.5, None, None, 2)
    ('0.50 (0.41 to 0.59)', '0.50')
    """
    if low is None or high is None:
        return shown(value, places)
    return f"{shown(value, places)} ({shown(low, places)} to {shown(high, places)})"


def _power(value: float) -> int:
    """Return the power of ten of a number's first digit; of 0, that of 1."""
    return math.floor(math.log10(abs(value))) if value and math.isfinite(value) else 0
