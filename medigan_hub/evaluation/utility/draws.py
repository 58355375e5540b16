"""Which images an arm is given in a repeat: whole patients, and classes as among all real ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

FIRST, STREAMS = 100, 3
"""The first stream of random numbers, and those that each repeat has."""
OF_SHARES, OF_SYNTHETIC, OF_TRAINING = range(STREAMS)


def stream(seed: int, repeat: int, purpose: int) -> np.random.Generator:
    """Return the random numbers of a repeat, for one purpose."""
    key = np.array([seed, FIRST + STREAMS * repeat + purpose], np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


class Draws:
    """Draws real and synthetic images.

    Parameters
    ----------
    classes
        Of each real image, (N,) int.
    belongs
        What each real image belongs to, such as a patient; an empty word stands for itself.
    theirs
        The class of each synthetic image, (M,) int.
    """

    def __init__(
        self, classes: np.ndarray, belongs: Sequence[str], theirs: np.ndarray, seed: int
    ) -> None:
        self._classes, self._theirs, self._seed = classes, theirs, seed
        self.num_classes = int(classes.max()) + 1
        words: Sequence[object] = [word or n for n, word in enumerate(belongs)]
        places = {word: n for n, word in enumerate(dict.fromkeys(words))}
        self._groups = np.array([places[word] for word in words])
        self.num_groups = len(places)
        numbers = np.bincount(classes, minlength=self.num_classes)
        # The classes that each group holds, the rarest of which is what it is drawn for.
        self._held = np.zeros((self.num_groups, self.num_classes), bool)
        self._held[self._groups, classes] = True
        rarity = np.where(self._held, numbers, len(classes) + 1)
        self._drawn_for = rarity.argmin(axis=1)

    @property
    def fewest_groups(self) -> int:
        """Groups of the class that has the fewest."""
        return int(self._held.sum(axis=0)[self._held.any(axis=0)].min())

    def real(self, repeat: int, share: float) -> np.ndarray:
        """Return the places of a share of the real images, in rising order.

        Whole groups, in each class as near to the share as these allow, and one at least. Of two
        shares in a repeat the larger holds the smaller.
        """
        order = stream(self._seed, repeat, OF_SHARES).permutation(self.num_groups)
        sizes = np.bincount(self._groups)
        first = {int(order[self._held[order, n]][0]) for n in np.flatnonzero(self._held.any(0))}
        taken = np.zeros(self.num_groups, bool)
        taken[list(first)] = True  # so that no class is missing
        for n in range(self.num_classes):
            own = [group for group in order if self._drawn_for[group] == n]
            own.sort(key=lambda group: group not in first)
            if own:
                sums = np.cumsum(sizes[own])
                count = int(np.abs(sums - share * sums[-1]).argmin()) + 1
                taken[own[:count]] = True
        return np.flatnonzero(taken[self._groups])

    def numbers(self, real: np.ndarray, ratio: float) -> np.ndarray:
        """Return how many synthetic images of each class go with some real ones, rounded up."""
        own = np.bincount(self._classes[real], minlength=self.num_classes)
        # Rounding must not make 7 of what is 6 but for the last digit.
        return np.asarray(np.ceil(np.round(ratio * own, 9)), np.int64)

    @property
    def there(self) -> np.ndarray:
        """How many synthetic images of each class there are."""
        return np.bincount(self._theirs, minlength=self.num_classes)

    def synthetic(self, repeat: int, numbers: np.ndarray) -> np.ndarray:
        """Return the places of so many synthetic images of each class, none twice.

        Of two numbers in a repeat the larger holds the smaller.
        """
        order = stream(self._seed, repeat, OF_SYNTHETIC).permutation(len(self._theirs))
        own = self._theirs[order]
        found = [order[own == n][:number] for n, number in enumerate(numbers)]
        return np.sort(np.concatenate(found))
