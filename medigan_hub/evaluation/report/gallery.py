"""Which images a report shows: the nearest and farthest ones, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from medigan_hub.errors import require
from medigan_hub.evaluation.metrics.blocks import blocks, centre, read, squares
from medigan_hub.evaluation.metrics.neighbours import EDGE, NEAREST
from medigan_hub.evaluation.report import pictures
from medigan_hub.evaluation.report.content import Gallery, Picture
from medigan_hub.evaluation.sources import ImageSet

SHOWN = 6
"""Images in a row."""


@dataclass(frozen=True)
class Near:
    """How images of two sets lie to each other."""

    to_real: np.ndarray
    """Distance of each synthetic image to the nearest real one, (M,)."""
    nearest_real: np.ndarray
    """Which that is, (M,)."""
    is_covered: np.ndarray
    """Of each real image, whether a synthetic one lies in its neighbourhood, as coverage has it,
    (N,) bool; none where there are too few real images to tell."""

    @classmethod
    def of(cls, real: np.ndarray, synthetic: np.ndarray) -> Near:
        """Measure distances of features, (N, d) and (M, d)."""
        middle = centre(real)
        to_real = np.full(len(synthetic), np.inf)
        which = np.zeros(len(synthetic), int)
        gaps, radii = np.full(len(real), np.inf), np.full(len(real), np.inf)
        is_enough = len(real) > NEAREST
        for block in blocks(len(real)):
            one = read(real, block) - middle
            for others in blocks(len(synthetic)):
                between = squares(one, read(synthetic, others) - middle)
                gaps[block] = np.minimum(gaps[block], between.min(axis=1))
                is_nearer = between.min(axis=0) < to_real[others]
                which[others] = np.where(
                    is_nearer, block.start + between.argmin(axis=0), which[others]
                )
                to_real[others] = np.minimum(to_real[others], between.min(axis=0))
            if is_enough:
                nearest = np.full((len(one), NEAREST + 1), np.inf)
                for others in blocks(len(real)):
                    between = squares(one, read(real, others) - middle)
                    both = np.concatenate([nearest, between], axis=1)
                    nearest = np.partition(both, NEAREST, axis=1)[:, : NEAREST + 1]
                radii[block] = nearest.max(axis=1)  # the image itself is the first
        covered = (gaps < EDGE * radii) | (gaps == 0) if is_enough else np.zeros(0, bool)
        return cls(np.sqrt(to_real), which, covered)


def of(
    real: ImageSet,
    synthetic: ImageSet,
    features: tuple[np.ndarray, np.ndarray],
    *,
    show_real: bool,
    seed: int = 0,
) -> dict[str, list[Gallery]]:
    """Return what is shown of an evaluation, by criterion.

    Parameters
    ----------
    features
        Of real and of synthetic images, (N, d) and (M, d), scaled.
    show_real
        Whether real images may be shown; else their places stay empty.
    seed
        Of the grouping of images that are missed.
    """
    near = Near.of(*features)
    order = np.argsort(near.to_real, kind="stable")
    found = {
        "Congruence": [
            _row(
                "Nearest to a real image",
                "If one of them is a copy, the model hands out what it was trained on: medigan "
                "privacy tells.",
                (real, synthetic, near),
                order[:SHOWN],
                show_real=show_real,
            ),
            _row(
                "Farthest from all real images",
                "What the model gets wrong shows here first.",
                (real, synthetic, near),
                order[::-1][:SHOWN],
                show_real=show_real,
            ),
        ],
    }
    if near.is_covered.size:
        found["Coverage"] = [_missed(real, features[0], near.is_covered, seed, show_real=show_real)]
    return found


def _row(
    heading: str,
    words: str,
    known: tuple[ImageSet, ImageSet, Near],
    places: np.ndarray,
    *,
    show_real: bool,
) -> Gallery:
    real, synthetic, near = known
    partners = near.nearest_real[places]
    theirs = images_at(synthetic, places)
    ours = images_at(real, partners) if show_real else {}
    found: list[Picture] = []
    for n, place in enumerate(places, 1):
        words_of = f"{n}: distance {near.to_real[place]:.3g}"
        found.append(pictures.synthetic(theirs[place], words_of, synthetic.facts))
        if show_real:
            partner = near.nearest_real[place]
            found.append(pictures.real(ours[partner], f"{n}: the nearest real image"))
    return Gallery(heading, words, found)


def _missed(
    real: ImageSet, features: np.ndarray, is_covered: np.ndarray, seed: int, *, show_real: bool
) -> Gallery:
    """Return the kinds of real images that have no synthetic one near."""
    missed = np.flatnonzero(~is_covered)
    heading = "What is missed"
    if not missed.size:
        return Gallery(heading, "Every real image has a synthetic one near.")
    words = f"{len(missed)} of {len(is_covered)} real images have no synthetic one near."
    rows = np.asarray(features[missed], np.float64)
    count = min(SHOWN, len(missed))
    library = require("sklearn.cluster", extra="evaluation", purpose="grouping images")
    grouped = library.KMeans(count, n_init=3, random_state=seed % 2**32).fit(rows)
    sizes = np.bincount(grouped.labels_, minlength=count)
    nearest = grouped.transform(rows).argmin(axis=0)
    words += (
        f" They were put into {count} kinds, of {', '.join(map(str, sorted(sizes)[::-1]))} images."
    )
    if not show_real:
        return Gallery(heading, f"{words} --show-real shows one of each.")
    places = missed[nearest]
    ours = images_at(real, places)
    return Gallery(
        heading,
        f"{words} One of each:",
        [
            pictures.real(ours[places[n]], f"one of {sizes[n]}")
            for n in np.argsort(-sizes, kind="stable")
            if sizes[n]
        ],
    )


def images_at(images: ImageSet, places: Sequence[int] | np.ndarray) -> Mapping[int, np.ndarray]:
    """Return some images by their places; they are read from the first of each run on."""
    return dict(_read(images, sorted({int(place) for place in places})))


def _read(images: ImageSet, places: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
    for place in places:
        with closing(images.images(place)) as found:  # type: ignore[type-var]
            yield place, next(found)
