"""How often copies of training images are found, where there are some and where there are none.

Features are normal, of 16 numbers; pictures are smooth random fields, held against each other by
their pixels and by their texture. Some synthetic images are copies of training images with slight
noise; those of pictures are mirrored and moved by a pixel as well. Prints a row for each case: the
runs in which copies were found; means of the share that is nearer than 1 % of the held-out images
are, of the usual share (nearer to a training than to a held-out image), of AuthPct, of C_T, and of
the AUC of the attack on membership; and how often the interval of that holds 0.5.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from medigan_hub import Hub
from medigan_hub.evaluation.privacy import distances, nearness
from medigan_hub.evaluation.privacy.copying import authenticity, data_copying
from medigan_hub.evaluation.privacy.distances import Belonging, Images
from medigan_hub.evaluation.privacy.membership import Membership, membership
from medigan_hub.evaluation.privacy.pixels import Pixels
from medigan_hub.evaluation.privacy.spaces import Features, Space
from medigan_hub.evaluation.proportions import corrected

SHARES = (0.0, 0.01, 0.02, 0.05)
LENGTH = 16
SIDE = 32


@dataclass(frozen=True)
class Run:
    """What one run found."""

    found: bool
    near: float
    usual: float
    authentic: float
    copying: float
    attack: Membership

    @property
    def holds(self) -> bool:
        """Whether the interval of the attack holds what chance gives."""
        low, high = self.attack.low, self.attack.high
        return low is not None and high is not None and low <= 0.5 <= high


def vectors(rng: np.random.Generator, number: int) -> np.ndarray:
    """Return features of images: (number, 16)."""
    return np.asarray(rng.standard_normal((number, LENGTH)))


def noisy(rng: np.random.Generator, rows: np.ndarray) -> np.ndarray:
    """Return features with noise: a tenth of their deviation."""
    return np.asarray(rows + 0.1 * rng.standard_normal(rows.shape))


def fields(rng: np.random.Generator, number: int) -> np.ndarray:
    """Return smooth random pictures, (number, 32, 32, 1) uint8."""
    frequency = np.fft.fftfreq(SIDE)
    gain = (np.hypot(*np.meshgrid(frequency, frequency)) + 0.03) ** -2.0
    gain[0, 0] = 0
    noise = rng.standard_normal((number, SIDE, SIDE))
    made = np.fft.ifft2(np.fft.fft2(noise) * gain).real
    made *= 0.15 / made.std(axis=(1, 2), keepdims=True)
    return np.asarray((np.clip(0.5 + made, 0, 1) * 255).astype(np.uint8)[..., np.newaxis])


def moved(rng: np.random.Generator, pictures: np.ndarray) -> np.ndarray:
    """Return pictures mirrored, moved by a pixel at most, and with noise of 2 %."""
    found = []
    for picture in pictures.astype(float):
        flipped = picture[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])]
        shifted = np.roll(flipped, tuple(rng.integers(-1, 2, 2)), (0, 1))
        found.append(np.clip(shifted + rng.normal(0, 5, shifted.shape), 0, 255))
    return np.asarray(np.array(found).astype(np.uint8).reshape(-1, SIDE, SIDE, 1))


def drawn(
    draw: Callable[[np.random.Generator, int], np.ndarray],
    spoil: Callable[[np.random.Generator, np.ndarray], np.ndarray],
    numbers: Sequence[int],
    share: float,
    seed: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return training, held-out and synthetic images, of which a share are copies."""
    rng = np.random.default_rng([seed, round(1000 * share)])
    training, heldout, synthetic = (draw(rng, number) for number in numbers)
    count = round(share * len(synthetic))
    if count:
        taken = rng.choice(len(training), count, replace=False)
        synthetic[:count] = spoil(rng, training[taken])
    return training, heldout, synthetic


def of_vectors(numbers: Sequence[int], share: float, seed: int) -> Run:
    """Return what a run of features found, in their one space."""
    sets = drawn(vectors, noisy, numbers, share, seed)
    rng = np.random.default_rng(seed)
    training, heldout, synthetic = (
        Images(rows, Belonging.of([""] * len(rows), str(n), rng)) for n, rows in enumerate(sets)
    )
    space = Features("normal")
    found = distances.measure(space, training, heldout, synthetic, rng)
    levels = nearness.levels(found.synthetic, found.heldout)
    copying = data_copying(found.synthetic.training, found.heldout.training, found.cells)
    assert found.around is not None  # noqa: S101 (of many training images)
    authentic = authenticity(found.synthetic.training, found.heldout.training, found.around)
    return Run(
        found=min(corrected([each.p_value for each in levels])) <= nearness.ERROR,
        near=levels[0].share.value,
        usual=usual(space, *sets),
        authentic=authentic.synthetic.value,
        copying=np.nan if copying is None else copying.value,
        attack=membership(found.members, found.others),
    )


def of_pictures(numbers: Sequence[int], share: float, seed: int) -> Run:
    """Return what a run of pictures found; shares are those by pixels."""
    sets = drawn(fields, moved, numbers, share, seed)
    found = Hub().privacy(*sets, extractors=["texture"], seed=seed)
    pixels = found.spaces[0]
    enlarged = [each[..., 0].repeat(2, 1).repeat(2, 2) / np.float32(255) for each in sets]
    return Run(
        found=found.found == "copies",
        near=pixels.share.value,
        usual=usual(Pixels(), *enlarged),
        authentic=np.nan if pixels.authenticity is None else pixels.authenticity.synthetic.value,
        copying=np.nan if pixels.data_copying is None else pixels.data_copying.value,
        attack=found.leading_membership,
    )


def usual(space: Space, training: np.ndarray, heldout: np.ndarray, synthetic: np.ndarray) -> float:
    """Return the share that is nearer to a training image than to as many held-out ones."""
    number = min(len(training), len(heldout))
    ours, theirs = (
        space.nearest(synthetic, each[:number]).distances for each in (training, heldout)
    )
    return float((ours < theirs).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=100, help="of each case of features")
    parser.add_argument("--pictures", type=int, default=10, help="runs of each case of pictures")
    arguments = parser.parse_args()
    print("| images | copies | found | near | usual | authentic | C_T | AUC | holds 0.5 |")
    print("| --- | --: | --: | --: | --: | --: | --: | --: | --: |")
    with tempfile.TemporaryDirectory() as cache:
        os.environ["MEDIGAN_CACHE"] = cache
        for name, numbers, look, runs in (
            ("features", (1000, 500, 500), of_vectors, arguments.runs),
            ("features", (500, 100, 500), of_vectors, arguments.runs),
            ("pictures", (500, 300, 500), of_pictures, arguments.pictures),
        ):
            for share in SHARES if runs else ():
                found = [look(numbers, share, seed) for seed in range(runs)]
                means = (
                    np.mean([getattr(each, key) for each in found])
                    for key in ("near", "usual", "authentic", "copying")
                )
                near, other, authentic, copying = means
                print(
                    f"| {name}, {' / '.join(map(str, numbers))} | {share:.0%} | "
                    f"{sum(each.found for each in found)} of {runs} | {near:.1%} | {other:.2f} | "
                    f"{authentic:.0%} | {copying:.1f} | "
                    f"{np.mean([each.attack.auc for each in found]):.3f} | "
                    f"{np.mean([each.holds for each in found]):.2f} |"
                )
                sys.stdout.flush()


if __name__ == "__main__":
    main()
