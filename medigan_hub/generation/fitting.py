"""Input images of another scale than a model was trained on: told, or brought to that and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import groupby

import numpy as np

from medigan_hub.errors import HubNote, HubWarning, RequestError, named
from medigan_hub.inputs import Images, resized
from medigan_hub.metadata import ModelMetadata, Output, Trained
from medigan_hub.samples import GenerationRequest, SampleBatch

FAR = 1.5
"""How many times larger or smaller than what was trained on is told, in pixels or in mm."""
MAX_GROWTH = 16
"""How many times higher or wider than what was trained on an image may become."""
FAR_GREY = 0.35
"""How far off a percentile of the grey levels may be, of the whole range."""


def check(
    model: ModelMetadata, images: Mapping[str, Images], *, fit: bool | None
) -> tuple[dict[str, bool], list[HubWarning]]:
    """Return which inputs are to be fitted, and what is to be said of them.

    That is: which images are far from what the model was trained on.

    Raises
    ------
    RequestError
        They are to be fitted, and the model does not say to what.
    """
    declared = {entry.name: entry.trained for entry in model.inputs}
    if fit and images and not any(declared.values()):
        raise RequestError(
            f"{model.name} does not say which images it was trained on, so that none can be "
            f"brought to their scale; leave {named('fit')} out"
        )
    fitted = {}
    told: list[HubWarning] = []
    for name, given in images.items():
        trained = declared[name]
        if trained is None:
            continue
        fitted[name] = trained.one_scale if fit is None else fit
        if fitted[name]:
            _check_size(model.name, given, trained)
        told += _of_scale(model.name, given, trained, is_fitted=fitted[name])
        told += _of_grey(model.name, given, trained)
    return fitted, told


def fitted(request: GenerationRequest) -> GenerationRequest:
    """Return the request that a plugin is given: with images of the scale that it knows."""
    inputs = {
        entry.name: Fitted(request.inputs[entry.name], entry.trained)
        if entry.trained is not None and request.fitted.get(entry.name)
        else request.inputs[entry.name]
        for entry in request.metadata.inputs
        if entry.name in request.inputs
    }
    return replace(request, inputs=inputs)


def restored(batches: Iterator[SampleBatch], request: GenerationRequest) -> Iterator[SampleBatch]:
    """Bring what a plugin made of fitted images back to the size that they were given in."""
    names = [name for name, is_fitted in request.fitted.items() if is_fitted]
    if not names:
        yield from batches
        return
    first = request.inputs[names[0]]
    outputs = {output.name: output for output in request.metadata.outputs}
    for batch in batches:
        sizes = [first.size(int(index)) for index in batch.indices]
        for size, group in groupby(range(len(batch)), sizes.__getitem__):
            members = list(group)
            indices = batch.indices[members]
            arrays = {}
            for name, array in batch.arrays.items():
                if name in names:
                    arrays[name] = np.stack([request.inputs[name][int(i)] for i in indices])
                else:
                    arrays[name] = _back(array[members], outputs.get(name), size)
            yield SampleBatch(indices, arrays)


class Fitted(Images):
    """Images at the scale that a model was trained on."""

    def __init__(self, given: Images, trained: Trained) -> None:
        super().__init__(given.together, given.places)
        self._trained = trained

    def __getitem__(self, position):  # type: ignore[no-untyped-def]
        if isinstance(position, slice):
            return Fitted(super().__getitem__(position), self._trained)
        size = fitting_size(self.size(position), self.spacing(position), self._trained)
        return resized(super().__getitem__(position), size)


def fitting_size(
    size: tuple[int, int], spacing: tuple[float, float] | None, trained: Trained
) -> tuple[int, int]:
    """Return the height and width that an image has at the scale that a model was trained on.

    By the distance of its pixels where it is known of both; else it becomes as high as the
    images that the model was trained on.

    >>> fitting_size((4736, 2624), (0.05, 0.05), Trained((256, 256), (0.8, 0.8)))
    (296, 164)
    >>> fitting_size((512, 300), None, Trained((256, 256)))
    (256, 150)
    """
    rows, columns = _factors(size, spacing, trained)
    return max(1, round(size[0] * rows)), max(1, round(size[1] * columns))


def _factors(
    size: tuple[int, int], spacing: tuple[float, float] | None, trained: Trained
) -> tuple[float, float]:
    if spacing is not None and trained.spacing is not None:
        return spacing[0] / trained.spacing[0], spacing[1] / trained.spacing[1]
    return (trained.size[0] / size[0],) * 2


def _back(array: np.ndarray, declared: Output | None, size: tuple[int, int]) -> np.ndarray:
    """Bring (n, height, width, channels) of a size that follows the input's back to that."""
    if declared is None or declared.shape[:2] != (None, None) or array.shape[1:3] == size:
        return array
    if declared.kind == "mask":
        rows, columns = (
            np.minimum(((np.arange(wanted) + 0.5) * had / wanted).astype(int), had - 1)
            for wanted, had in zip(size, array.shape[1:3], strict=True)
        )
        return array[:, rows][:, :, columns]
    return np.stack([resized(image, size) for image in array])


def _check_size(model: str, images: Images, trained: Trained) -> None:
    for place in range(len(images)):
        spacing = images.spacing(place)
        size = fitting_size(images.size(place), spacing, trained)
        if any(now > MAX_GROWTH * known for now, known in zip(size, trained.size, strict=True)):
            raise RequestError(
                f"{images.name(place)} would have {size[0]} x {size[1]} pixels at the scale that "
                f"{model} was trained on"
                + ("" if spacing is None else f", as its own are {spacing[0]:g} mm apart")
                + f"; crop it, or leave its scale with {named('fit', False)}"
            )


def _of_scale(
    model: str, images: Images, trained: Trained, *, is_fitted: bool
) -> Iterator[HubWarning]:
    worst, found = FAR, None
    for place in range(len(images)):
        factor = _factors(images.size(place), images.spacing(place), trained)[0]
        if max(factor, 1 / factor) > worst:
            worst, found = max(factor, 1 / factor), place
    if found is None:
        return
    (height, width), spacing = images.size(found), images.spacing(found)
    of = "" if spacing is None else f" of {spacing[0]:.3g} mm"
    knows = f"{trained.size[0]} x {trained.size[1]} pixels" + (
        "" if trained.spacing is None else f" of {trained.spacing[0]:.3g} mm"
    )
    has = f"{images.name(found)} has {height} x {width} pixels{of}"
    words = f"{has}, and {model} was trained on {knows}"
    if is_fitted:
        new = " x ".join(map(str, fitting_size((height, width), spacing, trained)))
        words += f": it is brought to {new}, and the result back ({named('fit', False)} leaves it)"
        yield HubNote(words)
    else:
        yield HubWarning(
            f"{words}: what it makes at {worst:.3g} times another scale is not to be trusted; "
            f"bring the image there with {named('fit', True)}"
        )


def _of_grey(model: str, images: Images, trained: Trained) -> Iterator[HubWarning]:
    if trained.grey_range is None:
        return
    for place in range(len(images)):
        grey = images.grey_range(place)
        if max(abs(a - b) for a, b in zip(grey, trained.grey_range, strict=True)) > FAR_GREY:
            low, high = trained.grey_range
            yield HubWarning(
                f"98 % of the pixels of {images.name(place)} lie between {grey[0]:.0%} and "
                f"{grey[1]:.0%} of the range from black to white, and those that {model} was "
                f"trained on between {low:.0%} and {high:.0%}; look at what comes out, or bring "
                "the image to such levels"
            )
            return
