"""The images of samples that a model made, one or, of a volume, several a sample."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from medigan_hub.errors import RequestError
from medigan_hub.evaluation.sources.base import ImageSet, Item, shown, slices

RECORDED = ("model", "version", "seed", "weights_sha256")
"""What is recorded of a set, of its header."""
WEIGHTS = "weights_sha256"
DECIDING = (*RECORDED, "conditions", "latents_sha256", "options")


class Samples(ImageSet):
    """What samples hold of one image output; a volume is cut into its slices.

    Parameters
    ----------
    header
        What is true of all samples: see ``provenance.header``.
    output
        The output, as metadata declares it.

    Raises
    ------
    RequestError
        The output has volumes of no certain depth.
    """

    is_synthetic = True

    def __init__(self, title: str, header: Mapping[str, Any], output: Mapping[str, Any]) -> None:
        self.title = title
        self.header = header
        self.facts = {key: header.get(key) for key in RECORDED}
        self._output = output
        shape = output["shape"]
        if len(shape) == 4 and shape[0] is None:
            raise RequestError(
                f"{title} has volumes of any depth, whose slices can't be counted; give a folder "
                "with the slices as images"
            )
        self._depth: int | None = shape[0] if len(shape) == 4 else None
        self._declared = None if None in shape[-3:] else tuple(shape[-3:])
        self._counted: Counter[tuple[int, ...]] = Counter()

    @property
    @abstractmethod
    def samples(self) -> Sequence[Item]:
        """What is known of each sample."""

    @abstractmethod
    def arrays(self, start: int) -> Iterator[np.ndarray]:
        """Yield the output of the samples from one on, as the model makes it."""

    @cached_property
    def items(self) -> Sequence[Item]:
        """What is known of each image, without reading it."""
        if self._depth is None:
            return self.samples
        return [each for sample in self.samples for each in slices(sample, self._depth)]

    def images(self, start: int = 0) -> Iterator[np.ndarray]:
        sample, skipped = divmod(start, self._depth or 1)
        for array in self.arrays(sample):
            image = shown(array, self._output["range"])
            self._counted[image.shape[-3:]] += 1
            if self._depth is None:
                yield image
            else:
                yield from image[skipped:]
                skipped = 0

    def learned(self) -> Mapping[str, Any] | None:
        return None if self._declared else {"sizes": [list(size) for size in self.sizes]}

    def recall(self, learned: Mapping[str, Any]) -> None:
        self._counted = Counter(map(tuple, learned["sizes"]))

    @property
    def sizes(self) -> Sequence[tuple[int, ...]]:
        if self._declared:
            return [self._declared]
        return [size for size, _ in self._counted.most_common()]

    def spacing(self, place: int) -> tuple[float, float] | None:
        declared = self._output.get("spacing_mm")
        return (declared[-2], declared[-1]) if declared else None


def are_shared(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Tell, of the headers of two sets, whether samples of one are those of the other."""
    # Of weights that are fetched, the hash is not known before they are.
    are_known = all(each.get(WEIGHTS) is not None for each in (one, other))
    deciding = [key for key in DECIDING if key != WEIGHTS or are_known]
    decided = [
        (
            [each.get(key) for key in deciding],
            [given.get("sha256") for given in each.get("inputs", ())],
        )
        for each in (one, other)
    ]
    first, second = (each.get("indices") or [0, each["count"]] for each in (one, other))
    return decided[0] == decided[1] and first[0] < second[1] and second[0] < first[1]
