"""The coarse layout that a sample starts from: a bent piece of the photograph.

A SinGAN can be given a coarse image instead of noise (Shaham et al., ICCV 2019,
section 4), and adds the details that fit it. The layouts here are random pieces
of the reduced training image, mirrored, turned, zoomed and bent by smooth waves, so
that vessels run elsewhere in each sample and yet stay whole.
"""

from __future__ import annotations

import math

import numpy as np

WAVES = 4
STEEPNESS = 0.04
"""Amplitude of a wave as a fraction of its length: small enough that nothing folds over."""


def draw_coordinates(
    rng: np.random.Generator, size: tuple[int, int], bounds: tuple[int, int], share: float = 1.0
) -> np.ndarray:
    """Draw where in the training image each pixel of a sample lies.

    Parameters
    ----------
    rng
        Source of all randomness: the same state gives the same layout.
    size
        Height and width of the sample in pixels.
    bounds
        Height and width of the training image in pixels as large.
    share
        Resolution of the result as a fraction of the sample's.

    Returns
    -------
    numpy.ndarray
        (height * share, width * share, 2), rounded up: rows and columns in
        pixels of ``bounds``, from its corner. They may lie beyond the image.
    """
    extent, limits = np.asarray(size, np.float64), np.asarray(bounds, np.float64)
    room = np.maximum(limits - extent, limits / 4)
    centre = limits / 2 + rng.uniform(-0.5, 0.5, 2) * room
    mirror = rng.choice([-1.0, 1.0], 2)
    angle, zoom = rng.uniform(-0.25, 0.25), rng.uniform(0.85, 1.1)
    length, way, phase = rng.uniform(
        [[70], [0], [0]], [[200], [2 * math.pi], [2 * math.pi]], (2, 3, WAVES)
    ).transpose(1, 0, 2)

    rows, columns = ((np.arange(math.ceil(n * share)) + 0.5) / share - n / 2 for n in size)
    y, x = mirror[0] * rows[:, np.newaxis], mirror[1] * columns[np.newaxis, :]
    turned = np.stack(
        np.broadcast_arrays(
            math.cos(angle) * y - math.sin(angle) * x, math.sin(angle) * y + math.cos(angle) * x
        ),
        axis=-1,
    )
    place = centre + zoom * turned
    y, x = (place[..., axis, np.newaxis, np.newaxis] for axis in (0, 1))
    crests = 2 * math.pi * (y * np.sin(way) + x * np.cos(way)) / length + phase
    bend = (STEEPNESS * length * np.sin(crests)).sum(axis=-1)
    return np.asarray(place + bend)


def sample_image(image: np.ndarray, coordinates: np.ndarray, share: float = 1.0) -> np.ndarray:
    """Read an image between its pixels, by cubic interpolation; beyond its edges it is mirrored.

    Parameters
    ----------
    image
        (height, width, channels) float32.
    coordinates
        (..., 2), as ``draw_coordinates`` gives them.
    share
        Resolution of ``image`` as a fraction of what the coordinates count in.

    Returns
    -------
    numpy.ndarray
        (..., channels) float32, within the image's own range.
    """
    place = coordinates * share - 0.5
    base = np.floor(place).astype(np.int64)
    taps = base[..., np.newaxis] + np.arange(-1, 3)
    distance = np.abs(place[..., np.newaxis] - taps)
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    weight = np.where(distance <= 1, near, far).astype(np.float32)
    total = np.zeros((*place.shape[:-1], image.shape[2]), np.float32)
    for i in range(4):
        rows = _mirrored(taps[..., 0, i], image.shape[0])
        for j in range(4):
            columns = _mirrored(taps[..., 1, j], image.shape[1])
            factor = weight[..., 0, i] * weight[..., 1, j]
            total += factor[..., np.newaxis] * image[rows, columns]
    return np.clip(total, image.min(), image.max())


def _mirrored(index: np.ndarray, size: int) -> np.ndarray:
    index = index % (2 * size)
    return np.asarray(np.minimum(index, 2 * size - 1 - index))
