"""How far the edges of two masks are apart: HD95."""

from __future__ import annotations

import numpy as np

from medigan_hub.evaluation.pairs.base import Pair, PairMetric, Undefined


class Hd95(PairMetric):
    """The 95th percentile of the distances from one edge to the other, the greater of both ways.

    An edge is the pixels of a mask with a neighbour, of four, outside it; what lies beyond the
    image is outside. Slices of volumes are compared each by itself, in its plane.
    """

    name = "HD95"
    title = "95th percentile of the distances of masks' edges"
    source = "Huttenlocher, Klanderman & Rucklidge 1993, doi:10.1109/34.232073"
    is_of_masks = True
    is_local = False  # it would measure the region's edge

    def called(self, pair: Pair) -> str:
        """Return the name with the unit: mm, or pixels where their distance is not known."""
        return f"{self.name} ({'pixels' if pair.spacing is None else 'mm'})"

    def __call__(self, pair: Pair) -> float:
        """Return the value of a pair."""
        from scipy import ndimage

        empty = [not mask.any() for mask in (pair.real, pair.synthetic)]
        if any(empty):
            raise Undefined("both masks are empty" if all(empty) else "one mask is empty")
        one, other = (mask & ~ndimage.binary_erosion(mask) for mask in (pair.real, pair.synthetic))
        return max(
            float(np.percentile(ndimage.distance_transform_edt(~to, sampling=pair.spacing)[of], 95))
            for of, to in ((one, other), (other, one))
        )
