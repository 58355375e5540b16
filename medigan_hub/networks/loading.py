"""From a checkpoint's tensors to a network that holds them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from medigan_hub.errors import WeightsError

Network = TypeVar("Network", bound=nn.Module)


class Layout:
    """A checkpoint's tensors and their shapes by key, from which a network's sizes are read.

    Parameters
    ----------
    tensors
        The state dict.
    family
        What network they should be of, as in "a DCGAN generator".

    Raises
    ------
    WeightsError
        It is not a mapping from texts to tensors, or one of these is empty.
    """

    def __init__(self, tensors: Mapping[str, torch.Tensor], family: str) -> None:
        self.family = family
        if not isinstance(tensors, Mapping):
            self.refuse(f"expected tensors by name, found {type(tensors).__name__}")
        for key, tensor in tensors.items():
            if not isinstance(key, str) or not isinstance(tensor, torch.Tensor):
                self.refuse(f"expected tensors by name, found {type(tensor).__name__} {key!r}")
            if not tensor.numel():
                self.refuse(f"{_printed(key)} is empty")
        self.tensors = tensors
        self.shapes = {key: tuple(tensor.shape) for key, tensor in tensors.items()}

    def __contains__(self, key: str) -> bool:
        return key in self.shapes

    def shape(self, key: str, dimensions: int = 4) -> tuple[int, ...]:
        """Return the shape of a tensor that must be there, of so many dimensions.

        Raises
        ------
        WeightsError
            It isn't.
        """
        if key not in self.shapes:
            self.expected(f"keys such as {key}")
        if len(self.shapes[key]) != dimensions:
            self.refuse(f"{key} has {len(self.shapes[key])} dimensions instead of {dimensions}")
        return self.shapes[key]

    def numbers(self, before: str, after: str = "") -> list[int]:
        """Return the numbers, sorted, that stand between two texts at the beginning of keys."""
        pattern = re.compile(re.escape(before) + r"(\d{1,6})" + re.escape(after))
        return sorted({int(match[1]) for key in self.shapes if (match := pattern.match(key))})

    def expected(self, what: str) -> NoReturn:
        """Say what is missing, and what there is instead."""
        self.refuse(f"expected {what}, found {_listed(sorted(self.shapes)) or 'none'}")

    def refuse(self, reason: str) -> NoReturn:
        """Say why the tensors are not those of the family."""
        raise WeightsError(f"the weights are not those of {self.family}: {reason}")


class Unused(nn.Module):
    """Tensors of a checkpoint that no result depends on, by the keys that they have in it."""

    def __init__(self, tensors: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        groups: dict[str, dict[str, torch.Tensor]] = {}
        for key, tensor in tensors.items():
            name, _, rest = key.partition(".")
            groups.setdefault(name, {})[rest] = tensor
        for name, group in groups.items():
            if "" in group:
                self.register_buffer(name, torch.empty(group[""].shape, dtype=group[""].dtype))
            else:
                self.add_module(name, Unused(group))


class _Idle(TorchFunctionMode):
    """Spares the work that a new network does on its values, where they have no memory.

    Weights take their place. For that work, PyTorch would import its compiler, which takes
    as long as importing PyTorch itself.
    """

    def __torch_function__(
        self, function: Any, types: Any, arguments: Any = (), keywords: Any = None
    ) -> Any:
        if function in SHAPE_KEEPING or getattr(function, "__module__", "") == nn.init.__name__:
            first = next(iter((*arguments, *(keywords or {}).values())))
            if first.is_meta:
                return first
        return function(*arguments, **(keywords or {}))


SHAPE_KEEPING = {
    *(torch.Tensor.normal_, torch.Tensor.uniform_, torch.Tensor.bernoulli_),
    nn.functional.normalize,  # of spectral norms
}
"""Beside those of ``torch.nn.init``, what new tensors are filled with, and brought to length."""


def load(make: Callable[[], Network], layout: Layout) -> Network:
    """Return the network that ``make`` builds, with the layout's tensors and in eval mode.

    It is built without memory at first, so that shapes which fit no network
    cost none either.

    Raises
    ------
    WeightsError
        Keys or shapes differ from the network's.
    """
    try:
        with torch.device("meta"), _Idle():
            network = make()
        expected = network.state_dict()
        shapes = {key: tuple(tensor.shape) for key, tensor in expected.items()}
        differences = _differences(shapes, layout.shapes)
        if differences:
            layout.refuse(differences)
        own = {key: _copy(layout.tensors[key], tensor.dtype) for key, tensor in expected.items()}
        network.load_state_dict(own, assign=True)
    except (KeyError, OverflowError, RuntimeError, TypeError, ValueError) as error:
        layout.refuse(" ".join(str(error).split()))
    return network.eval()


def _copy(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return tensor.detach().clone(memory_format=torch.contiguous_format).to("cpu", dtype)


def _differences(
    expected: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]
) -> str:
    """Say in words which keys differ; nothing where none does."""
    reshaped = [key for key in expected if key in found and expected[key] != found[key]]
    kinds = {
        "missing": [key for key in expected if key not in found],
        "unexpected": [key for key in found if key not in expected],
        "of another shape": [
            f"{key} ({_size(found[key])} instead of {_size(expected[key])})" for key in reshaped
        ],
    }
    return "; ".join(f"{kind}: {_listed(keys)}" for kind, keys in kinds.items() if keys)


def _listed(keys: list[str]) -> str:
    """Name the first three, and how many more there are."""
    rest = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    return ", ".join(map(_printed, keys[:3])) + rest


def _printed(key: str) -> str:
    """Keep a key that came from a file to one line."""
    return key if key.isprintable() else repr(key)


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a number"
