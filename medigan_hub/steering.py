"""Steering a model: moving through its latent space, and through the values of its conditions.

Latent vectors are rows of float32; a basis is an array of directions,
(rows, latent size). Nothing here depends on a model's framework.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from medigan_hub import generation
from medigan_hub._version import __version__
from medigan_hub.errors import RequestError, whole_number
from medigan_hub.files import cache_folder, write_atomically
from medigan_hub.metadata import Latent, ModelMetadata, Parameter, parse_parameters

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from medigan_hub.plugins import Plugin
    from medigan_hub.samples import GenerationRequest

    Numbers = NDArray[np.float64]
    Vectors = NDArray[np.float32]

NUM_SAMPLES = 256
"""From which the principal directions of a model are found."""
MAX_DIRECTIONS = 32
"""Principal directions that are kept of a model."""
MAX_CELLS = 32
"""Cells along a side of an image, at most, to which the directions are fitted."""
PENALTY = 0.1
"""On the fit, for each sample and unit of the latent vector's variance. Found by trials on maps of
known directions: with as many samples as components, a lesser one lets the fit follow noise."""
SHOWN_VALUES = 6
"""Values that are compared of a condition with a range."""
STEP = {"normal": 1.0, "uniform": 1 / math.sqrt(3)}
"""Standard deviation of a component of a latent vector, by the vector's distribution."""


def latent_of(model: ModelMetadata) -> Latent:
    """Return what is known of a model's latent vector.

    Raises
    ------
    RequestError
        It has none.
    """
    if model.latent is None:
        raise RequestError(
            f"{model.name} has no latent vector to move through; choose a model that has one "
            "(medigan info MODEL says so)"
        )
    return model.latent


def grouped(size: int, groups: int = 10) -> Vectors:
    """Return a basis that moves neighbouring components together: (groups, size).

    Row k is 1 in the k-th run of components and 0 elsewhere; runs are as equal
    in length as they can be. There are no more rows than components.

    >>> grouped(5, 2).tolist()
    [[1.0, 1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0, 1.0]]
    """
    rows = min(whole_number("the number of groups", groups, 1), size)
    runs = np.array_split(np.arange(size), rows)
    basis = np.zeros((rows, size), np.float32)
    for row, run in zip(basis, runs, strict=True):
        row[run] = 1
    return basis


def principal(
    plugin: Plugin,
    request: GenerationRequest,
    count: int = 10,
    num_samples: int = NUM_SAMPLES,
    progress: Callable[[int, int], None] | None = None,
) -> Vectors:
    """Return the directions along which a model's images change most: (count, latent size).

    They are orthogonal and of unit length, the strongest first. There are no
    more than components or pixels, and fewer than samples.

    Samples are made with their conditions ``held``, and a linear map is fitted
    from their latent vectors to their images, by ridge regression, so that
    there may be fewer samples than components. For normal latent vectors the
    expectation of that map is the mean Jacobian of the model (Stein's lemma);
    the directions are its singular vectors. Related to GANSpace (Härkönen et
    al., 2020), the principal components of a network's features, and SeFa (Shen
    and Zhou, 2021), the singular vectors of its first weights; but this needs
    to see nothing of a network but its images.

    Parameters
    ----------
    request
        Whose conditions, options, device and batch size are used; its seed,
        indices and latent vectors are of no account.
    progress
        Called with the samples done and the samples in all after each batch;
        what it raises stops the work.

    Raises
    ------
    RequestError
        The model has no latent vector, or its published code takes none.
    PluginError
        The plugin fails.
    """
    latent = latent_of(request.metadata)
    count = whole_number("the number of directions", count, 1)
    num_samples = whole_number("the number of samples", num_samples, 2)
    request = replace(held(request), seed=0, indices=range(num_samples), given_latents=None)
    latents = request.latents(request.indices)
    if request.inputs:  # of which the first is held, too
        requests = [at(request, vector) for vector in latents]
    else:  # the seed would draw the same, but published code that draws its own must refuse
        requests = [replace(request, given_latents=latents)]
    outputs = request.metadata.outputs
    images = [output for output in outputs if output.kind == "image"]
    images = images or [output for output in outputs if output.kind == "mask"]
    parts, done = [], 0
    for batch in chain.from_iterable(generation.stream(plugin, each) for each in requests):
        scaled = (
            _coarse(batch.arrays[output.name]) / (output.range[1] - output.range[0])
            for output in images
        )
        parts.append(np.concatenate([part.reshape(len(batch), -1) for part in scaled], axis=1))
        done += len(batch)
        if progress:
            progress(done, num_samples)
    pixels = np.concatenate(parts)
    # With the latent vectors as left * weights @ right, the map is right.T @ fitted.
    left, weights, right = np.linalg.svd(latents - latents.mean(axis=0), full_matrices=False)
    penalty = PENALTY * num_samples * STEP[latent.distribution] ** 2
    shrunk = weights / (weights**2 + penalty)
    fitted = shrunk[:, np.newaxis] * (left.T @ (pixels - pixels.mean(axis=0)))
    strongest = np.linalg.svd(fitted, full_matrices=False)[0].T @ right
    found: Vectors = strongest[: min(count, num_samples - 1)].astype(np.float32)
    for row in found:
        if row[np.abs(row).argmax()] < 0:  # either sign would do, so one is settled on
            row *= -1
    return found


