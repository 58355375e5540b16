"""How far two masks cover each other: Dice."""

from __future__ import annotations

from medigan_hub.evaluation.pairs.base import Pair, PairMetric, Undefined


class Dice(PairMetric):
    """Twice the pixels in both, by those in either; 0 where one mask is empty."""

    name = "Dice"
    title = "overlap of masks"
    source = "Dice 1945, doi:10.2307/1932409"
    better = "higher"
    ideal = 1.0
    bounds = (0.0, 1.0)
    is_of_masks = True

    def __call__(self, pair: Pair) -> float:
        """Return the value of a pair."""
        real, synthetic = pair.real, pair.synthetic
        if pair.region is not None:
            real, synthetic = real & pair.region, synthetic & pair.region
        both = int(real.sum()) + int(synthetic.sum())
        if not both:
            raise Undefined("both masks are empty")
        return 2 * int((real & synthetic).sum()) / both
