"""How alike images look: the correlation of their grey levels, also where one is mirrored or moved.

Images of 64 x 64 pixels are compared in the middle 56 x 56 of one, with each flip of the other and
each shift of up to 4 pixels. Candidates are found at half the size, where each step of a shift is 2
pixels, as products of matrices; the best of them are compared at full size, at each pixel around
the shift that was best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from medigan_hub.evaluation.extractors import Extractor
from medigan_hub.evaluation.metrics.blocks import blocks
from medigan_hub.evaluation.privacy.spaces import Apart, Nearest, Space

SIZE = 64
REACH = 4
"""Pixels that an image may be moved by, in each direction."""
STEP = 2
"""Of the shifts that candidates are sought at, in pixels: one of an image half as large."""
CANDIDATES = 5
FLAT = 1e-4
"""Standard deviation of grey levels, 0 to 1, below which an image shows nothing."""
PAIRS = 256
"""That are compared at full size at a time."""
FLIPS = ("", "left-right", "up-down", "left-right and up-down")


class Thumbnails(Extractor):
    """Grey levels at 64 x 64 pixels."""

    name = "thumbnails"
    title = "grey levels of 64 x 64 pixels"
    size = (SIZE, SIZE)

    @property
    def shape(self) -> tuple[int, ...]:
        """Height and width."""
        return self.size

    def features(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Return the images without their one channel: (n, 64, 64) float32."""
        return np.stack([image[..., 0] for image in images]).astype(np.float32, copy=False)


@dataclass(frozen=True)
class _Move:
    """A flip of an image, and then a shift, in pixels down and to the right."""

    flip: int
    down: int
    right: int


@dataclass(frozen=True)
class Pixels(Space):
    """Grey levels of thumbnails, (n, 64, 64): 1 less the greatest correlation, 0 to 2.

    What shows nothing, of one grey level, has no correlation: it is taken as 0, the distance as 1.
    """

    name: str = "pixels"

    def nearest(self, one: np.ndarray, other: np.ndarray, apart: Apart | None = None) -> Nearest:
        """Compare each with each at half the size, and the likeliest at full size."""
        distances, places = np.full(len(one), np.inf), np.zeros(len(one), np.int64)
        for block in blocks(len(one)):
            rows = np.array(one[block], np.float32)
            of_block = None if apart is None else Apart(apart.one[block], apart.other)
            candidates, moves = _candidates(rows, other, of_block)
            found = np.full(candidates.shape, np.inf)
            known = np.nonzero(candidates >= 0)
            found[known] = 1 - _finely(rows, other, known[0], candidates[known], moves[known])
            order = np.lexsort((candidates, found))[:, :1]  # the first of those that are equal
            distances[block] = np.take_along_axis(found, order, 1)[:, 0]
            places[block] = np.take_along_axis(candidates, order, 1)[:, 0].clip(0)
        return Nearest(distances, places)


