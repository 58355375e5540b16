"""Images that are another one, pixel for pixel, in whatever file, mirrored or not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from medigan_hub.evaluation.extractors import Extractor
from medigan_hub.evaluation.metrics.blocks import blocks
from medigan_hub.evaluation.privacy.pixels import FLIPS

WHITE = 2**16 - 1
BYTES = hashlib.sha256().digest_size


class Digests(Extractor):
    """SHA-256 of the pixels, as they are and mirrored; of an image of one grey level, none.

    Pixels are those of 16 bits, in colour: an image of 8 bits, or of fractions, that shows the same
    is the same. Its size counts.
    """

    name = "digests"
    title = "SHA-256 of the pixels"
    channels = 3

    @property
    def shape(self) -> tuple[int, ...]:
        """Ways to mirror an image, and bytes of a digest."""
        return len(FLIPS), BYTES

    def features(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Return the bytes of the digests, as numbers: (n, 4, 32) float32."""
        return np.array([_digests(image) for image in images], np.float32)


def _digests(image: np.ndarray) -> list[list[int]]:
    pixels = np.rint(image * WHITE).astype("<u2")
    if (pixels == pixels[0, 0]).all():
        return [[0] * BYTES] * len(FLIPS)
    found = []
    for flip in range(len(FLIPS)):
        mirrored = pixels[:: -1 if flip & 2 else 1, :: -1 if flip & 1 else 1]
        told = hashlib.sha256(f"{mirrored.shape}".encode())
        told.update(mirrored.tobytes())
        found.append([*told.digest()])
    return found


@dataclass(frozen=True)
class Duplicate:
    """An image of one set that is one of another."""

    place: int
    of: int
    """The first one in the other set that it is, by its place."""
    mirrored: str
    """How: empty, or such as ``left-right``."""


def duplicates(images: np.ndarray, of: np.ndarray) -> list[Duplicate]:
    """Return the images, by their digests, that are among others, in order.

    Parameters
    ----------
    images, of
        (n, 4, 32) and (m, 4, 32), as ``Digests`` makes them.
    """
    known: dict[bytes, int] = {}
    for place, digests in _bytes(of):
        known.setdefault(digests[0], place)
    known.pop(bytes(BYTES), None)
    found = []
    for place, digests in _bytes(images):
        for flip, digest in zip(FLIPS, digests, strict=True):
            if digest in known:
                found.append(Duplicate(place, known[digest], flip))
                break
    return found


def _bytes(rows: np.ndarray) -> Iterator[tuple[int, list[bytes]]]:
    for block in blocks(len(rows)):
        for place, digests in enumerate(np.asarray(rows[block], np.uint8), block.start):
            yield place, [each.tobytes() for each in digests]
