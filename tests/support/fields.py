"""Pictures for tests of copies: smooth, random, and each unlike the others."""

from __future__ import annotations

import numpy as np

from support.image_sets import ArraySet


def fields(number: int, seed: int, side: int = 32) -> np.ndarray:
    """Return Gaussian random fields, (number, side, side, 1) uint8."""
    frequency = np.fft.fftfreq(side)
    gain = (np.hypot(*np.meshgrid(frequency, frequency)) + 0.03) ** -2.0
    gain[0, 0] = 0
    noise = np.random.default_rng(seed).standard_normal((number, side, side))
    made = np.fft.ifft2(np.fft.fft2(noise) * gain).real
    made *= 0.15 / made.std(axis=(1, 2), keepdims=True)
    return (np.clip(0.5 + made, 0, 1) * 255).astype(np.uint8)[..., np.newaxis]


def moved(image: np.ndarray, n: int) -> np.ndarray:
    """Return a picture mirrored, moved by a pixel, and with slight noise, as ``n`` has it."""
    turned = image[:: -1 if n & 2 else 1, :: -1 if n & 1 else 1].astype(int)
    turned = np.roll(turned, (n % 3 - 1, (n // 3) % 3 - 1), (0, 1))
    noise = np.random.default_rng(n).integers(-5, 6, image.shape)
    return np.clip(turned + noise, 0, 255).astype(np.uint8)


def images(array: np.ndarray, title: str, **more) -> ArraySet:
    """Return pictures as a set."""
    return ArraySet({f"{title}-{n}.png": each for n, each in enumerate(array)}, title=title, **more)