def correlations(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Return the greatest correlation of each pair, (n,), and how the other one is mirrored then.

    Every flip and every shift is tried. Both are (n, 64, 64).
    """
    best, flips = np.full(len(one), -np.inf), np.zeros(len(one), int)
    middle = _unit(_window(one, REACH, 0, 0))
    for flip in range(len(FLIPS)):
        flipped = _flipped(other, flip)
        for down in range(-REACH, REACH + 1):
            for right in range(-REACH, REACH + 1):
                found = (middle * _unit(_window(flipped, REACH, down, right))).sum(axis=1)
                is_better = found > best
                best[is_better], flips[is_better] = found[is_better], flip
    return np.clip(best, -1, 1), [FLIPS[flip] for flip in flips]


def is_flat(thumbnails: np.ndarray) -> np.ndarray:
    """Return which images show nothing: (N,) bool."""
    found = np.zeros(len(thumbnails), bool)
    for block in blocks(len(thumbnails)):
        found[block] = thumbnails[block].std(axis=(1, 2)) < FLAT
    return found


@cache
def _moves() -> tuple[_Move, ...]:
    """Return the moves that candidates are sought at, the plainest first."""
    steps = sorted(range(-REACH, REACH + 1, STEP), key=abs)
    return tuple(
        _Move(flip, down, right) for flip in range(len(FLIPS)) for down in steps for right in steps
    )


def _candidates(
    rows: np.ndarray, other: np.ndarray, apart: Apart | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the most alike of the others for each image, and at which move: (n, 5), and -1."""
    middle = _unit(_window(_halved(rows), REACH // STEP, 0, 0))
    shape = len(rows), CANDIDATES
    scores = np.full(shape, -np.inf, np.float32)
    places, moves = np.full(shape, -1), np.zeros(shape, int)
    for others in blocks(len(other)):
        best, which = _coarsely(middle, _halved(np.array(other[others], np.float32)))
        if apart is not None:
            best[np.equal.outer(apart.one, apart.other[others])] = -np.inf
        most = min(CANDIDATES, best.shape[1])
        found = np.argpartition(-best, most - 1, axis=1)[:, :most]
        together = np.concatenate([scores, np.take_along_axis(best, found, 1)], axis=1)
        order = np.argsort(-together, axis=1, kind="stable")[:, :CANDIDATES]
        scores = np.take_along_axis(together, order, 1)
        places, moves = (
            np.take_along_axis(np.concatenate([old, new], axis=1), order, 1)
            for old, new in (
                (places, found + others.start),
                (moves, np.take_along_axis(which, found, 1).astype(int)),
            )
        )
    places[np.isneginf(scores)] = -1
    return places, moves


def _coarsely(middle: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the greatest correlation of each pair over all moves, and at which: (n, m)."""
    shape = len(middle), len(other)
    best, which = np.full(shape, -np.inf, np.float32), np.zeros(shape, np.uint8)
    for number, move in enumerate(_moves()):
        down, right = move.down // STEP, move.right // STEP
        found = middle @ _unit(_window(_flipped(other, move.flip), REACH // STEP, down, right)).T
        is_better = found > best
        np.copyto(best, found, where=is_better)
        np.copyto(which, np.uint8(number), where=is_better)
    return best, which


def _finely(
    rows: np.ndarray, other: np.ndarray, ones: np.ndarray, others: np.ndarray, moves: np.ndarray
) -> np.ndarray:
    """Return the greatest correlation of pairs around the moves that they were found at: (p,)."""
    best = np.full(len(ones), -np.inf)
    for start in range(0, len(ones), PAIRS):
        part = slice(start, start + PAIRS)
        middle = _unit(_window(rows[ones[part]], REACH, 0, 0))
        images = np.stack([other[place] for place in others[part]]).astype(np.float32)
        images = images.reshape(len(images), -1)
        for around in range(9):
            pixels = _pixels()[moves[part], around]
            window = _unit(np.take_along_axis(images, pixels, axis=1))
            best[part] = np.maximum(best[part], (middle * window).sum(axis=1))
    return np.asarray(np.clip(best, -1, 1))


@cache
def _pixels() -> np.ndarray:
    """Return the pixels of each move's windows, at nine shifts around it: (100, 9, 56 * 56)."""
    number = np.arange(SIZE * SIZE, dtype=np.int32).reshape(1, SIZE, SIZE)
    found = []
    for move in _moves():
        flipped = _flipped(number, move.flip)
        shifts = [
            [int(np.clip(start + step, -REACH, REACH)) for step in (-1, 0, 1)]
            for start in (move.down, move.right)
        ]
        found.append([_window(flipped, REACH, a, b)[0] for a in shifts[0] for b in shifts[1]])
    return np.array(found, np.int32)


def _halved(images: np.ndarray) -> np.ndarray:
    """Return images of half the size, each pixel the mean of four."""
    return np.asarray(images.reshape(len(images), SIZE // 2, 2, SIZE // 2, 2).mean(axis=(2, 4)))


def _flipped(images: np.ndarray, flip: int) -> np.ndarray:
    return images[:, :: -1 if flip & 2 else 1, :: -1 if flip & 1 else 1]


def _window(images: np.ndarray, margin: int, down: int, right: int) -> np.ndarray:
    """Return the middle of images, with the margin left out, moved: (n, pixels)."""
    side = images.shape[1] - 2 * margin
    top, left = margin - down, margin - right
    return np.ascontiguousarray(images[:, top : top + side, left : left + side]).reshape(
        len(images), side * side
    )


def _unit(rows: np.ndarray) -> np.ndarray:
    """Return rows less their mean, of length 1: products of them are correlations; or 0."""
    rows = rows - rows.mean(axis=1, keepdims=True)
    lengths = np.sqrt(np.square(rows).sum(axis=1, keepdims=True))
    rows /= np.where(lengths > FLAT * np.sqrt(rows.shape[1]), lengths, np.inf)
    return np.asarray(rows)
