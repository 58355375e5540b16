"""Images that belong together, read a pair at a time and brought to one form."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from medigan_hub.errors import RequestError
from medigan_hub.evaluation.matching import Match
from medigan_hub.evaluation.pairs.base import Pair
from medigan_hub.evaluation.sources import ImageSet
from medigan_hub.inputs.levels import is_grey

ALIKE = 0.01
"""Share by which two distances of pixels may differ, and be one."""


@dataclass(frozen=True, eq=False)
class Read:
    """A pair of images, and the region of the metrics that are taken inside one."""

    real: str
    """Name of the real image."""
    synthetic: str
    group: str
    """What the real image belongs to; its own name where that is nothing."""
    images: Pair
    """As fractions of the range of their types."""
    region: np.ndarray | None
    """(height, width) bool; None where no masks were given."""
    spacings: tuple[tuple[float, float] | None, ...]
    """Of the real image and of the synthetic one."""

    @cached_property
    def masks(self) -> Pair:
        """The images as masks, with the distance of pixels where one of them says it.

        Raises
        ------
        RequestError
            One is no mask, or they say different distances.
        """
        known = [spacing for spacing in self.spacings if spacing is not None]
        if len(known) > 1 and not np.allclose(known[0], known[1], ALIKE, 0):
            one, other = (f"{rows:g} x {columns:g} mm" for rows, columns in known)
            raise RequestError(
                f"the real {self.real} has pixels of {one}, and the synthetic {self.synthetic} of "
                f"{other}; bring both to one scale"
            )
        return Pair(
            _mask(self.images.real, f"the real {self.real}"),
            _mask(self.images.synthetic, f"the synthetic {self.synthetic}"),
            known[0] if known else None,
        )


def read(
    real: ImageSet, synthetic: ImageSet, masks: ImageSet | None, matches: Sequence[Match]
) -> Iterator[Read]:
    """Yield each pair, in order; one at a time is in memory.

    Raises
    ------
    RequestError
        The two differ in size or channels, hold what is no number, or a mask is none or of
        another size.
    """
    one, other = Reader(real, "real"), Reader(synthetic, "synthetic")
    third = None if masks is None else Reader(masks, "mask")
    try:
        for match in matches:
            images = Pair(
                *_alike(
                    one(match.real),
                    other(match.synthetic),
                    one.called(match.real),
                    other.called(match.synthetic),
                )
            )
            region = None
            if third is not None and match.mask is not None:
                called = third.called(match.mask)
                region = _mask(third(match.mask), called)
                check_sizes(region, images.real, called, one.called(match.real))
            item, name = real.items[match.real], synthetic.items[match.synthetic].name
            spacings = real.spacing(match.real), synthetic.spacing(match.synthetic)
            yield Read(item.name, name, item.group or item.name, images, region, spacings)
    finally:
        for reader in (one, other, third):
            if reader is not None:
                reader.close()


class Reader:
    """Reads the images of a set where they are asked for; next to each other, in one go."""

    def __init__(self, images: ImageSet, kind: str) -> None:
        self._images = images
        self._kind = kind
        self._stream: Iterator[np.ndarray] = iter(())
        self._next = -1
        self._last = np.empty(0)

    def called(self, place: int) -> str:
        """Return what an image is called in a message."""
        return f"the {self._kind} {self._images.items[place].name}"

    def __call__(self, place: int) -> np.ndarray:
        """Return an image as float64 fractions; one that comes again at once is not read again."""
        if place != self._next - 1:
            if place != self._next:
                self.close()
                self._stream = self._images.images(place)
            name = self.called(place)
            image = next(self._stream, None)
            if image is None:
                raise RequestError(
                    f"{self._images.title} ends before {name}; see that nothing changes it"
                )
            self._last = _fractions(image, name)
            self._next = place + 1
        return self._last

    def close(self) -> None:
        """Let go of what reads ahead."""
        if isinstance(self._stream, Generator):
            self._stream.close()


def _fractions(image: np.ndarray, name: str) -> np.ndarray:
    """Return an image as float64 from 0 to 1."""
    if image.dtype in (np.uint8, np.uint16):
        return image / np.float64(np.iinfo(image.dtype).max)
    if image.dtype.kind != "f" or not ((image >= 0) & (image <= 1)).all():  # NaN neither
        raise RequestError(
            f"{name} has {image.dtype} values that are no fractions from 0 to 1; scale them, and "
            "fill what is missing"
        )
    return image.astype(np.float64)


def _alike(
    real: np.ndarray, synthetic: np.ndarray, name: str, other: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return images of one size with as many channels: grey in three is one, opacity none."""
    check_sizes(synthetic, real, other, name)
    if real.shape == synthetic.shape:
        return real, synthetic
    one, two = without_opacity(real), without_opacity(synthetic)
    if one.shape != two.shape and is_grey(one) and is_grey(two):
        one, two = one[:, :, :1], two[:, :, :1]
    if one.shape != two.shape:
        raise RequestError(
            f"{name} and {other} differ in their channels, {real.shape[-1]} and "
            f"{synthetic.shape[-1]}; bring both to grey, or to colour"
        )
    return one, two


def check_sizes(image: np.ndarray, wanted: np.ndarray, name: str, other: str) -> None:
    """Make sure that an image is as large as another one.

    Raises
    ------
    RequestError
        It is not; the message names both with their sizes.
    """
    found, size = image.shape[:2], wanted.shape[:2]
    if found != size:
        raise RequestError(
            f"{name} has {found[0]} x {found[1]} pixels and {other} {size[0]} x {size[1]}; they "
            "are compared pixel by pixel: bring both to one size"
        )


def _mask(image: np.ndarray, name: str) -> np.ndarray:
    """Return a mask, (height, width) bool, from an image with one value beside 0."""
    plane = without_opacity(image)
    if not is_grey(plane):
        raise RequestError(f"{name} shows colours, and is no mask; give one of black and white")
    inside = plane[:, :, 0] > 0
    values = plane[:, :, 0][inside]
    if values.size and values.min() != values.max():
        count = len(np.unique(values))
        raise RequestError(
            f"{name} has {count} values beside 0, and is no mask; give one that is 0 outside and "
            "has one other value inside"
        )
    return inside


def without_opacity(image: np.ndarray) -> np.ndarray:
    """Return an image without its opacity: the last of two or of four channels."""
    return image[:, :, :-1] if image.shape[-1] in (2, 4) else image