def directions(
    plugin: Plugin,
    request: GenerationRequest,
    count: int = 10,
    progress: Callable[[int, int], None] | None = None,
) -> Vectors:
    """Return ``principal`` directions, found once and then kept in the hub's cache folder.

    A file in the cache that is damaged is made anew.

    Raises
    ------
    RequestError
        As for ``principal``; also when ``count`` is not from 1 to 32.
    """
    count = whole_number("the number of directions", count, 1, MAX_DIRECTIONS)
    size = latent_of(request.metadata).size
    path = cache_folder() / "directions" / f"{_key(held(request))}.npy"
    found = _read(path, size)
    if found is None:
        found = principal(plugin, request, MAX_DIRECTIONS, progress=progress)
        stream = io.BytesIO()
        np.save(stream, found, allow_pickle=False)
        with suppress(OSError):  # a cache that can't be written costs time, nothing else
            write_atomically(path, stream.getvalue())
    return found[:count]


def move(
    latent: Latent, start: ArrayLike, basis: ArrayLike, amounts: ArrayLike, offset: float = 0.0
) -> Vectors:
    """Return the latent vector that lies so far from ``start``: (size,).

    Parameters
    ----------
    start
        (size,)
    basis
        (rows, size)
    amounts
        How far to go along each row of the basis: (rows,), in standard
        deviations of a component. A uniform vector stays within [-1, 1].
    offset
        How far to move every component besides, in the same unit.

    Raises
    ------
    RequestError
        An array has another shape, or holds what is no number.

    >>> move(Latent(3, "normal"), [0, 0, 1], [[1, 1, 0]], [2], offset=0.5).tolist()
    [2.5, 2.5, 1.5]
    """
    origin = _numbers("the latent vector", start, (latent.size,))
    rows = _numbers("the basis", basis, (None, latent.size))
    far = _numbers("the amounts", amounts, (len(rows),))
    shift = _numbers("the offset", offset, ())
    moved = origin + STEP[latent.distribution] * (far @ rows + shift)
    if latent.distribution == "uniform":
        moved = moved.clip(-1, 1)
    return _numbers("the latent vector there", moved, (latent.size,)).astype(np.float32)


