"""Images and masks as small arrays, which networks learn from. They are kept in memory alone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import numpy as np

from medigan_hub.errors import RequestError, shortened
from medigan_hub.evaluation.pairs.reading import Reader, check_sizes, without_opacity
from medigan_hub.evaluation.preparation import fractions
from medigan_hub.evaluation.sources import ImageSet
from medigan_hub.evaluation.utility.tasks import Outlines

SIZE = (64, 64)
"""Height and width that all are brought to."""


def pixels(
    images: ImageSet,
    channels: int,
    progress: Callable[[int], None],
    outlines: Outlines | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return images, (N, 64, 64, channels) float16 from 0 to 1, and masks, (N, 64, 64) bool.

    Parameters
    ----------
    outlines
        Their masks: what is not black is inside.

    Raises
    ------
    RequestError
        One can't be read, or a mask is of another size than its image.
    """
    found = np.empty((len(images), *SIZE, channels), np.float16)
    inside = None if outlines is None else np.empty((len(images), *SIZE), bool)
    reader = None if outlines is None else Reader(outlines.images, "mask")
    try:
        with closing(images.images()) as every:  # type: ignore[type-var]
            place = -1
            for place, image in enumerate(every):
                name = shortened(images.items[place].name)
                try:
                    found[place] = fractions(image, SIZE, channels)
                except RequestError as error:
                    raise RequestError(f"{name} of {images.title}: {error.args[0]}") from error
                if outlines is not None and reader is not None and inside is not None:
                    mask = reader(outlines.order[place])
                    called = f"{reader.called(outlines.order[place])} of {outlines.title}"
                    check_sizes(mask, image, called, f"its image {name}")
                    inside[place] = _small(without_opacity(mask).max(axis=-1) > 0)
                progress(1)
    finally:
        if reader is not None:
            reader.close()
    if place + 1 != len(images):
        raise RequestError(f"{images.title} gave {place + 1} images instead of {len(images)}")
    return found, inside


def _small(mask: np.ndarray) -> np.ndarray:
    """Return a mask of 64 x 64 pixels: those half of whose area is inside, or more."""
    from PIL import Image

    shares = Image.fromarray(mask.astype(np.float32)).resize(SIZE[::-1], Image.Resampling.BOX)
    return np.asarray(np.asarray(shares) >= 0.5)
