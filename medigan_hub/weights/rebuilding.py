"""What a checkpoint holds, made from its description and the bytes of its file.

The description comes from a process that read a file of somebody else's; so every
size, type and place in it is checked here, beside what is made of it.
"""

from __future__ import annotations

import binascii
import math
import re
import sys
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from medigan_hub.unpickling.machine import BACKEND, DTYPES, LAYER, NUMBERS, dtype_of

if TYPE_CHECKING:
    import torch
    from torch import Tensor

MAX_TIMES, SPARE_BYTES = 8, 64 * 2**20
"""What all tensors may have together: so many times the bytes of the file, and some more. They
may share their numbers, but whoever copies one needs the room."""
MAX_TUPLES = 1000
"""Keys of a table that are tuples, whose hashes anybody can choose."""
DEVICE = re.compile(r"(cpu|cuda|mps|xpu|hip|meta)(:\d{1,3})?")
KEYS = (str, bytes, int, float, bool, type(None))


class Shell:
    """Stands for an object of a class that is not loaded: it holds attributes, and does nothing."""

    def __init__(self, *arguments: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        if isinstance(state, Mapping):
            self.__dict__.update({str(name): value for name, value in state.items()})


class ImpossibleError(Exception):
    """The description is of what can't be."""


def rebuild(
    description: Mapping[str, Any],
    stream: BinaryIO,
    size: int,
    classes: Mapping[str, type[Shell]],
) -> Any:
    """Return what a file holds.

    Parameters
    ----------
    description
        As ``medigan_hub.unpickling.formats.describe`` returns it.
    stream, size
        The file, from which the numbers of tensors are read, and its bytes.
    classes
        The shells by the full names that they stand for.

    Raises
    ------
    ImpossibleError
        A tensor does not lie in the file, or what else can't be.
    """
    return _Workshop(description, stream, size, classes).result()


class _Workshop:
    def __init__(
        self,
        description: Mapping[str, Any],
        stream: BinaryIO,
        size: int,
        classes: Mapping[str, type[Shell]],
    ) -> None:
        self._description = description
        self._stream = stream
        self._classes = classes
        self._size = size
        self._unread = size
        """What storages may still take of the file: no two of an honest one overlap."""
        self._room = MAX_TIMES * size + SPARE_BYTES
        self._swapped = description["order"] != sys.byteorder
        self._objects: list[Any] = []

    def result(self) -> Any:
        nodes = self._description["nodes"]
        for kind, *parts in nodes:
            self._objects.append(KINDS[kind](self, *parts))
        # Lists and tables may hold what was made after them, so they are filled now.
        for made, (kind, *parts) in zip(self._objects, nodes, strict=True):
            if kind == "list":
                made.extend(map(self._value, parts))
            elif kind in ("dict", "counter"):
                self._fill(made, parts)
            elif kind == "ordered":
                self._fill(made, parts[1:])
                if parts[0] is not None:
                    vars(made)["_metadata"] = self._value(parts[0])
        for made, (kind, *parts) in zip(self._objects, nodes, strict=True):
            if kind == "shell":
                made.__setstate__(self._value(parts[1]))
        return self._value(self._description["result"])

    def _value(self, part: Any) -> Any:
        """Return what a part is: a number, or what a node became."""
        return self._objects[part[0]] if isinstance(part, list) else part

    def _fill(self, table: dict[Any, Any], parts: Sequence[Any]) -> None:
        keys = list(map(self._value, parts[::2]))
        _check_keys(keys)
        for key, part in zip(keys, parts[1::2], strict=True):
            table[key] = self._value(part)

    def _take(self, shape: Sequence[int], item: int) -> None:
        """Count what a tensor has, if it had no empty axis."""
        self._room -= item * math.prod(max(1, length) for length in shape)
        if self._room < 0:
            raise ImpossibleError("its tensors are many times larger than it")

    # Of the kinds of the machine

    def tuple(self, *parts: Any) -> Any:
        return tuple(map(self._value, parts))

    def set(self, *parts: Any) -> Any:
        items = list(map(self._value, parts))
        _check_keys(items)
        return set(items)

    def name(self, full: str) -> Any:
        dtype = dtype_of(full)
        if dtype is not None:
            return _dtype(dtype)
        if full in self._classes:
            return self._classes[full]
        if LAYER.fullmatch(full) or full == BACKEND:
            return Shell
        raise ImpossibleError("it holds a function")

    def shell(self, full: str, _: Any) -> Any:
        # Without arguments: what a pickle has is for the attributes alone.
        return self._classes.get(full, Shell)()

    def size(self, *lengths: int) -> Any:
        import torch

        return torch.Size(_checked(lengths))

    def device(self, name: str, index: int | None) -> Any:
        import torch

        full = name if index is None else f"{name}:{index}"
        if not DEVICE.fullmatch(full):
            raise ImpossibleError("it names a device that is none")
        return torch.device(full)

    def storage(self, begin: int, length: int, dtype: str) -> Any:
        """Return the numbers of tensors, as they stand in the file."""
        import torch

        _checked((begin, length))
        self._unread -= length
        if begin + length > self._size or self._unread < 0:
            raise ImpossibleError("it lacks the numbers of a tensor")
        whole = torch.empty(length, dtype=torch.uint8)
        self._stream.seek(begin)
        if length and self._stream.readinto(whole.numpy().data) != length:  # type: ignore[attr-defined]
            raise ImpossibleError("it ends too early")
        found = whole.untyped_storage()
        if self._swapped:
            found.byteswap(_dtype(dtype))  # type: ignore[no-untyped-call]
        return found

    def tensor(
        self,
        storage: Any,
        dtype: str,
        place: int,
        shape: Sequence[int],
        strides: Sequence[int],
        grad: bool,
    ) -> Tensor:
        import torch

        found, kind = self._value(storage), _dtype(dtype)
        _checked((place, *shape, *strides))
        if not isinstance(found, torch.UntypedStorage) or len(shape) != len(strides):
            raise ImpossibleError("it has a tensor that is none")
        self._take(shape, kind.itemsize)
        if 0 in shape:
            place = 0
        else:
            steps = zip(shape, strides, strict=True)
            last = place + sum((length - 1) * stride for length, stride in steps)
            if (last + 1) * kind.itemsize > found.nbytes():
                raise ImpossibleError("it has a tensor that reaches beyond its numbers")
        made = torch.empty(0, dtype=kind).set_(found, place, tuple(shape), tuple(strides))
        return made.requires_grad_(grad is True and _has_gradients(made))

    def parameter(self, tensor: Any, grad: bool) -> Tensor:
        import torch

        found = self._value(tensor)
        return torch.nn.Parameter(found, grad is True and _has_gradients(found))

    def number(self, code: str, order: str, content: str) -> Any:
        raw, dtype = binascii.a2b_base64(content), _numpy_dtype(code, order)
        if len(raw) != dtype.itemsize:
            raise ImpossibleError("it has a number that is none")
        return np.frombuffer(raw, dtype)[0]

    def array(
        self, code: str, order: str, shape: Sequence[int], fortran: bool, content: str
    ) -> np.ndarray:
        raw, dtype = bytearray(binascii.a2b_base64(content)), _numpy_dtype(code, order)
        _checked(shape)
        self._take(shape, dtype.itemsize)
        if len(raw) != dtype.itemsize * math.prod(shape):
            raise ImpossibleError("it has an array whose numbers are not as many as its shape says")
        return np.frombuffer(raw, dtype).reshape(shape, order="F" if fortran else "C")


def _checked(numbers: Sequence[int]) -> Sequence[int]:
    if any(type(number) is not int or not 0 <= number < 2**62 for number in numbers):
        raise ImpossibleError("it has a size that is none")
    return numbers


def _check_keys(keys: Sequence[Any]) -> None:
    """Refuse keys that can't be any, or whose hashes somebody may have chosen to be the same."""
    tuples = [key for key in keys if isinstance(key, tuple)]
    if len(tuples) > MAX_TUPLES:
        raise ImpossibleError(f"it has a table with {len(tuples)} keys that are tuples")
    for key in [*keys, *(item for found in tuples for item in found)]:
        if isinstance(key, int) and abs(key) >= sys.hash_info.modulus:
            raise ImpossibleError("it has a key that is too large")
        if not isinstance(key, (*KEYS, tuple)):
            raise ImpossibleError("it has a key that can't be one")
    if any(isinstance(item, tuple) for found in tuples for item in found):
        raise ImpossibleError("it has a key that can't be one")


def _dtype(name: str) -> torch.dtype:
    import torch

    found = getattr(torch, name, None) if name in DTYPES else None
    if not isinstance(found, torch.dtype):
        raise ImpossibleError(f"this version of PyTorch has no numbers of the type {name[:50]}")
    return found


def _numpy_dtype(code: str, order: str) -> np.dtype[Any]:
    if code not in NUMBERS or order not in ("<", ">", "="):
        raise ImpossibleError("it has numbers of an unknown type")
    return np.dtype(order + code)


def _has_gradients(tensor: Tensor) -> bool:
    return tensor.is_floating_point() or tensor.is_complex()


KINDS: dict[str, Callable[..., Any]] = {
    "text": lambda _, content: content,
    "bytes": lambda _, content: binascii.a2b_base64(content),
    "bytearray": lambda _, content: bytearray(binascii.a2b_base64(content)),
    "complex": lambda _, real, imaginary: complex(real, imaginary),
    "list": lambda _, *parts: [],
    "dict": lambda _, *parts: {},
    "ordered": lambda _, *parts: OrderedDict(),
    "counter": lambda _, *parts: Counter(),
    "tuple": _Workshop.tuple,
    "set": _Workshop.set,
    "name": _Workshop.name,
    "shell": _Workshop.shell,
    "size": _Workshop.size,
    "device": _Workshop.device,
    "bytes in file": _Workshop.storage,
    "tensor": _Workshop.tensor,
    "parameter": _Workshop.parameter,
    "number": _Workshop.number,
    "array": _Workshop.array,
}
"""What becomes of each kind of node that may be in a description."""
