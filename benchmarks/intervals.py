"""How often intervals of metrics hold the truth, and how far values are off on average.

Features are normal: real ones of unit covariance, synthetic ones shifted and stretched along
random axes. The truth of FD and KID is known in closed form. Precision, recall, density and
coverage depend on the number of images by their definition: their truth is the mean of the
value over all runs. Prints a row for each metric and case: the bias of the plain and of the given
value, as a share of the truth, and the share of runs whose interval of 95 % holds the truth.

With ``--differences``, of the difference of two models against the same real images, one of which
is shifted farther: how often its interval holds the truth, and in how many runs it tells the two
apart, beside how often their own intervals do; and how often it tells two equal models apart.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from medigan_hub.evaluation import intervals, metrics

SHIFT = 0.1
"""Of each feature, in standard deviations of the real ones."""
SHIFTS = (0.1, 0.25, 0.1)
"""Of two models that are told apart, and of an equal of the first."""
STRETCH = (0.8, 1.4)
"""Standard deviations of the synthetic features along their axes, from and to."""
NAMES = ("FD", "KID", "precision", "recall", "density", "coverage")


@dataclass(frozen=True)
class Case:
    """Two distributions, and how many images are drawn of each."""

    length: int
    number: int

    @property
    def root(self) -> np.ndarray:
        """What normal values become synthetic features by: (length, length)."""
        rng = np.random.default_rng(self.length)
        axes = np.linalg.qr(rng.standard_normal((self.length, self.length)))[0]
        return np.asarray(np.linspace(*STRETCH, self.length)[:, np.newaxis] * axes)

    def truth(self, name: str, shift: float = SHIFT) -> float | None:
        """Return the value between the distributions; None where it is not known."""
        mean = np.full(self.length, shift)
        if name == "FD":
            return float(mean @ mean + ((np.linspace(*STRETCH, self.length) - 1) ** 2).sum())
        if name == "KID":
            real = np.zeros(self.length), np.eye(self.length)
            synthetic = mean, self.root.T @ self.root
            return (
                _kernel(real, real) + _kernel(synthetic, synthetic) - 2 * _kernel(real, synthetic)
            )
        return None

    def run(self, names: tuple[str, ...], seed: int) -> list[tuple[float, float, float, float]]:
        """Return of each metric the plain value, the one that is given, and its interval."""
        rng = np.random.default_rng([seed, self.length, self.number])
        real, synthetic = rng.standard_normal((2, self.number, self.length))
        synthetic = synthetic @ self.root + SHIFT
        groups = self.groups(seed)
        found = []
        for name in names:
            metric = metrics.find(name)
            estimate = intervals.jackknife(metric, real, synthetic, groups)
            low, high = (np.nan if end is None else end for end in (estimate.low, estimate.high))
            found.append((metric(real, synthetic), estimate.value, low, high))
        return found

    def run_two(self, names: tuple[str, ...], seed: int) -> list[tuple[float, ...]]:
        """Return of each metric the value of two models, and what tells them apart.

        That is the interval of their difference, whether their own intervals overlap, and whether
        the first is told from a third that is its equal.
        """
        rng = np.random.default_rng([seed, self.length, self.number, 2])
        real, *drawn = rng.standard_normal((4, self.number, self.length))
        models = [each @ self.root + by for each, by in zip(drawn, SHIFTS, strict=True)]
        groups = self.groups(seed)
        found: list[tuple[float, ...]] = []
        for name in names:
            metric = metrics.find(name)
            one, other, equal = (intervals.jackknife(metric, real, each, groups) for each in models)
            low, high = intervals.difference(one, other) or (np.nan, np.nan)
            first, last = intervals.difference(one, equal) or (np.nan, np.nan)
            ends = [
                np.nan if end is None else end
                for each in (one, other)
                for end in (each.low, each.high)
            ]
            apart = ends[1] < ends[2] or ends[3] < ends[0]
            alike = first > 0 or last < 0
            found.append((one.value, other.value, low, high, float(apart), float(alike)))
        return found

    def groups(self, seed: int) -> metrics.Groups:
        """Return the groups of a run."""
        alone = [""] * self.number
        return intervals.groups(alone, alone, seed=seed)


@dataclass(frozen=True)
class Row:
    """What the runs of a metric in a case came to."""

    name: str
    truth: float
    plain: float
    """Mean of the values as they are."""
    given: float
    """Mean of the values that are given: without their bias, where that is taken away."""
    held: float
    """Share of the runs whose interval holds the truth."""


def simulate(
    case: Case, names: tuple[str, ...] = NAMES, runs: int = 400, jobs: int = 1
) -> Iterator[Row]:
    """Run a case so many times, in so many processes, and yield a row for each metric."""
    found = _runs(partial(case.run, names), runs, jobs)
    for n, name in enumerate(names):
        plain, given, low, high = found[:, n].T
        known = case.truth(name)
        truth = plain.mean() if known is None else known
        held = ((low <= truth) & (truth <= high)).mean()
        yield Row(name, float(truth), float(plain.mean()), float(given.mean()), float(held))


@dataclass(frozen=True)
class Difference:
    """What the runs of two models came to by one metric."""

    name: str
    held: float
    """Share of the runs in which the interval of the difference holds the truth."""
    decided: float
    """Share in which it tells the two apart."""
    apart: float
    """Share in which their own intervals don't overlap."""
    alike: float
    """Share in which it tells two models apart that are equal."""


