"""From three sets of images to findings: images are described once, and compared in each space."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medigan_hub.errors import RequestError, shortened
from medigan_hub.evaluation import asking, features
from medigan_hub.evaluation.extractors import Extractor
from medigan_hub.evaluation.features import Wanted
from medigan_hub.evaluation.preparation import Preparation
from medigan_hub.evaluation.privacy import distances, nearness, pixels
from medigan_hub.evaluation.privacy.copying import authenticity, data_copying
from medigan_hub.evaluation.privacy.distances import Belonging, Distances, Images
from medigan_hub.evaluation.privacy.duplicates import Digests, Duplicate, duplicates
from medigan_hub.evaluation.privacy.judged import JudgedPrivacy
from medigan_hub.evaluation.privacy.membership import LEVEL, Membership, membership
from medigan_hub.evaluation.privacy.nearness import ENOUGH, Level
from medigan_hub.evaluation.privacy.pixels import Pixels, Thumbnails
from medigan_hub.evaluation.privacy.results import Pair, SpaceFindings, Test
from medigan_hub.evaluation.privacy.spaces import Features, Space
from medigan_hub.evaluation.proportions import corrected
from medigan_hub.evaluation.scaling import scaled
from medigan_hub.evaluation.sources import ImageSet

NAMES = ("train", "heldout", "synthetic")
PAIRS = 10
"""That are shown of each space."""
QUANTILES = 200


@dataclass(frozen=True)
class _Described:
    """The images of all sets, as one space describes them."""

    space: Space
    rows: Sequence[np.ndarray]
    """Of the training, held-out and synthetic images."""
    extractor: Extractor | None = None
    normalize: str = "none"


@dataclass(frozen=True)
class _Measured:
    """What the distances in one space say, before all tests are corrected for their number."""

    described: _Described
    distances: Distances
    levels: Sequence[Level]
    """Of images that stand for all of their groups."""


def measure(
    sets: Mapping[str, ImageSet],
    extractors: Sequence[Extractor],
    preparations: Sequence[Preparation],
    *,
    seed: int = 0,
    settings: Mapping[str, object],
    progress: Callable[[int, int], None] | None = None,
) -> JudgedPrivacy:
    """Look for copies of training images among synthetic ones.

    Parameters
    ----------
    sets
        ``train``, ``heldout`` and ``synthetic``.
    seed
        Of all that is drawn: the images that stand for their groups, those that are attacked, and
        those that parts of a space are told by.
    settings
        What is recorded beside: how the sets were asked for.
    progress
        Called with the images described and those in all.

    Raises
    ------
    HubError
        An image can't be read, or a held-out image is a training or a synthetic one.
    """
    wanted: list[Wanted] = [(Thumbnails(), Preparation()), (Digests(), Preparation())]
    wanted += [(extractor, each) for extractor in extractors for each in preparations]
    thumbnails, digests, *described = _describe(sets, wanted, progress)
    asking.check_obeyed(list(sets.values()))
    _check_apart(sets["train"], sets["heldout"], digests[0], digests[1])
    _check_apart(sets["heldout"], sets["synthetic"], digests[1], digests[2])
    copies = duplicates(digests[2], digests[0])

    belonging = [
        Belonging.of([item.group for item in images.items], name, _drawing(seed, n))
        for n, (name, images) in enumerate(sets.items())
    ]
    spaces = [_Described(Pixels(), thumbnails)]
    spaces += [
        _features(extractor, preparation, rows)
        for (extractor, preparation), rows in zip(wanted[2:], described, strict=True)
    ]
    measured = [_measured(each, belonging, _drawing(seed, len(NAMES))) for each in spaces]
    p_values = [level.p_value for each in measured for level in each.levels]
    rest = iter(corrected(p_values))
    findings = [_findings(each, belonging, rest) for each in measured]
    alone = [len(each.alone) for each in belonging]
    attacked = max(measured, key=lambda each: _attack(each).auc)
    return JudgedPrivacy(
        spaces=findings,
        duplicates=copies,
        near_duplicates=_near_duplicates(measured[0], copies),
        pairs=[pair for each in measured for pair in _pairs(each, thumbnails, copies)],
        detectable=nearness.detectable(alone[2], alone[1], len(p_values)),
        leading_membership=_attack(attacked, 1 - (1 - LEVEL) / len(measured)),
        sets={
            name: {"title": each.title, "num_images": len(each), "key": each.key, **each.facts}
            for name, each in sets.items()
        },
        settings={
            "extractors": [each.name for each in extractors],
            "seed": seed,
            **settings,
        },
        extractors={each.name: asking.about(each) for each in extractors},
        versions=asking.versions(),
        notes=tuple(dict.fromkeys(_notes(sets, extractors, belonging, thumbnails, len(p_values)))),
        sources=sets,
    )


def _describe(
    sets: Mapping[str, ImageSet],
    wanted: Sequence[Wanted],
    progress: Callable[[int, int], None] | None,
) -> list[list[np.ndarray]]:
    """Return what is wanted of all sets: a list for each extractor, an array for each set."""
    total = len(wanted) * sum(map(len, sets.values()))
    found, done = {}, 0
    # A model that can't be run is known before the first real image is read.
    for name in reversed(NAMES):

        def tell(so_far: int, _: int, before: int = done) -> None:
            if progress is not None:
                progress(before + so_far, total)

        found[name] = features.of(sets[name], wanted, progress=tell)
        done += len(wanted) * len(sets[name])
    return [[found[name][n] for name in NAMES] for n in range(len(wanted))]


def _check_apart(one: ImageSet, other: ImageSet, ours: np.ndarray, theirs: np.ndarray) -> None:
    """Refuse images, by their digests, that show what one of another set does, in whatever file."""
    shared = duplicates(theirs, ours)
    if shared:
        mirrored = f", mirrored {shared[0].mirrored}" if shared[0].mirrored else ""
        more = f" (and {len(shared) - 1} more)" if len(shared) > 1 else ""
        raise RequestError(
            f"{shortened(other.items[shared[0].place].name)} of {other.title} shows the same as "
            f"{shortened(one.items[shared[0].of].name)} of {one.title}{mirrored}{more}; held-out "
            "images are in no other set: leave it out of one of them"
        )


def _features(
    extractor: Extractor, preparation: Preparation, rows: Sequence[np.ndarray]
) -> _Described:
    """Return features, scaled by the training images as their extractor asks for."""
    training, heldout = scaled(rows[0], rows[1], extractor.scaling)
    _, synthetic = scaled(rows[0], rows[2], extractor.scaling)
    name = f"{extractor.name}, min-max" if preparation.is_normalized else extractor.name
    rows = training, heldout, synthetic
    return _Described(Features(name), rows, extractor, preparation.normalize)


def _measured(
    described: _Described, belonging: Sequence[Belonging], rng: np.random.Generator
) -> _Measured:
    training, heldout, synthetic = map(Images, described.rows, belonging)
    found = distances.measure(described.space, training, heldout, synthetic, rng)
    levels = nearness.levels(
        found.synthetic.some(belonging[2].alone), found.heldout.some(belonging[1].alone)
    )
    return _Measured(described, found, levels)


def _findings(
    measured: _Measured, belonging: Sequence[Belonging], p_values: Iterator[float]
) -> SpaceFindings:
    described, found = measured.described, measured.distances
    theirs, ours = (each.alone for each in belonging[1:])
    near, far = found.synthetic.training[ours], found.heldout.training[theirs]
    cells = None if found.cells is None else (found.cells[0][ours], found.cells[1][theirs])
    authentic = None
    if found.around is not None:
        authentic = authenticity(near, far, (found.around[0][ours], found.around[1][theirs]))
    return SpaceFindings(
        name=described.space.name,
        extractor=None if described.extractor is None else described.extractor.name,
        normalize=described.normalize,
        share=measured.levels[0].share,
        tests=[
            Test(
                rank=level.rank,
                threshold=level.threshold,
                expected=level.expected,
                flagged=int(level.flagged.sum()),
                counted=int(level.counted.sum()),
                p_value=level.p_value,
                corrected=next(p_values),
            )
            for level in measured.levels
        ],
        data_copying=data_copying(near, far, cells),
        authenticity=authentic,
        membership=_attack(measured),
        quantiles={"heldout": _quantiles(far), "synthetic": _quantiles(near)},
    )


def _attack(measured: _Measured, level: float = LEVEL) -> Membership:
    return membership(measured.distances.members, measured.distances.others, level=level)


def _quantiles(values: np.ndarray) -> list[float]:
    """Return values in their order, of many 200 that stand for all."""
    ordered = np.sort(values)
    if len(ordered) > QUANTILES:
        ordered = ordered[np.rint(np.linspace(0, len(ordered) - 1, QUANTILES)).astype(int)]
    return [float(value) for value in ordered]


def _near_duplicates(measured: _Measured, copies: Sequence[Duplicate]) -> list[int]:
    found = measured.distances
    equal = {each.place for each in copies}
    places = np.flatnonzero(nearness.all_but_equal(found.synthetic, found.heldout))
    return [int(place) for place in places if place not in equal]


def _pairs(
    measured: _Measured, thumbnails: Sequence[np.ndarray], copies: Sequence[Duplicate]
) -> Iterator[Pair]:
    """Yield the synthetic images that are nearest in a space, each with its training image."""
    found, level = measured.distances, measured.levels[0]
    chosen = np.argsort(found.synthetic.training, kind="stable")[:PAIRS]
    nearest = found.nearest[chosen]
    alike, mirrored = pixels.correlations(thumbnails[2][chosen], thumbnails[0][nearest])
    equal = {(each.place, each.of) for each in copies}
    is_flagged, is_counted = level.of(found.synthetic.some(chosen))
    for n, place in enumerate(chosen):
        yield Pair(
            synthetic=int(place),
            training=int(nearest[n]),
            space=measured.described.space.name,
            distance=float(found.synthetic.training[place]),
            correlation=float(alike[n]),
            mirrored=mirrored[n],
            flagged=bool(is_flagged[n]),
            counted=bool(is_counted[n]),
            duplicate=(int(place), int(nearest[n])) in equal,
        )


def _notes(
    sets: Mapping[str, ImageSet],
    extractors: Sequence[Extractor],
    belonging: Sequence[Belonging],
    thumbnails: Sequence[np.ndarray],
    num_tests: int,
) -> Iterator[str]:
    """Yield what is to be known with the findings."""
    for extractor in extractors:
        yield from extractor.notes
    for images in sets.values():
        yield from images.notes
    counts = [len(each.alone) for each in belonging]
    for name, images, count in zip(
        ("", "held-out ", "synthetic "), sets.values(), counts, strict=True
    ):
        if name and count < len(images):
            yield (
                f"the {len(images)} {name}images are of {count} patients, files or series, which "
                "one image each, drawn, stands for in shares and tests; only the attack on "
                "membership takes all, and counts each patient, file or series once"
            )
    if counts[1] < ENOUGH:
        with_these, with_more = (
            nearness.detectable(counts[2], count, num_tests) for count in (counts[1], ENOUGH)
        )
        yield (
            f"with {counts[1]} held-out images that are independent, {_detectable(with_these)}; "
            f"with {ENOUGH}, {_detectable(with_more)}, and the rate at 1 % could be given"
        )
    for images, rows in zip(sets.values(), thumbnails, strict=True):
        flat = int(pixels.is_flat(rows).sum())
        if flat:
            yield (
                f"{flat} of {len(images)} images of {images.title} have no contrast: their pixels "
                "are like no others', and they are no copies of each other"
            )
    if len(sets["train"]) > distances.MEMBERS:
        yield (
            f"the attack on membership is made on {distances.MEMBERS} of {len(sets['train'])} "
            "training images at most, drawn"
        )


def _detectable(share: float | None) -> str:
    if share is None:
        return "no number of copies would be found"
    return f"close copies would mostly be found from {100 * share:.1f} % of the images on"


def _drawing(seed: int, stream: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=np.array([seed, stream], np.uint64)))
