"""Data sets of PyTorch, whose samples are made when they are asked for."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medigan_hub import generation
from medigan_hub.errors import RequestError, close_to, require
from medigan_hub.loaders import cache as caches
from medigan_hub.loaders import items
from medigan_hub.plugins import Plugin
from medigan_hub.processes import forks  # noqa: F401 (which has to see every fork from now on)
from medigan_hub.samples import GenerationRequest

require("torch", extra="torch", purpose="loading samples into PyTorch")
import torch  # noqa: E402 (after its absence has been reported in words)
from torch import distributed  # noqa: E402
from torch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info  # noqa: E402

if TYPE_CHECKING:
    from medigan_hub.generation import Wishes

Transform = Callable[[dict[str, Any]], Any]


class SampleDataset(Dataset[Any]):
    """The samples of a job by their index, as ``items.item`` has them, in tensors.

    Images and masks are channels first, (channels, height, width) or (channels,
    depth, height, width). A process loads the network when it makes its first
    sample, so that the data set can go to workers of every start method.
    """

    def __init__(
        self,
        plugin: Plugin,
        request: GenerationRequest,
        *,
        transform: Transform | None = None,
        cache_in: Any = None,
    ) -> None:
        items.check(request.metadata)
        self._plugin = plugin
        self._request = request
        self._transform = _checked(transform)
        self._cache = caches.find(cache_in, request)
        self._last: int | None = None
        self._ahead: dict[int, caches.Arrays] = {}

    @classmethod
    def of(
        cls,
        plugin: Plugin,
        num_samples: int | None,
        wishes: Wishes,
        *,
        transform: Transform | None = None,
        cache: str | Path | None = None,
    ) -> SampleDataset:
        """Return the data set that ``Hub.dataset`` describes."""
        request = _asked(plugin, num_samples, wishes, transform)
        caches.check(cache, request)
        return cls(
            plugin,
            generation.ready(plugin, request, load=False),
            transform=transform,
            cache_in=cache,
        )

    def __len__(self) -> int:
        return len(self._request.indices)

    def __getitem__(self, index: int) -> Any:
        """Return sample ``index``.

        Whoever asks for one sample after the other has them made in batches.

        Raises
        ------
        IndexError
            There is no such sample.
        HubError
            The index is no whole number, or the sample can't be made.
        """
        place = self._place(index)
        arrays = self._ahead.pop(place, None)
        if arrays is None:
            follows = self._last is not None and place == self._last + 1
            stop = (
                min(place + self._request.execution.batch_size, len(self)) if follows else place + 1
            )
            self._ahead = self._arrays(range(place, stop))
            arrays = self._ahead.pop(place)
        self._last = place
        return self._item(arrays)

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Return several samples; those that no cache has are made together."""
        places = [self._place(index) for index in indices]
        arrays = self._arrays(places)
        return [self._item(arrays[place]) for place in places]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_last": None, "_ahead": {}}

    def _place(self, index: int) -> int:
        try:
            place = operator.index(index)
        except TypeError:
            raise RequestError(f"the index {index!r} is no whole number") from None
        if not -len(self) <= place < len(self):
            raise IndexError(f"there is no sample {place}; there are {len(self)}")
        return place % len(self)

    def _arrays(self, places: Sequence[int]) -> dict[int, caches.Arrays]:
        first = self._request.indices[0]
        found = {place: self._cache.get(first + place) for place in places}
        missing = [first + place for place, arrays in found.items() if arrays is None]
        if missing:
            for batch in generation.stream(self._plugin, replace(self._request, indices=missing)):
                for index, views in batch:
                    # Copied: a view keeps its whole batch, and a plugin may fill it again.
                    arrays = {name: np.array(view) for name, view in views.items()}
                    self._cache.put(index, arrays)
                    found[index - first] = arrays
        return {place: arrays for place, arrays in found.items() if arrays is not None}

    def _item(self, arrays: caches.Arrays) -> Any:
        return _finished(self._request, arrays, self._transform)


