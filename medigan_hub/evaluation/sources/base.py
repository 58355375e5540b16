"""What a set of images is that is to be judged: the contract."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from medigan_hub.errors import RequestError, listed, shortened

NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Item:
    """What is known of an image before it is read."""

    name: str
    """What it is called in a message: its file below the folder, or its place."""
    digest: str
    """Tells images apart by their content: of a file, its SHA-256, and which image in it."""
    facts: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    """Columns: ``label``, conditions and labels by their names, ``patient``, and those of a CSV."""
    group: str = ""
    """What images belong to that come together (a file, a DICOM series, a patient): never split.
    Empty: it stands for itself."""


class ImageSet(ABC):
    """Images that belong together, in an order, read when they are asked for."""

    title: str
    """What it is, in words, for a table: a path, or ``model:NAME``."""
    is_synthetic: bool | None = None
    """Whether a model made them, where that is known."""
    facts: Mapping[str, object] = MappingProxyType({})
    """What is recorded of the set beside: model, version, seed, how it was read."""
    header: Mapping[str, Any] | None = None
    """Of images that a model made: what decides them, as ``provenance.header`` says it."""

    @property
    @abstractmethod
    def items(self) -> Sequence[Item]:
        """What is known of each image, without reading it."""

    @property
    @abstractmethod
    def key(self) -> str:
        """SHA-256 of all that decides the images: their content, order and how they are read."""

    @abstractmethod
    def images(self, start: int = 0) -> Iterator[np.ndarray]:
        """Yield the images from one on, in order, each (height, width, channels).

        uint8 or uint16 that use the whole range of their type, or fractions in [0, 1]. Files are
        decoded ahead, in threads.
        """

    def fact(self, place: int, name: str) -> str | None:
        """Return what is known of an image under a name: of its ``facts``, or of its file."""
        return self.items[place].facts.get(name)

    @property
    def notes(self) -> Sequence[str]:
        """What is to be known of the images, in words; all of it once they were read."""
        return ()

    def other(self, output: str) -> ImageSet:
        """Return another output of the same samples, such as their masks, in the same order.

        Raises
        ------
        RequestError
            These are no samples, or have no such output.
        """
        raise RequestError(f"{self.title} holds images alone, and no {shortened(output)}")

    def learned(self) -> Mapping[str, Any] | None:
        """Return what reading all images told of them, as JSON has it; None where nothing did."""
        return None

    def recall(self, learned: Mapping[str, Any]) -> None:  # noqa: B027 (most learn nothing)
        """Take what an earlier reading ``learned``, in the place of reading them again."""

    @property
    def sizes(self) -> Sequence[tuple[int, ...]]:
        """Height, width and channels of the images, the most frequent first, once they were read.

        None where they are not known.
        """
        return ()

    def spacing(self, place: int) -> tuple[float, float] | None:
        """Return the distance of rows and of columns in mm, once the image was read.

        None where it is not known.
        """
        return None

    def __len__(self) -> int:
        return len(self.items)


def shown(array: np.ndarray, declared: Sequence[float]) -> np.ndarray:
    """Return an image as ``ImageSet.images`` does, of an array in the range that is declared."""
    if array.dtype in (np.uint8, np.uint16) and tuple(declared) == (0, np.iinfo(array.dtype).max):
        return array
    low, high = declared
    values: np.ndarray = (array.astype(np.float32) - np.float32(low)) / np.float32(high - low)
    return np.asarray(np.clip(values, 0, 1))  # rounding may leave it


def told(sample: Mapping[str, Any]) -> dict[str, str]:
    """Return the facts of an image, of what a manifest says of its sample.

    Of a condition and a label of one name, it is the condition that was asked for.
    """
    known = {**sample.get("labels", {}), **sample.get("conditions", {})}
    known |= {key: sample[key] for key in ("split", "input") if sample.get(key) is not None}
    if sample.get("input_class") is not None:
        known.setdefault("label", sample["input_class"])
    if "input" in known and sample.get("frame") is not None:
        known["frame"] = sample["frame"]
    return {key: str(value) for key, value in known.items() if np.ndim(value) == 0}


def declared(header: Mapping[str, Any], name: str, title: str) -> Mapping[str, Any]:
    """Return an output with pixels that samples have, by its name, as metadata declares it.

    Raises
    ------
    RequestError
        They have none of that name; the message lists those that there are.
    """
    known = {each["name"]: each for each in header.get("outputs", ()) if each["kind"] != "label"}
    if name not in known:
        raise RequestError(
            f"{title} has no output {shortened(name)} (there is {listed(known)}); name another"
        )
    found: Mapping[str, Any] = known[name]
    return found


def slices(sample: Item, depth: int) -> Iterator[Item]:
    """Yield the images of a sample that is a volume so deep: they belong together."""
    for n in range(depth):
        yield Item(f"{sample.name} (frame {n})", f"{sample.digest}:{n}", sample.facts, sample.group)
