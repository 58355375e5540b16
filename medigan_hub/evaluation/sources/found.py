"""Images of files and folders, and those that are given in Python."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from itertools import islice

import numpy as np

from medigan_hub.errors import listed
from medigan_hub.evaluation.sources.base import ImageSet, Item
from medigan_hub.hashes import sha256_once
from medigan_hub.inputs import Images

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

    def images(self, start: int = 0) -> Iterator[np.ndarray]:
        places = range(start, len(self._found))
        every = ahead(self._read, places) if self._found.are_files else map(self._read, places)
        yield from every

    def _read(self, place: int) -> np.ndarray:
        image = self._found[place]
        self._sizes[image.shape] += 1
        return image

    @property
    def notes(self) -> Sequence[str]:
        words = [f"{self.title}: {'; '.join(self._found.notes)}"] if self._found.notes else []
        if len(self._sizes) > 1:
            sizes = [
                f"{count} of {' x '.join(map(str, size))}"
                for size, count in self._sizes.most_common(SIZES)
            ]
            words.append(f"{self.title} holds images of several sizes: {listed(sizes)}")
        return words

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


def ahead(read: object, places: Sequence[int]) -> Iterator[np.ndarray]:
    """Yield what is read of each place, in their order; several are read at a time."""
    assert callable(read)  # noqa: S101 (for the type)
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
