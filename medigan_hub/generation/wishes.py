"""From what a caller asks to a request: checked against the model's metadata alone.

Nothing here loads a plugin, a framework or weights, or asks the network.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

import numpy as np

from medigan_hub.errors import RequestError, named, shortened, whole_number
from medigan_hub.execution import KNOBS, Execution
from medigan_hub.generation import fitting
from medigan_hub.inputs import Images, Source, find, paired
from medigan_hub.metadata import ModelMetadata, parse_parameters
from medigan_hub.reading import READING, Reading
from medigan_hub.samples import GenerationRequest

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from typing_extensions import Unpack

DEVICES = re.compile(r"auto|cpu|mps|cuda(:\d+)?")
MAX_SAMPLES = 2**63 - 1
"""Samples that a job can have: their indices are of 64 bits."""
MAX_INDEX = 10**18 - 1
"""The greatest index that can be asked for by itself: files are named with at most 18 digits."""
RUN = re.compile(r"(?:([0-9]{0,18}):)?([0-9]{1,18})")
PRECISIONS = ("float32", "bfloat16")

Indices: TypeAlias = "int | range | slice | str"
"""Samples by their indices: 37, range(100, 200), slice(100, 200), or the texts 37 and 100:200."""


class Knobs(TypedDict, total=False):
    """How samples are made: the fields of ``Execution``, which has their defaults and words."""

    runtime: str
    precision: str
    device: str
    batch_size: int
    allow_archive_code: bool


class ReadingWishes(TypedDict, total=False):
    """How input images are read: the fields of ``Reading``, which has their defaults and words."""

    bits: int | None
    window: int | tuple[float, float] | str | None
    slice_axis: str | int | None
    fit: bool | None
    recursive: bool
    skip_unreadable: bool


class _Declared(Knobs, ReadingWishes, total=False):
    """What is wished by the names of fields that are declared elsewhere."""


class Wishes(_Declared, total=False):
    """What a caller may ask for beside the model and the number of samples."""

    seed: int
    indices: Indices | None
    inputs: Source | Mapping[str, Source] | None
    conditions: Mapping[str, Any] | None
    balance: bool
    latents: ArrayLike | None
    options: Mapping[str, Any] | None


WISHES = frozenset(Wishes.__annotations__)
DEFAULTS: Wishes = {
    "seed": 0,
    "indices": None,
    "inputs": None,
    "conditions": None,
    "balance": False,
    "latents": None,
    "options": None,
    **{  # type: ignore[typeddict-item]
        name: knob.default for name, knob in (READING | KNOBS).items()
    },
}


def request(
    model: ModelMetadata,
    num_samples: int | None,
    *,
    default_count: int = 1,
    seed: int = 0,
    indices: Indices | None = None,
    inputs: Source | Mapping[str, Source] | None = None,
    conditions: Mapping[str, Any] | None = None,
    balance: bool = False,
    latents: ArrayLike | None = None,
    options: Mapping[str, Any] | None = None,
    **more: Unpack[_Declared],
) -> GenerationRequest:
    """Check what a caller asked of ``model``, and fill in what was left open.

    Without ``num_samples`` there are as many samples as inputs, latent vectors
    or values of a condition; without those, ``default_count``, or more where a
    round of balanced conditions takes more. ``indices`` asks for some samples of such a
    job alone: one, or a run of them.

    Raises
    ------
    RequestError
        A value is not possible; the message says which, and what is.
    """
    execution = _execution(
        model,
        {name: value for name, value in more.items() if name in KNOBS},  # type: ignore[arg-type]
    )
    reading = Reading(**{name: value for name, value in more.items() if name in READING})  # type: ignore[arg-type]
    count = None
    if num_samples is not None:
        count = whole_number("the number of samples", num_samples, 1, MAX_SAMPLES)
    alone = None if indices is None else run(indices)
    if alone is not None and count not in (None, len(alone)):
        raise RequestError(
            f"the number of samples is {count}, and {named('indices')} names {len(alone)}; "
            "leave one of the two out"
        )
    seed = whole_number("the seed", seed, 0, 2**64 - 1)
    wanted = _conditions(model, conditions or {}, balance)
    checked_options = parse_parameters("option", model.options, options or {}, model.name)
    images = _images(model, inputs, None if alone else count, reading)
    vectors = _latents(model, latents)
    lengths = {name: len(value) for name, value in wanted.items() if isinstance(value, tuple)}
    if alone is not None:
        _check_reach(alone, images, vectors, {} if balance else lengths)
        images = {name: each[: alone.stop] for name, each in images.items()}
        count = len(alone)
    elif count is None:
        given = [len(each) for each in images.values()]
        given += [] if vectors is None else [len(vectors)]
        if balance:
            default_count = max(default_count, *lengths.values())
        else:
            given += lengths.values()
        count = given[0] if given else default_count
    samples = "1 sample" if count == 1 else f"{count} samples"
    if alone is None and vectors is not None and count > len(vectors):
        raise RequestError(
            f"{samples} were asked for, but there are latents for {len(vectors)}; "
            "give more or ask for fewer"
        )
    for name, length in lengths.items():
        if alone is None and not balance and length != count:
            values = "1 value" if length == 1 else f"{length} values"
            raise RequestError(
                f"{values} of {name} came for {samples}; give one outside a list for all, "
                f"one for each, or let the samples take turns with {named('balance', True)}"
            )
    turns = {p.name: p.turns for p in model.conditions if p.turns and wanted[p.name] is None}
    chosen = range(count) if alone is None else alone
    taken = {name: each[chosen.start : chosen.stop] for name, each in images.items()}
    for entry in model.inputs:
        if entry.name in taken:
            taken[entry.name].check(entry, model.name)
    fitted, told = fitting.check(model, taken, fit=reading.fit)
    for warning in told:
        warnings.warn(warning, stacklevel=3)
    return GenerationRequest(
        metadata=model,
        indices=chosen,
        seed=seed,
        conditions=wanted | turns,
        options=checked_options,
        inputs=images,
        fitted=fitted,
        told=tuple(map(str, told)),
        given_latents=None if vectors is None else vectors[: chosen.stop],
        execution=execution,
    )


def run(indices: Indices) -> range:
    """Return the samples that a caller names by their indices.

    Raises
    ------
    RequestError
        They are no whole numbers, none, or no run without gaps.

    >>> run("100:200"), run(37)
    (range(100, 200), range(37, 38))
    """
    start: Any = 0
    if isinstance(indices, str):
        found = RUN.fullmatch(indices)
        stop = int(found[2]) + (found[1] is None) if found else None
        start = int(found[1] or 0) if found and found[1] is not None else (stop or 1) - 1
    elif isinstance(indices, (range, slice)):
        stop = indices.stop if indices.step in (None, 1) else None
        start = indices.start or 0
    else:
        start = whole_number("the index", indices, 0, MAX_INDEX)
        stop = start + 1
    if stop is None:
        raise RequestError(
            f"the indices are {shortened(repr(indices))}; give one, such as 37, or a run without "
            "gaps, such as 100:200 for 100 to 199"
        )
    start = whole_number("the first index", start, 0, MAX_INDEX)
    return range(start, whole_number("the index after the last", stop, start + 1, MAX_INDEX + 1))


def _check_reach(
    indices: range,
    images: Mapping[str, Images],
    vectors: np.ndarray | None,
    lengths: Mapping[str, int],
) -> None:
    """Make sure that what is given one for each sample reaches as far as the samples asked for."""
    given = {f"inputs {name}": len(each) for name, each in images.items()}
    given |= {} if vectors is None else {"latents": len(vectors)}
    given |= {f"values of {name}": length for name, length in lengths.items()}
    for what, length in given.items():
        if indices.stop > length:
            raise RequestError(
                f"sample {indices.stop - 1} was asked for, and there are {what} for {length}, "
                "from sample 0 on; give more or ask for another one"
            )


def _execution(model: ModelMetadata, knobs: Knobs) -> Execution:
    """Return how samples are to be made, as far as that can be told without asking the machine."""
    execution = Execution(**knobs)
    device, precision = execution.device, execution.precision
    if not isinstance(device, str) or not DEVICES.fullmatch(device):
        raise RequestError(
            f"there is no device {device!r}; use auto, cpu, cuda, cuda:N (such as cuda:0) or mps"
        )
    if precision not in PRECISIONS:
        raise RequestError(f"there is no precision {precision!r}; use {' or '.join(PRECISIONS)}")
    if execution.runtime != "auto":
        model.weights_for(execution.runtime)
    size = whole_number("the batch size", execution.batch_size, 1, MAX_SAMPLES)
    return replace(execution, batch_size=size)


def _conditions(model: ModelMetadata, given: Mapping[str, Any], balance: bool) -> dict[str, Any]:
    """Return for each condition what ``GenerationRequest.conditions`` holds of it."""
    wanted = parse_parameters("condition", model.conditions, given, model.name)
    if not balance:
        return wanted
    turns = {name: value for name, value in wanted.items() if isinstance(value, tuple)}
    if not turns:
        turns = {p.name: p.values for p in model.conditions if p.values and p.name not in given}
    if not turns:
        raise RequestError(
            f"{model.name} has nothing to balance: give several values of a condition"
            if model.conditions
            else f"{model.name} has no condition to balance; leave that out"
        )
    # Every combination has its turn, so that two conditions don't go hand in hand.
    columns = zip(*product(*turns.values()), strict=True)
    return wanted | dict(zip(turns, columns, strict=True))


def _latents(model: ModelMetadata, given: ArrayLike | None) -> np.ndarray | None:
    """Return the latent vectors that a caller gave: float32, (N, latent size)."""
    if given is None:
        return None
    if model.latent is None:
        raise RequestError(f"{model.name} has no latent vector; leave the latents out")
    try:
        array = np.asarray(given)
    except ValueError as error:
        raise RequestError("the latents are rows of different lengths") from error
    except (TypeError, RuntimeError) as error:  # such as a tensor on a GPU
        raise RequestError(f"the latents are not an array of numbers: {error}") from error
    if array.dtype.kind not in "fiu":
        raise RequestError("the latents are not an array of numbers")
    with np.errstate(over="ignore"):  # what overflows is refused below
        rows = array.astype(np.float32)
    if rows.ndim != 2 or rows.shape[1] != model.latent.size or len(rows) == 0:
        raise RequestError(
            f"the latents have the shape {list(rows.shape)}; {model.name} takes one row of "
            f"{model.latent.size} numbers for each sample, [N, {model.latent.size}]"
        )
    broken = np.argwhere(~np.isfinite(rows))
    if len(broken):
        row, column = broken[0].tolist()
        raise RequestError(f"the latents hold {rows[row, column]} at [{row}, {column}], no number")
    return rows


def _images(
    model: ModelMetadata,
    source: Source | Mapping[str, Source] | None,
    count: int | None,
    reading: Reading,
) -> dict[str, Images]:
    """Return the inputs that a caller gave, by name, unread: all that the model takes, or none."""
    names = [entry.name for entry in model.inputs]
    if source is None or (isinstance(source, Mapping) and not source):
        if any(entry.required for entry in model.inputs):
            raise RequestError(f"{model.name} needs input images; name a file or folder of them")
        if reading.asked:
            wish = named(*next(iter(reading.asked.items())))
            raise RequestError(f"{wish} is about input images, and there are none; leave it out")
        return {}
    if not names:
        raise RequestError(f"{model.name} takes no input images; leave the input out")
    if not isinstance(source, Mapping):
        source = {names[0]: source}
    unknown = ", ".join(str(name) for name in source if name not in names)
    if unknown:
        raise RequestError(f"{model.name} has no input {unknown}; it takes {', '.join(names)}")
    missing = ", ".join(name for name in names if name not in source)
    if missing:
        raise RequestError(
            f"{model.name} takes {len(names)} inputs together, and {missing} is missing; "
            f"give each by name: {named('inputs', dict.fromkeys(names, 'PATH'))}"
        )
    found = paired({name: find(source[name], reading) for name in names})
    for images in found.values():
        if count is not None and count > len(images):
            plural = "is 1 input image" if len(images) == 1 else f"are {len(images)} input images"
            raise RequestError(
                f"{count} samples were asked for, but there {plural}; give more or ask for fewer"
            )
    return {name: images[:count] for name, images in found.items()}