def interpolate(latent: Latent, start: ArrayLike, end: ArrayLike, steps: int) -> Vectors:
    """Return latent vectors from ``start`` to ``end``, both among them: (steps, size).

    Normal vectors turn at an even speed from the one direction to the other
    (Shoemake, 1985, "Animating rotation with quaternion curves") while their
    length changes evenly, so that it stays typical of such vectors; on the
    straight line between them it would not. Between opposite ones they turn by
    way of one that is at right angles to both. Uniform vectors keep to the
    straight line.

    Raises
    ------
    RequestError
        A vector has another shape, or holds what is no number; or there are
        fewer than two steps.

    >>> interpolate(Latent(2, "uniform"), [-1, 0], [1, 0.5], 3).tolist()
    [[-1.0, 0.0], [0.0, 0.25], [1.0, 0.5]]
    """
    steps = whole_number("the number of steps", steps, 2)
    first = _numbers("the first latent vector", start, (latent.size,))
    last = _numbers("the last latent vector", end, (latent.size,))
    share = np.linspace(0, 1, steps)[:, np.newaxis]
    if latent.distribution == "normal":
        lengths = [float(np.linalg.norm(vector)) for vector in (first, last)]
        path = _turned(first, last, share) * ((1 - share) * lengths[0] + share * lengths[1])
    else:
        path = (1 - share) * first + share * last
    path[0], path[-1] = first, last
    return path.astype(np.float32)


def at(request: GenerationRequest, vector: ArrayLike) -> GenerationRequest:
    """Return the job that makes sample 0 of ``request`` with another latent vector, (size,)."""
    given = np.asarray(vector, np.float32)[np.newaxis]
    return replace(request, indices=range(1), given_latents=given)


def between(request: GenerationRequest, seed: int, steps: int) -> list[GenerationRequest]:
    """Return jobs for one picture each, from sample 0 of ``request`` to sample 0 of another seed.

    Only the latent vector changes: conditions, and whatever else is drawn for
    a sample, are those of sample 0 of ``request``.

    Raises
    ------
    RequestError
        The model has no latent vector, or a number is not possible.
    """
    latent = latent_of(request.metadata)
    seed = whole_number("the second seed", seed, 0, 2**64 - 1)
    start = held(replace(request, given_latents=None), drawn=True)
    (first,), (last,) = start.latents([0]), replace(start, seed=seed).latents([0])
    return [at(start, vector) for vector in interpolate(latent, first, last, steps)]


def held(request: GenerationRequest, *, drawn: bool = False) -> GenerationRequest:
    """Return ``request`` with one value of each condition for all of its samples.

    That is the one which it has already, or the first of several. What each
    sample would draw becomes what sample 0 draws, if ``drawn``, or else the
    first choice, or the middle of the range.
    """
    values = {}
    for parameter in request.metadata.conditions:
        value = request.conditions[parameter.name]
        if isinstance(value, tuple):
            value = value[0]
        elif value is None and parameter.can_draw:
            value = request.condition(parameter.name, [0])[0] if drawn else _middle(parameter)
        values[parameter.name] = value
    return replace(request, conditions=values)