def differences(
    case: Case, names: tuple[str, ...] = ("FD", "KID"), runs: int = 400, jobs: int = 1
) -> Iterator[Difference]:
    """Run two models, and an equal of the first, so many times; yield a row for each metric."""
    found = _runs(partial(case.run_two, names), runs, jobs)
    for n, name in enumerate(names):
        one, other, low, high, apart, alike = found[:, n].T
        known = [case.truth(name, shift) for shift in SHIFTS[:2]]
        truth = (
            one.mean() - other.mean()
            if known[0] is None or known[1] is None
            else known[0] - known[1]
        )
        held = ((low <= truth) & (truth <= high)).mean()
        decided = ((low > 0) | (high < 0)).mean()
        yield Difference(
            name, float(held), float(decided), float(apart.mean()), float(alike.mean())
        )


def _runs(run: Callable[[int], object], runs: int, jobs: int) -> np.ndarray:
    if jobs > 1:
        with ProcessPoolExecutor(jobs) as pool:
            return np.array(list(pool.map(run, range(runs), chunksize=5)))
    return np.array([run(seed) for seed in range(runs)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=400, help="of each case")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    parser.add_argument("--lengths", type=int, nargs="+", default=[16, 64], help="features")
    parser.add_argument("-n", "--numbers", type=int, nargs="+", default=[200, 500], help="images")
    parser.add_argument("--differences", action="store_true", help="of two models")
    arguments = parser.parse_args()
    if arguments.differences:
        print("| metric | features | images | interval holds | told apart | by two | equals |")
        print("| --- | --: | --: | --: | --: | --: | --: |")
        for length, number in itertools.product(arguments.lengths, arguments.numbers):
            case = Case(length, number)
            for each in differences(case, NAMES, arguments.runs, arguments.jobs):
                shares = (each.held, each.decided, each.apart, each.alike)
                print(
                    f"| {each.name} | {length} | {number} | "
                    f"{' | '.join(f'{share:.3f}' for share in shares)} |"
                )
            sys.stdout.flush()
        return
    print("| metric | features | images | truth | plain | given | interval holds |")
    print("| --- | --: | --: | --: | --: | --: | --: |")
    for length, number in itertools.product(arguments.lengths, arguments.numbers):
        for row in simulate(Case(length, number), runs=arguments.runs, jobs=arguments.jobs):
            off = (f"{value / row.truth - 1:+.1%}" for value in (row.plain, row.given))
            print(
                f"| {row.name} | {length} | {number} | {row.truth:.4g} | "
                f"{' | '.join(off)} | {row.held:.3f} |"
            )
        sys.stdout.flush()


def _kernel(one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> float:
    """Return the mean of (x . y / d + 1)^3 for x and y of two normal distributions."""
    length = len(one[0])
    first, second, third = (
        float(np.vdot(mine, theirs))
        for mine, theirs in zip(_powers(*one), _powers(*other), strict=True)
    )
    return third / length**3 + 3 * second / length**2 + 3 * first / length + 1


def _powers(mean: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the mean of x, of its products of two, and of three."""
    second = covariance + np.outer(mean, mean)
    mixed = np.einsum("a,bc->abc", mean, covariance)
    third = np.einsum("a,b,c->abc", mean, mean, mean)
    third += mixed + mixed.transpose(1, 0, 2) + mixed.transpose(1, 2, 0)
    return mean, second, third


if __name__ == "__main__":
    main()
