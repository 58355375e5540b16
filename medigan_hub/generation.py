"""From a caller's wishes to a stream of checked batches."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from medigan_hub import plugins, weights
from medigan_hub.errors import HubError, PluginError, RequestError, whole_number
from medigan_hub.inputs import PUBLISHED, SUFFIXES, Images, Source, find
from medigan_hub.metadata import Input, ModelMetadata, parse_parameters
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
    inputs: Source | Mapping[str, Source] | None
    conditions: Mapping[str, Any] | None
    balance: bool
    latents: ArrayLike | None
    options: Mapping[str, Any] | None
    batch_size: int
    device: str
    precision: str
    runtime: str
    allow_archive_code: bool


WISHES = frozenset(Wishes.__annotations__)


def request(
    model: ModelMetadata,
    num_samples: int | None,
    *,
    default_count: int = 1,
    seed: int = 0,
    inputs: Source | Mapping[str, Source] | None = None,
    conditions: Mapping[str, Any] | None = None,
    balance: bool = False,
    latents: ArrayLike | None = None,
    options: Mapping[str, Any] | None = None,
    batch_size: int = 8,
    device: str = "auto",
    precision: str = "float32",
    runtime: str = "auto",
    allow_archive_code: bool = False,
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
    runtime = _runtime(model, runtime, precision)
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
        given = [len(each) for each in images.values()]
        given += [] if vectors is None else [len(vectors)]
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
    turns = {p.name: p.turns for p in model.conditions if p.turns and wanted[p.name] is None}
    return GenerationRequest(
        metadata=model,
        indices=range(count),
        seed=seed,
        conditions=wanted | turns,
        options=checked_options,
        inputs=images,
        given_latents=None if vectors is None else vectors[:count],
        batch_size=batch_size,
        device=device,
        precision=precision,
        runtime=runtime,
        allow_archive_code=allow_archive_code,
    )


def prepare(request: GenerationRequest) -> GenerationRequest:
    """Fetch the weights of a job where they are remote, and take published images as its inputs.

    The latter where the caller gave none, and the weights come with some.

    Raises
    ------
    NetworkError, WeightsError
        The weights can't be had, or are not those that were published.
    """
    model = request.metadata
    if model.weights.source != "remote":
        return request
    download = weights.fetch(model)
    request = replace(request, weights_sha256=download.sha256)
    if request.inputs or not any(entry.files for entry in model.inputs):
        return request
    found = {entry.name: _published(request, entry) for entry in model.inputs}
    images = {name: each for name, each in found.items() if each is not None}
    missing = [name for name in found if name not in images]
    if not missing:
        return replace(request, inputs=images)
    if request.runtime == "archive":  # the published code may know better where they are
        return request
    raise RequestError(
        f"the archive of {model.name} holds no {' and no '.join(missing)} to start from; "
        f"give images: {' '.join(f'--input {name}=PATH' for name in found)}"
    )


def stream(plugin: Plugin, request: GenerationRequest) -> Iterator[SampleBatch]:
    """Load the plugin now, and return the batches that it will make of ``request``.

    Each batch is held against the plugin's metadata before it is handed on.

    Raises
    ------
    PluginError
        The plugin can't be loaded; while iterating: it raised, or made what
        its metadata does not declare.
    """
    hooks = plugins.load(plugin)
    with _failures_in_words(request):
        batches = iter(hooks.generate(request=request))
    return checked(batches, request)


def checked(batches: Iterator[SampleBatch], request: GenerationRequest) -> Iterator[SampleBatch]:
    """Yield the batches that a plugin makes of a job, each held against the plugin's metadata.

    Raises
    ------
    PluginError
        One is not as declared, or they are too few; or the plugin raises.
    """
    name = request.metadata.name
    done = 0
    while True:
        with _failures_in_words(request):
            batch = next(batches, None)
        if batch is None:
            break
        problem = fault(batch, request, done)
        if problem:
            raise PluginError(f"plugin {name} made a batch that {problem}")
        done += len(batch)
        yield batch
    if done != len(request.indices):
        raise PluginError(
            f"plugin {name} made {done} of {len(request.indices)} samples and stopped"
        )


@contextmanager
def _failures_in_words(request: GenerationRequest) -> Iterator[None]:
    """Name the plugin in whatever it raises; what the consumer raises is none of its business."""
    try:
        yield
    except HubError:
        raise
    except MemoryError as error:
        raise out_of_memory(request.batch_size) from error
    except Exception as error:
        reason = str(error).strip().split("\n")[0]
        raise PluginError(
            f"plugin {request.metadata.name} failed: {type(error).__name__}: {reason}"
        ) from error


def fault(batch: Any, request: GenerationRequest, done: int) -> str | None:
    """Say what is wrong with a batch that follows ``done`` samples of a job, or None."""
    if not isinstance(batch, SampleBatch):
        return f"is a {type(batch).__name__}, not a SampleBatch"
    if len(batch) == 0:
        return "is empty"
    expected = request.indices[done : done + len(batch)]
    if not np.array_equal(batch.indices, np.asarray(expected, dtype=np.int64)):
        return f"does not follow in order: expected the samples {expected}"
    if any(np.shape(array)[:1] != (len(batch),) for array in batch.arrays.values()):
        return f"does not hold {len(batch)} of each array, as it has indices"
    declared = {output.name for output in request.metadata.outputs}
    missing = declared - set(batch.arrays)
    unknown = set(batch.arrays) - declared - {entry.name for entry in request.metadata.inputs}
    if missing or unknown:
        word, names = ("lacks", missing) if missing else ("has an undeclared", unknown)
        return f"{word} output {', '.join(sorted(names))}"
    for entry in request.metadata.inputs:
        if entry.name in batch.arrays:
            array = batch.arrays[entry.name]
            shape = array.shape[1:]
            if str(array.dtype) not in ("uint8", "uint16") or len(shape) != 3 or 0 in shape:
                return f"has the input {entry.name} as {array.dtype} of shape {array.shape}"
            if shape[-1] != len(entry.channels):
                return f"has the input {entry.name} with {shape[-1]} channels"
    for output in request.metadata.outputs:
        array = batch.arrays[output.name]
        if str(array.dtype) != output.dtype:
            return f"has {output.name} as {array.dtype}, declared {output.dtype}"
        shape = (len(batch), *output.shape)
        if len(array.shape) != len(shape) or any(
            actual == 0 or size not in (None, actual)
            for size, actual in zip(shape, array.shape, strict=True)
        ):
            return f"has {output.name} of shape {array.shape}, declared {shape}"
        if np.isnan(array).any():
            return f"has {output.name} with values that are not numbers"
        if array.min() < output.range[0] or array.max() > output.range[1]:
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


def _images(
    model: ModelMetadata, source: Source | Mapping[str, Source] | None, count: int | None
) -> dict[str, Images]:
    """Return the inputs that a caller gave, by name: all that the model takes, or none."""
    names = [entry.name for entry in model.inputs]
    if source is None or (isinstance(source, Mapping) and not source):
        if any(entry.required for entry in model.inputs):
            raise RequestError(f"{model.name} needs input images; name a file or folder of them")
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
            f"give each by name: {' '.join(f'--input {name}=PATH' for name in names)}"
        )
    found = {}
    for entry in model.inputs:
        images = find(source[entry.name])
        if count is not None and count > len(images):
            plural = "is 1 input image" if len(images) == 1 else f"are {len(images)} input images"
            raise RequestError(
                f"{count} samples were asked for, but there {plural}; give more or ask for fewer"
            )
        found[entry.name] = images[:count]
    lengths = {name: len(images) for name, images in found.items()}
    if len(set(lengths.values())) > 1:
        words = ", ".join(f"{length} of {name}" for name, length in lengths.items())
        raise RequestError(
            f"the inputs belong together, and there are {words}; give as many of each"
        )
    for entry in model.inputs:
        found[entry.name].check(entry, model.name)
    return found


def _published(request: GenerationRequest, entry: Input) -> Images | None:
    """Return an input of each sample from the images published beside the weights, in turns.

    None where there are no such images.
    """
    model = request.metadata
    names = [name for name in weights.names(model) if Path(name).suffix.lower() in SUFFIXES]
    conditions = sorted({name for files in entry.files for name in files.when})
    fitting: dict[tuple[Any, ...], list[Path]] = {}  # by the values of these conditions
    items = []
    for index in request.indices:
        values = tuple(request.condition(name, [index])[0] for name in conditions)
        if values not in fitting:
            found = _first_that_fit(entry, dict(zip(conditions, values, strict=True)), names)
            if not found:
                return None
            fitting[values] = [weights.extract(model, name) for name in found]
        items.append(fitting[values][index % len(fitting[values])])
    return Images.checked(items, PUBLISHED, entry, model.name)


def _first_that_fit(entry: Input, values: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """Return the published files of the first pattern that fits any, among those for ``values``."""
    for files in entry.files:
        if files.when.items() <= values.items():
            pattern = files.path.casefold()
            found = [name for name in names if fnmatchcase(name.casefold(), pattern)]
            if found:
                return found
    return []


def _runtime(model: ModelMetadata, name: str, precision: str) -> str:
    """Return what a job is run by, ``auto`` being the first that the model offers."""
    if name not in ("auto", *model.runtimes):
        known = " or ".join(("auto", *model.runtimes))
        raise RequestError(f"{model.name} has no runtime {name!r}; use {known}")
    chosen = model.runtimes[0] if name == "auto" else name
    if chosen == "archive" and precision != "float32":
        raise RequestError(
            f"the published code of {model.name} has a precision of its own; leave {precision} out"
        )
    return chosen
