"""Every metric on one extractor's features: of all images, and of groups of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from medigan_hub.errors import listed
from medigan_hub.evaluation import intervals
from medigan_hub.evaluation.baseline import Split, baseline, splits
from medigan_hub.evaluation.extractors import Extractor
from medigan_hub.evaluation.metrics import Groups, Metric
from medigan_hub.evaluation.preparation import Preparation
from medigan_hub.evaluation.results import Figure
from medigan_hub.evaluation.scaling import scaled


@dataclass(frozen=True, eq=False)
class Part:
    """The images that a figure is of."""

    name: str | None
    """What they are, as ``sex F``; None of all."""
    real: np.ndarray | slice
    """Their places; a slice where nothing need be copied."""
    synthetic: np.ndarray | slice
    groups: Groups
    """Of the jackknife."""
    splits: Sequence[Split]
    """Of the baseline."""

    @classmethod
    def whole(cls, real: Sequence[str], synthetic: Sequence[str], seed: int) -> Part:
        """Return all images, of the words of what each belongs to."""
        groups = intervals.groups(real, synthetic, seed=seed)
        everything = slice(None)
        return cls(None, everything, everything, groups, splits(real, len(synthetic), seed))

    @classmethod
    def of(
        cls,
        name: str,
        places: tuple[np.ndarray, np.ndarray],
        belongs: tuple[Sequence[str], Sequence[str]],
        seed: int,
    ) -> Part:
        """Return some images by their places, of the words of all."""
        ours, theirs = (
            [words[n] for n in some] for some, words in zip(places, belongs, strict=True)
        )
        whole = cls.whole(ours, theirs, seed)
        return cls(name, *places, whole.groups, whole.splits)

    def lacks(self, metric: Metric) -> bool:
        """Tell whether it has too few images for a metric."""
        return min(len(self.groups.real), len(self.groups.synthetic)) < metric.smallest


def figures(
    extractor: Extractor,
    preparation: Preparation,
    metrics: Sequence[Metric],
    real: np.ndarray,
    synthetic: np.ndarray,
    parts: Sequence[Part],
) -> Iterator[Figure]:
    """Yield the figure of each metric on one extractor's features, (N, ...) and (M, ...).

    Of all images, and, of distances, of each group that is large enough. Features of a group are
    scaled by all real images, so that distances of groups have one unit.
    """
    for scaling, some in groupby(metrics, lambda metric: metric.scaling or extractor.scaling):
        ours, theirs = scaled(real, synthetic, scaling)
        for metric in some:
            for part in parts:
                if part.name is None or (metric.is_distance and not part.lacks(metric)):
                    yield _figure(extractor, preparation, metric, ours, theirs, part)


def left_out(parts: Sequence[Part], metrics: Sequence[Metric]) -> list[str]:
    """Say which groups have too few images for which distances."""
    return [
        f"without {metric.name} of {listed(few)}: it needs {metric.smallest} images in each set"
        for metric in metrics
        if metric.is_distance
        if (few := [each.name for each in parts if each.name is not None and each.lacks(metric)])
    ]


def _figure(
    extractor: Extractor,
    preparation: Preparation,
    metric: Metric,
    real: np.ndarray,
    synthetic: np.ndarray,
    part: Part,
) -> Figure:
    ours, theirs = real[part.real], synthetic[part.synthetic]
    found = intervals.jackknife(metric, ours, theirs, part.groups)
    return Figure(
        metric=extractor.calls.get(metric.name, metric.name),
        extractor=extractor.name,
        normalize=preparation.normalize,
        value=found.value,
        low=found.low,
        high=found.high,
        better=metric.better,
        ideal=metric.ideal,
        num_real=len(ours),
        num_synthetic=len(theirs),
        baseline=baseline(metric, ours, theirs, part.splits),
        biased=metric.is_biased(min(len(ours), len(theirs)), extractor.shape)
        or (metric.is_corrected and not found.corrected),
        corrected=found.corrected,
        groups=found.count,
        group=part.name,
        is_distance=metric.is_distance,
        left_out=found.left_out,
        shares=found.shares,
    )
