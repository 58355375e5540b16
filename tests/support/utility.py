"""Images with classes, or outlines, that a small learner can tell: for tests of utility."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from medigan_hub.evaluation.utility import measuring
from medigan_hub.evaluation.utility.results import ArmScore, Utility
from support.image_sets import ArraySet

SIDE = 16


def picture(rng: np.random.Generator, bright: float) -> np.ndarray:
    """Return noise with a square in its middle that is brighter by so much, in 8 bits."""
    image = rng.normal(0.45, 0.15, (SIDE, SIDE, 1))
    image[5:11, 5:11] += bright
    return np.asarray(np.clip(255 * image, 0, 255), np.uint8)


def images(
    title: str,
    number: int,
    seed: int,
    *,
    strength: float = 0.12,
    per_patient: int = 1,
    classes: Callable[[int], str] = lambda n: str(n % 2),
    shown: Callable[[int], int] = lambda n: n % 2,
    facts: Callable[[int], Mapping[str, str]] = lambda n: {},
) -> ArraySet:
    """Return so many images, every second with a square that is brighter, by its strength or so.

    ``classes`` says what their column ``label`` does, and ``shown`` whether there is the square.
    """
    rng = np.random.default_rng(seed)
    arrays, known, groups = {}, {}, {}
    for n in range(number):
        name = f"{title}-{n}"
        arrays[name] = picture(rng, shown(n) * rng.normal(strength, strength / 2))
        patient = f"{title}-{n // per_patient}"
        known[name] = {"label": classes(n), "patient": patient, **facts(n)}
        groups[name] = patient
    return ArraySet(arrays, title=title, facts=known, groups=groups)


def outlined(folder: Path, number: int, seed: int, size: int = 24) -> None:
    """Write images with a bright rectangle, and masks of it, into ``images`` and ``masks``."""
    rng = np.random.default_rng(seed)
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for n in range(number):
        top, left = rng.integers(2, size // 2, 2)
        mask = np.zeros((size, size), np.uint8)
        mask[top : top + size // 3, left : left + size // 3] = 255
        pixels = rng.normal(90, 25, mask.shape) + 60 * (mask > 0)
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(
            folder / "images" / f"{seed}_{n}.png"
        )
        Image.fromarray(mask).save(folder / "masks" / f"{seed}_{n}_mask.png")


def measured(train: Any, test: Any, synthetic: Any, **asked: Any) -> Utility:
    """Return what a probe finds, in few repeats, with all real images."""
    few = {"label": "label", "shares": (1,), "ratios": (1,), "repeats": 5}
    return measuring.measure(train, test, synthetic, **few | asked)


def mixture(found: Utility, ratio: float, share: float = 1.0, **more: Any) -> ArmScore:
    """Return one mixture by the leading score."""
    return arm(found, "real + synthetic", ratio, share, **more)


def arm(
    found: Utility, name: str, ratio: float | None, share: float = 1.0, **more: Any
) -> ArmScore:
    """Return one arm by the leading score."""
    (one,) = (
        each
        for each in found.chosen(**more)
        if (each.arm, each.ratio, each.share) == (name, ratio, share)
    )
    return one
