"""Splits: which samples are for training, which for validation, which for testing."""

from __future__ import annotations

import math
import re
from array import array
from bisect import bisect_right
from collections.abc import Mapping
from itertools import accumulate
from typing import Any

import numpy as np

from medigan_hub.errors import RequestError, named, shortened
from medigan_hub.samples import GenerationRequest

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""Of a split; folders are named so."""
WHOLE = 2**64
STEP = 0x9E3779B97F4A7C15
"""The golden section of ``WHOLE``, made odd: whatever number of steps of it is taken around a
circle, the points reached lie as evenly as may be."""
TOLERANCE = 1e-6
"""By which the sum of the shares may miss 1."""


def checked(shares: Mapping[str, Any] | None) -> dict[str, float]:
    """Return the shares of splits that a caller gave, in the order of their names.

    Raises
    ------
    RequestError
        They are not above 0, don't sum to 1, or a name can't be that of a folder.

    >>> checked({"train": 0.8, "test": "0.2"})
    {'test': 0.2, 'train': 0.8}
    """
    if shares is None:
        return {}
    form = f"give shares that sum to 1: {named('split', 'train=0.8,val=0.1,test=0.1')}"
    if not isinstance(shares, Mapping) or not shares:
        raise RequestError(f"the split is {shortened(repr(shares))}; {form}")
    found: dict[str, float] = {}
    for name, share in shares.items():
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise RequestError(
                f"a split can't be called {shortened(repr(name))}; use letters, digits, - and _"
            )
        if name.casefold() in map(str.casefold, found):
            raise RequestError(f"two splits are called {name}, but for capitals; rename one")
        try:
            found[name] = math.nan if isinstance(share, bool) else float(share)
        except (TypeError, ValueError, OverflowError):
            found[name] = math.nan
        if not 0 < found[name] <= 1:
            raise RequestError(f"the share of {name} is {shortened(share)}; {form}")
    total = math.fsum(found.values())
    if abs(total - 1) > TOLERANCE:
        raise RequestError(f"the shares of the split sum to {total:.7g}; {form}")
    return dict(sorted(found.items()))


class Splits:
    """Which split each sample of a job belongs to.

    It depends on the seed, the shares and the sample's index alone, so that a job which is
    longer, is interrupted or makes some samples alone puts each in the same split. The
    samples go round a circle, on which each split has its arc, in steps of the golden
    section: of the first n samples each split has its share but for a few, for every n.
    Drawn at random it would miss it by a number that grows with the root of n.

    Samples that were made from the same file, or from files of one DICOM series, go the same
    step, and are in one split; then the shares are those of the files. Of several inputs the
    first tells.

    Source: the additive recurrence of Weyl (1916), "Über die Gleichverteilung von Zahlen mod.
    Eins", doi:10.1007/BF01475864.
    """

    def __init__(self, shares: Mapping[str, float], request: GenerationRequest) -> None:
        self._names = list(shares)
        ends = accumulate(shares.values())
        self._ends = [int(end * WHOLE) for end in ends][:-1]
        self._start = int(request.rng(0, "split").integers(WHOLE, dtype=np.uint64))
        self._steps = _steps(request) if request.inputs else None

    def of(self, index: int) -> str:
        """Return the split of a sample."""
        step = index if self._steps is None else self._steps[index]
        return self._names[bisect_right(self._ends, (self._start + step * STEP) % WHOLE)]


def _steps(request: GenerationRequest) -> array[int]:
    """Return for each sample how many files came before the one that it is made from."""
    first = next(iter(request.inputs.values()))
    files: dict[str, int] = {}
    steps = array("q")
    for index in range(request.indices[-1] + 1):
        steps.append(files.setdefault(first.group(index), len(files)))
    return steps
