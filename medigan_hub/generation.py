"""From a caller's wishes to a stream of checked batches."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import product
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from medigan_hub import plugins
from medigan_hub.errors import HubError, PluginError, RequestError, whole_number
from medigan_hub.inputs import Images, Source, find
from medigan_hub.metadata import ModelMetadata, parse_parameters
from medigan_hub.plugins import Plugin
from medigan_hub.runtimes.base import out_of_memory
from medigan_hub.samples import GenerationRequest, SampleBatch

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

DEVICES = re.compile(r"auto|cpu|mps|cuda(:\d+)?")
MOST = 2**63 - 1
"""Samples that a job can have: their indices are of 64 bits."""
PRECISIONS = ("float32", "bfloat16")


class Wishes(TypedDict, total=False):
    """What a caller may ask for beside the model and the number of samples."""

    seed: int
    inputs: Source | None
    conditions: Mapping[str, Any] | None
    balance: bool
    latents: ArrayLike | None
    options: Mapping[str, Any] | None
    batch_size: int
    device: str
    precision: str


WISHES = frozenset(Wishes.__annotations__)


def request(
    model: ModelMetadata,
    num_samples: int | None,
    *,
    default_count: int = 1,
    seed: int = 0,
    inputs: Source | None = None,
    conditions: Mapping[str, Any] | None = None,
    balance: bool = False,
    latents: ArrayLike | None = None,
    options: Mapping[str, Any] | None = None,
    batch_size: int = 8,
    device: str = "auto",
    precision: str = "float32",
) -> GenerationRequest:
    """Check what a caller asked of ``model``, and fill in what was left open.

    Without ``num_samples`` there are as many samples as inputs, latent vectors
    or values of a condition; without those, ``default_count``, or more where a
    round of balanced conditions takes more.

    Raises
    ------
    RequestError
        A value is not possible; the message says which, and what is.
    """
    if not isinstance(device, str) or not DEVICES.fullmatch(device):
        raise RequestError(
            f"there is no device {device!r}; use auto, cpu, cuda, cuda:N (such as cuda:0) or mps"
        )
    if precision not in PRECISIONS:
        raise RequestError(f"there is no precision {precision!r}; use {' or '.join(PRECISIONS)}")
    count = None
    if num_samples is not None:
        count = whole_number("the number of samples", num_samples, 1, MOST)
    seed = whole_number("the seed", seed, 0, 2**64 - 1)
    batch_size = whole_number("the batch size", batch_size, 1, MOST)
    wanted = _conditions(model, conditions or {}, balance)
    checked_options = parse_parameters("option", model.options, options or {}, model.name)
    images = _images(model, inputs, count)
    vectors = _latents(model, latents)
    lengths = {name: len(value) for name, value in wanted.items() if isinstance(value, tuple)}
    if count is None:
        given = [len(each) for each in (images, vectors) if each is not None]
        if balance:
            default_count = max(default_count, *lengths.values())
        else:
            given += lengths.values()
        count = given[0] if given else default_count
    samples = "1 sample" if count == 1 else f"{count} samples"
    if vectors is not None and count > len(vectors):
        raise RequestError(
            f"{samples} were asked for, but there are latents for {len(vectors)}; "
            "give more or ask for fewer"
        )
    for name, length in lengths.items():
        if not balance and length != count:
            values = "1 value" if length == 1 else f"{length} values"
            raise RequestError(
                f"{values} of {name} came for {samples}; give one outside a list for all, "
                "one for each, or let the samples take turns with --balance (balance=True)"
            )
    return GenerationRequest(
        metadata=model,
        indices=range(count),
        seed=seed,
        conditions=wanted,
        options=checked_options,
        inputs=images,
        given_latents=None if vectors is None else vectors[:count],
        batch_size=batch_size,
        device=device,
        precision=precision,
    )


def stream(plugin: Plugin, job: GenerationRequest) -> Iterator[SampleBatch]:
    """Load the plugin now, and return the batches that it will make of ``job``.

    Each batch is held against the plugin's metadata before it is handed on.

    Raises
    ------
    PluginError
        The plugin can't be loaded; while iterating: it raised, or made what
        its metadata does not declare.
    """
    hooks = plugins.load(plugin)
    with _failures_in_words(job):
        batches = iter(hooks.generate(request=job))
    return _checked(batches, job)


def _checked(batches: Iterator[SampleBatch], job: GenerationRequest) -> Iterator[SampleBatch]:
    name = job.metadata.name
    done = 0
    while True:
        with _failures_in_words(job):
            batch = next(batches, None)
        if batch is None:
            break
        fault = _fault(batch, job, done)
        if fault:
            raise PluginError(f"plugin {name} made a batch that {fault}")
        done += len(batch)
        yield batch
    if done != len(job.indices):
        raise PluginError(f"plugin {name} made {done} of {len(job.indices)} samples and stopped")


@contextmanager
def _failures_in_words(job: GenerationRequest) -> Iterator[None]:
    """Name the plugin in whatever it raises; what the consumer raises is none of its business."""
    try:
        yield
    except HubError:
        raise
    except MemoryError as error:
        raise out_of_memory(job.batch_size) from error
    except Exception as error:
        reason = str(error).strip().split("\n")[0]
        raise PluginError(
            f"plugin {job.metadata.name} failed: {type(error).__name__}: {reason}"
        ) from error


def _fault(batch: Any, job: GenerationRequest, done: int) -> str | None:
    """Say what is wrong with a batch, or None."""
    if not isinstance(batch, SampleBatch):
        return f"is a {type(batch).__name__}, not a SampleBatch"
    if len(batch) == 0:
        return "is empty"
    expected = job.indices[done : done + len(batch)]
    if not np.array_equal(batch.indices, np.asarray(expected, dtype=np.int64)):
        return f"does not follow in order: expected the samples {expected}"
    if any(np.shape(array)[:1] != (len(batch),) for array in batch.arrays.values()):
        return f"does not hold {len(batch)} of each array, as it has indices"
    declared = {output.name for output in job.metadata.outputs}
    missing = declared - set(batch.arrays)
    unknown = set(batch.arrays) - declared - {entry.name for entry in job.metadata.inputs}
    if missing or unknown:
        word, names = ("lacks", missing) if missing else ("has an undeclared", unknown)
        return f"{word} output {', '.join(sorted(names))}"
    for entry in job.metadata.inputs:
        if entry.name in batch.arrays:
            array = batch.arrays[entry.name]
            shape = array.shape[1:]
            if str(array.dtype) not in ("uint8", "uint16") or len(shape) != 3 or 0 in shape:
                return f"has the input {entry.name} as {array.dtype} of shape {array.shape}"
            if shape[-1] != len(entry.channels):
                return f"has the input {entry.name} with {shape[-1]} channels"
    for output in job.metadata.outputs:
        array = batch.arrays[output.name]
        if str(array.dtype) != output.dtype:
            return f"has {output.name} as {array.dtype}, declared {output.dtype}"
        shape = (len(batch), *output.shape)
        if len(array.shape) != len(shape) or any(
            actual == 0 or size not in (None, actual)
            for size, actual in zip(shape, array.shape, strict=True)
        ):
            return f"has {output.name} of shape {array.shape}, declared {shape}"
        # Written so that a NaN, which is neither above nor below, is a fault.
        if not (array.min() >= output.range[0] and array.max() <= output.range[1]):
            low, high = output.range
            return f"has {output.name} beyond its declared range of {low:g} to {high:g}"
    return None


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


def _images(model: ModelMetadata, source: Source | None, count: int | None) -> Images | None:
    if not model.inputs:
        if source is not None:
            raise RequestError(f"{model.name} takes no input images; leave the input out")
        return None
    declared = model.inputs[0]
    if source is None:
        if declared.required:
            raise RequestError(f"{model.name} needs input images; name a file or folder of them")
        return None
    images = find(source)
    if count is not None and count > len(images):
        plural = "is 1 input image" if len(images) == 1 else f"are {len(images)} input images"
        raise RequestError(
            f"{count} samples were asked for, but there {plural}; give more or ask for fewer"
        )
    images = images[:count]
    images.check(declared, model.name)
    return images