class SampleStream(IterableDataset[Any]):
    """The samples of a job in order, as those of ``SampleDataset``.

    Each worker of a data loader, in each process of ``torch.distributed``,
    makes a part: whole batches, dealt in turns.
    """

    def __init__(
        self, plugin: Plugin, request: GenerationRequest, *, transform: Transform | None = None
    ) -> None:
        items.check(request.metadata)
        self._plugin = plugin
        self._request = request
        self._transform = _checked(transform)
        self._rank = (0, 1)

    @classmethod
    def of(
        cls,
        plugin: Plugin,
        num_samples: int | None,
        wishes: Wishes,
        *,
        transform: Transform | None = None,
    ) -> SampleStream:
        """Return the data set that ``Hub.iterable_dataset`` describes."""
        request = _asked(plugin, num_samples, wishes, transform)
        return cls(plugin, generation.ready(plugin, request, load=False), transform=transform)

    def __iter__(self) -> Iterator[Any]:
        rank, ranks = self._ranks()
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        size = self._request.execution.batch_size
        # The ranks take turns first: each then makes its batches in the order of its workers.
        for number in count(worker * ranks + rank, workers * ranks):
            indices = self._request.indices[number * size : (number + 1) * size]
            if not indices:
                return
            for batch in generation.stream(self._plugin, replace(self._request, indices=indices)):
                for _, arrays in batch:
                    yield _finished(self._request, arrays, self._transform)

    def __getstate__(self) -> dict[str, Any]:
        """Take along which process of how many this is: a worker of its own can't ask."""
        return {**self.__dict__, "_rank": self._ranks()}

    def _ranks(self) -> tuple[int, int]:
        if distributed.is_available() and distributed.is_initialized():
            return distributed.get_rank(), distributed.get_world_size()
        return self._rank


ARGUMENTS = tuple(
    name
    for name in inspect.signature(DataLoader).parameters
    if name not in ("self", "dataset", "batch_size")
)
"""What a ``DataLoader`` can be told beside the data set and the batch size."""


def split(arguments: Mapping[str, Any], batch_size: int | None) -> tuple[Wishes, dict[str, Any]]:
    """Return what of a call is wished of the samples, and what is for the data loader.

    ``batch_size`` is for both, but for a loader whose sampler says itself how large a batch is.

    Raises
    ------
    RequestError
        A name is for neither.
    """
    known = sorted({*ARGUMENTS, *generation.WISHES})
    for name in arguments:
        if name not in known:
            close = close_to(name, known)
            offer = f"close to it: {', '.join(close)}" if close else f"use {', '.join(known)}"
            raise RequestError(f"a data loader has no {name!r}; {offer}")
    wishes: Any = {name: arguments[name] for name in arguments if name in generation.WISHES}
    rest = {name: arguments[name] for name in arguments if name not in generation.WISHES}
    if batch_size is not None:
        wishes["batch_size"] = batch_size
    if rest.get("batch_sampler") is None:
        rest["batch_size"] = batch_size
    return wishes, rest


def loader(dataset: Dataset[Any], **arguments: Any) -> DataLoader[Any]:
    """Return a data loader; what it refuses is a ``RequestError``."""
    try:
        return DataLoader(dataset, **arguments)
    except (ValueError, TypeError, AssertionError) as error:
        reason = str(error).strip().split("\n")[0]
        raise RequestError(f"PyTorch's data loader refuses its arguments: {reason}") from error


def _asked(
    plugin: Plugin, num_samples: int | None, wishes: Wishes, transform: Transform | None
) -> GenerationRequest:
    """Check all that can be checked before weights are fetched."""
    _checked(transform)
    return items.asked(plugin, num_samples, wishes)


def _checked(transform: Transform | None) -> Transform | None:
    if transform is not None and not callable(transform):
        raise RequestError(f"the transform is {transform!r}; give a function of one item")
    return transform


def _finished(
    request: GenerationRequest, arrays: caches.Arrays, transform: Transform | None
) -> Any:
    item = {
        name: _tensors(value, images=name != "label")
        for name, value in items.item(request.metadata, arrays).items()
    }
    return item if transform is None else transform(item)


def _tensors(value: Any, *, images: bool) -> Any:
    if isinstance(value, dict):
        return {name: _tensors(each, images=images) for name, each in value.items()}
    # Copied: what a transform does to a tensor must not reach a cache.
    return torch.tensor(np.moveaxis(value, -1, 0) if images else value)