def values_of(model: ModelMetadata, name: str, conditions: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the values of a condition that are to be compared.

    Those in ``conditions``, what a caller gave by name; else its choices; else
    six, evenly spaced over its range (fewer whole numbers, where it has fewer).

    Raises
    ------
    RequestError
        There is no such condition, or nothing to compare of it.
    """
    given = parse_parameters("condition", model.conditions, conditions, model.name)
    parameters = {parameter.name: parameter for parameter in model.conditions}
    if name not in parameters:
        offers = f"it has {', '.join(parameters)}" if parameters else "it has none"
        raise RequestError(f"{model.name} has no condition {name!r}; {offers}")
    parameter = parameters[name]
    if name in conditions:
        value = given[name]
        return value if isinstance(value, tuple) else (value,)
    if parameter.values:
        return parameter.values
    if parameter.minimum is None or parameter.maximum is None:
        raise RequestError(
            f"{name} has neither choices nor a range; give the values to compare: "
            f"{name} is {parameter.allowed}"
        )
    if parameter.type != "integer":
        return tuple(np.linspace(parameter.minimum, parameter.maximum, SHOWN_VALUES).tolist())
    ends = math.ceil(parameter.minimum), math.floor(parameter.maximum)
    return tuple(dict.fromkeys(np.linspace(*ends, SHOWN_VALUES).round().astype(int).tolist()))


def _middle(parameter: Parameter) -> Any:
    """Return the first choice of a parameter, or the middle of its range."""
    if parameter.values:
        return parameter.values[0]
    middle = ((parameter.minimum or 0) + (parameter.maximum or 0)) / 2
    return math.floor(middle) if parameter.type == "integer" else middle


def _coarse(images: np.ndarray) -> NDArray[np.float32]:
    """Return images or volumes, (N, ..., channels), with at most 32 cells along each side.

    A cell is the mean of the area that it covers.
    """
    values = images.astype(np.float32)
    for axis in range(1, images.ndim - 1):
        size = images.shape[axis]
        edges = np.linspace(0, size, min(size, MAX_CELLS) + 1)[:, np.newaxis]
        pixels = np.arange(size)
        covered = np.minimum(edges[1:], pixels + 1) - np.maximum(edges[:-1], pixels)
        shares = (covered.clip(0) / np.diff(edges, axis=0)).astype(np.float32)
        values = np.moveaxis(np.tensordot(shares, values, (1, axis)), 0, axis)
    return values


def _turned(first: Numbers, last: Numbers, share: Numbers) -> Numbers:
    """Return unit vectors, the direction of ``first`` turned to that of ``last``: (steps, size).

    ``share`` is how much of the angle lies behind each: (steps, 1). Where one
    of the two is zero, it has the direction of the other.
    """
    origin, target = _unit(first), _unit(last)
    if not origin.any() or not target.any():
        return np.repeat((origin + target)[np.newaxis], len(share), axis=0)
    along = origin @ target
    across = target - along * origin
    angle = math.atan2(np.linalg.norm(across), along)
    if np.linalg.norm(across) < 1e-6:  # rounding, which says nothing about where to turn
        axis = np.eye(len(origin))[np.abs(origin).argmin()]
        across = axis - (axis @ origin) * origin
    return np.cos(angle * share) * origin + np.sin(angle * share) * _unit(across)


def _unit(vector: Numbers) -> Numbers:
    """Return a vector with the length 1, or zero where it is zero."""
    length = np.linalg.norm(vector)
    return vector / length if length else vector


def _numbers(what: str, values: ArrayLike, shape: tuple[int | None, ...]) -> Numbers:
    """Return an array of numbers within float32, of a shape in which None is any size."""
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise RequestError(f"{what} is made of rows of different lengths") from error
    if array.dtype.kind not in "fiu":
        raise RequestError(f"{what} is no array of numbers")
    if array.ndim != len(shape) or any(
        size not in (None, found) for size, found in zip(shape, array.shape, strict=True)
    ):
        wanted = ", ".join("N" if size is None else str(size) for size in shape)
        raise RequestError(f"{what} has the shape {list(array.shape)}; it must be [{wanted}]")
    broken = array[~(np.abs(array) <= np.finfo(np.float32).max)]
    if broken.size:
        raise RequestError(f"{what} holds {broken[0]}; give finite numbers")
    return array.astype(np.float64)


def _key(request: GenerationRequest) -> str:
    """Return a name for all that the directions of a model depend on."""
    model = request.metadata
    known = {
        "hub": __version__,
        "model": model.name,
        "version": model.version,
        "weights": request.weights_sha256,
        "conditions": dict(request.conditions),
        "options": dict(request.options),
        "inputs": {name: images.sha256 for name, images in request.inputs.items()},
        "num_samples": NUM_SAMPLES,
        "runtime": request.execution.runtime,
    }
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()


def _read(path: Path, size: int) -> Vectors | None:
    """Return the directions that a file holds, or None where there are none to be had."""
    try:
        with path.open("rb") as stream:
            found = np.load(stream, allow_pickle=False)
        usable = found.dtype == np.float32 and found.ndim == 2 and found.shape[1] == size
        return found if usable and np.isfinite(found).all() else None
    except Exception:  # NumPy raises many kinds for a file that is damaged
        return None
