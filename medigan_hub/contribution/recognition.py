"""Which of the hub's networks a checkpoint belongs to, told by its tensors, and what they tell."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medigan_hub import networks
from medigan_hub.errors import RequestError, WeightsError, close_to
from medigan_hub.weights import read_checkpoint

if TYPE_CHECKING:
    from torch import Tensor

    from medigan_hub.networks.base import Facts, Generator

GENERATOR = re.compile(
    r"g|g_?ema|ema|net_?g\w*|gen|generator\w*|g_[ab]\w*|model_ema", re.IGNORECASE
)
OTHER = re.compile(
    r"d|d_[ab]|net_?d\w*|dis|discriminator\w*|critic\w*|opt\w*|\w*sched\w*", re.IGNORECASE
)
"""What checkpoints call the parts that make no images."""
MAX_DEPTH = 3
"""How many names may stand above the tensors of a network."""
MAX_GROUPS = 200
"""Groups of tensors that are looked at."""


@dataclass(frozen=True, eq=False)
class Recognised:
    """The tensors of a generator, and the network that they belong to."""

    network: str
    others: tuple[str, ...]
    """Networks that they fit as well."""
    place: str
    """Where in the checkpoint they are; nothing where they are all of it."""
    tensors: Mapping[str, Tensor]
    facts: Facts


def read(path: Path) -> list[tuple[str, dict[str, Tensor]]]:
    """Return the groups of tensors in a checkpoint, a generator's before others, and their places.

    Raises
    ------
    WeightsError
        It can't be read without running code, or has no tensors by name.
    """
    if not path.is_file():
        raise WeightsError(f"{path} is no file; name a checkpoint of PyTorch or safetensors")
    found = list(islice(_groups(read_checkpoint(path), (), MAX_DEPTH, {}), MAX_GROUPS))
    if not found:
        raise WeightsError(
            f"{path} holds no tensors by name; save the network's own: "
            "torch.save(network.state_dict(), FILE)"
        )
    return found


def recognise(
    groups: Sequence[tuple[str, Mapping[str, Tensor]]], wanted: str | None = None
) -> Recognised | None:
    """Return the first group that is one of the hub's networks, or None.

    Parameters
    ----------
    groups
        As ``read`` returns them.
    wanted
        The network that is to be taken where several fit.

    Raises
    ------
    RequestError
        The tensors are those of other networks than the wanted one.
    """
    known = networks.by_name()
    fitting: set[str] = set()
    for place, tensors in groups:
        found = {name: made for name, kind in known.items() if (made := _built(kind, tensors))}
        fitting.update(found)
        names = list(found) if wanted is None else [name for name in found if name == wanted]
        if names:
            name = names[0]
            others = tuple(other for other in found if other != name)
            return Recognised(name, others, place, _tensors(found[name]), found[name].facts())
    if wanted is not None:
        those = f"they are those of {', '.join(sorted(fitting))}" if fitting else "of no other too"
        raise RequestError(f"the tensors are not those of the network {wanted}; {those}")
    return None


def small(name: str) -> Recognised:
    """Return a small network of a name, with random weights that are the same every time.

    Raises
    ------
    RequestError
        The hub has no such network.
    MissingDependencyError
        PyTorch is not installed.
    """
    kind = kind_of(name)
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = kind.small()
        for layer in network.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.momentum = None  # of all samples alike
                torch.nn.init.constant_(layer.weight, 4)  # so that images have some contrast
        # So that what is normalised over samples has seen some.
        with torch.no_grad():
            for _ in range(8):
                network.train()(*network.example(8))
        network.eval()
        return Recognised(name, (), "", _tensors(network), network.facts())


def kind_of(name: str) -> type[Generator]:
    """Return the class of a network of the hub.

    Raises
    ------
    RequestError
        There is none of this name.
    MissingDependencyError
        PyTorch is not installed.
    """
    known = networks.by_name()
    if name not in known:
        close = close_to(name, known) or list(known)
        raise RequestError(f"there is no network {name!r}; use own, or {', '.join(close)}")
    return known[name]


def _groups(
    value: Any, above: tuple[str, ...], deeper: int, seen: dict[int, tuple[int, Any]]
) -> Iterator[tuple[str, dict[str, Tensor]]]:
    import torch

    # One table may be in a file a million times; it is looked at once, as deep as ever.
    if seen.get(id(value), (-1, None))[0] >= deeper:
        return
    seen[id(value)] = deeper, value
    if isinstance(value, (list, tuple)):
        value = {str(place): item for place, item in enumerate(value[:32])}
    if not isinstance(value, Mapping):
        return
    tensors = {
        str(name): item.detach() for name, item in value.items() if isinstance(item, torch.Tensor)
    }
    if tensors:
        yield ".".join(above), tensors
    inner: dict[str, Any] = {
        str(name): item for name, item in value.items() if isinstance(item, (Mapping, list, tuple))
    }
    for name, tensor in tensors.items():
        first, dot, rest = name.partition(".")
        if dot:
            group = inner.setdefault(first, {})
            if isinstance(group, dict):
                group[rest] = tensor
    if deeper:
        for name in sorted(inner, key=_rank):
            yield from _groups(inner[name], (*above, name), deeper - 1, seen)


def likeliest(groups: Sequence[tuple[str, dict[str, Tensor]]]) -> tuple[str, dict[str, Tensor]]:
    """Return the group that a generator's tensors are most likely in, where none is recognised."""
    named = [group for group in groups if GENERATOR.fullmatch(group[0].rpartition(".")[2])]
    return (named or list(groups))[0]


def _rank(name: str) -> int:
    return 0 if GENERATOR.fullmatch(name) else 2 if OTHER.fullmatch(name) else 1


def _built(kind: type[Generator], tensors: Mapping[str, Tensor]) -> Generator | None:
    try:
        return kind.from_state_dict(tensors)
    except Exception:  # whatever a foreign layout trips over, it is another network's
        return None


def _tensors(network: Generator) -> dict[str, Tensor]:
    """Return copies of all that the network is made from again."""
    tensors = network.tensors().items()
    return {name: tensor.detach().contiguous().clone() for name, tensor in tensors}
