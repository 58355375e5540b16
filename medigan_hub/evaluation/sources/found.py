"""Images of files and folders, and those that are given in Python."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np

from medigan_hub.errors import RequestError, listed, shortened
from medigan_hub.evaluation.sources.base import ImageSet, Item
from medigan_hub.hashes import sha256_once
from medigan_hub.inputs import Images, decoders

THREADS = min(4, os.cpu_count() or 1)
AHEAD = 4 * THREADS
"""Images that are read ahead, or waiting."""
STACKS = (".npy", ".npz")
SIZES = 3
"""Sizes of images that are named."""


class FoundImages(ImageSet):
    """What ``inputs.find`` finds."""

    def __init__(self, found: Images, title: str) -> None:
        self.title = title
        self.facts = {"reading": found.reading.asked} if found.reading.asked else {}
        self._found = found
        self._sizes: Counter[tuple[int, ...]] = Counter()
        self._recalled: Mapping[str, Any] | None = None

    @cached_property
    def items(self) -> Sequence[Item]:
        """What is known of each image, without reading it."""
        return [self._item(place) for place in range(len(self._found))]

    def _item(self, place: int) -> Item:
        found = self._found
        path, frame = found.path(place), found.frame(place)
        if path is None:
            image = found[place]
            digest = hashlib.sha256(f"{image.dtype} {image.shape}".encode() + image.tobytes())
            content = digest.hexdigest()
        else:
            with decoders.faults_in_words(path):
                content = sha256_once(path)
        label = found.label(place)
        return Item(
            found.name(place),
            content if frame is None else f"{content}:{frame}",
            {} if label is None else {"label": label},
            unit(found, place),
        )

    @cached_property
    def key(self) -> str:
        """SHA-256 of all that decides the images."""
        told = hashlib.sha256(json.dumps(self._found.reading.asked).encode())
        for item in self.items:
            told.update(item.digest.encode() + b"\n")
        return told.hexdigest()

    def fact(self, place: int, name: str) -> str | None:
        found = super().fact(place, name)
        return self._found.element(place, name) if found is None else found

    def images(self, start: int = 0) -> Iterator[np.ndarray]:
        places = range(start, len(self._found))
        every = ahead(self._read, places) if self._found.are_files else map(self._read, places)
        for image in every:
            self._sizes[image.shape] += 1
            yield image

    def _read(self, place: int) -> np.ndarray:
        image = self._found[place]
        path = self._found.path(place)
        if path is not None:
            with decoders.faults_in_words(path):
                is_same = self.items[place].digest.startswith(sha256_once(path))
            if not is_same:
                raise RequestError(
                    f"{shortened(self._found.name(place))} of {self.title} has changed since the "
                    "work began; start again"
                )
        return image

    def learned(self) -> Mapping[str, Any]:
        if self._recalled is not None:
            return self._recalled
        return {
            "notes": list(self.notes),
            "obeyed": sorted(self._found.obeyed),
            "sizes": [list(size) for size in self.sizes],
        }

    def recall(self, learned: Mapping[str, Any]) -> None:
        self._recalled = learned

    @property
    def notes(self) -> Sequence[str]:
        if self._recalled is not None:
            return list(self._recalled["notes"])
        words = [f"{self.title}: {'; '.join(self._found.notes)}"] if self._found.notes else []
        if len(self._sizes) > 1:
            sizes = [
                f"{count} of {' x '.join(map(str, size))}"
                for size, count in self._sizes.most_common(SIZES)
            ]
            words.append(f"{self.title} holds images of several sizes: {listed(sizes)}")
        return words

    @property
    def sizes(self) -> Sequence[tuple[int, ...]]:
        if self._recalled is not None:
            return [tuple(size) for size in self._recalled.get("sizes", ())]
        return [size for size, _ in self._sizes.most_common()]

    def spacing(self, place: int) -> tuple[float, float] | None:
        return self._found.spacing(place)


def unit(images: Images, place: int) -> str:
    """Return what an image belongs to: a DICOM series, or its file, as its slices are alike.

    A stack of arrays in a file of NumPy's says nothing of that: each image stands for itself.
    """
    path = images.path(place)
    if path is not None and path.suffix.lower() in STACKS:
        return images.name(place)
    return images.group(place)


def ahead(read: Callable[[int], np.ndarray], places: Sequence[int]) -> Iterator[np.ndarray]:
    """Yield what is read of each place, in their order; several are read at a time."""
    rest = iter(places)
    for place in islice(rest, 1):
        yield read(place)  # alone: what all images decide together is decided once
    with ThreadPoolExecutor(THREADS, "images") as pool:
        waiting: deque[Future[np.ndarray]] = deque(
            pool.submit(read, place) for place in islice(rest, AHEAD)
        )
        try:
            while waiting:
                image = waiting.popleft().result()
                waiting.extend(pool.submit(read, place) for place in islice(rest, 1))
                yield image
        finally:
            for each in waiting:
                each.cancel()
