"""Real and synthetic samples in one data set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any

from medigan_hub.errors import RequestError, require

require("torch", extra="torch", purpose="mixing data sets of PyTorch")
from torch.utils.data import Dataset, IterableDataset  # noqa: E402 (as above)


class MixedDataset(Dataset[Any]):
    """All real samples, and evenly among them as many synthetic ones as make up their share."""

    def __init__(self, real: Any, synthetic: Any, synthetic_share: float) -> None:
        present, available = _length("real", real), _length("synthetic", synthetic)
        if not _is_number(synthetic_share) or not 0 < synthetic_share < 1:
            raise RequestError(
                f"the synthetic share is {synthetic_share!r}; give a number between 0 and 1"
            )
        exact = present * synthetic_share / (1 - synthetic_share)
        wanted = min(
            (math.floor(exact), math.ceil(exact)),
            key=lambda count: abs(count / (present + count) - synthetic_share),
        )
        if not wanted:
            raise RequestError(
                f"a synthetic share of {synthetic_share:g} of {present} real samples is none; "
                "ask for more"
            )
        if wanted > available:
            raise RequestError(
                f"a synthetic share of {synthetic_share:g} beside {present} real samples takes "
                f"{wanted} synthetic samples, and there are {available}; make more"
            )
        self._parts = (real, synthetic)
        self._synthetic = wanted
        self._length = present + wanted

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Any:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Return several samples; those of one part are asked for together."""
        places = [self._place(index) for index in indices]
        fetched = []
        for part, dataset in enumerate(self._parts):
            wanted = [position for which, position in places if which == part]
            fetched.append(iter(_fetch(dataset, wanted)))
        return [next(fetched[part]) for part, _ in places]

    def _place(self, index: int) -> tuple[int, int]:
        """Return of which part a sample is, 0 or 1, and its index there."""
        if not -self._length <= index < self._length:
            raise IndexError(f"there is no sample {index}; there are {self._length}")
        index %= self._length
        before, after = (n * self._synthetic // self._length for n in (index, index + 1))
        return (1, before) if after > before else (0, index - before)


def _fetch(dataset: Any, indices: Sequence[int]) -> Sequence[Any]:
    if indices and callable(getattr(dataset, "__getitems__", None)):
        items: Sequence[Any] = dataset.__getitems__(indices)
        return items
    return [dataset[index] for index in indices]


def _length(which: str, dataset: Any) -> int:
    fault = f"the {which} data set, a {type(dataset).__name__}, is not one with length and indices"
    if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__getitem__"):
        raise RequestError(fault)
    try:
        length = len(dataset)
    except (TypeError, NotImplementedError):
        raise RequestError(fault) from None
    if not length:
        raise RequestError(f"the {which} data set is empty")
    return length


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
