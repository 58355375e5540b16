"""NumPy's numbers and arrays in a pickle, made from their bytes by the hub.

NumPy's own functions for it take dtypes that no checkpoint needs, and were not
made for bytes that somebody else chose.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from medigan_hub.errors import WeightsError

PLAIN = "?bhilqBHILQefdFD"
"""Kinds of numbers, by NumPy's characters."""


class Dtype:
    """A dtype of plain numbers, of which nothing is made but the numbers' type."""

    def __init__(self, code: str | bytes, align: object = False, copy: object = True) -> None:
        text = code.decode("ascii") if isinstance(code, bytes) else str(code)
        self.order = "="
        try:
            self.plain = np.dtype(text)
        except (TypeError, ValueError) as error:
            raise WeightsError(f"it has numbers of the type {text!r}") from error
        if self.plain.char not in PLAIN:
            raise WeightsError(f"it has numbers of the type {text!r}")

    def __setstate__(self, state: Any) -> None:
        order = state[1].decode() if isinstance(state[1], bytes) else state[1]
        self.order = order if order in ("<", ">") else "="

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.plain.newbyteorder(self.order)  # type: ignore[arg-type]


class Array(np.ndarray):
    """An array of plain numbers."""

    def __setstate__(self, state: Any) -> None:
        version, shape, kind, fortran, content = state
        if not (isinstance(kind, Dtype) and isinstance(content, bytes)):
            raise WeightsError("it has an array of objects")
        super().__setstate__((version, shape, kind.dtype, fortran, content))


def number(kind: Dtype, content: bytes | str) -> Any:
    """Return a number of NumPy from its bytes."""
    raw = content.encode("latin-1") if isinstance(content, str) else content
    return np.frombuffer(raw, kind.dtype, count=1)[0]


def empty(*_: object) -> Array:
    """Return an array to be filled."""
    return Array((0,), np.uint8)


CLASSES: dict[str, Callable[..., Any]] = {
    "numpy.dtype": Dtype,
    "numpy.ndarray": Array,
    **{
        f"numpy.{core}.multiarray.{name}": made
        for core in ("core", "_core")
        for name, made in (("scalar", number), ("_reconstruct", empty))
    },
}
