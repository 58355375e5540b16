"""Runs a model and holds what it makes against its metadata: in a process of its own.

    python -m medigan_hub.contribution.checking.probe SETTINGS

prints what it finds as lines of JSON, each check's begin before its end, so
that whoever started it knows what it was at when it hung, fell or was ended.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import IO, Any

import numpy as np

from medigan_hub import generation, plugins
from medigan_hub.contribution.checking import fence
from medigan_hub.contribution.checking.report import FAILED, PASSED, SKIPPED, Fault
from medigan_hub.contribution.reference import FOLDER, SHARE, deviations, share, span
from medigan_hub.errors import HubError, PluginError, RequestError
from medigan_hub.hub import Hub
from medigan_hub.inputs import resized
from medigan_hub.metadata import Input, ModelMetadata, Output, Parameter
from medigan_hub.samples import GenerationRequest, SampleBatch

COUNT = 4
"""Samples to look at."""
MANY = 16
"""Values of a condition that are all tried; of more, the first and the last."""
SIDE = 128
"""Height and width of an input where the metadata fixes none."""

Arrays = Mapping[str, np.ndarray]


class Skip(Exception):  # noqa: N818 (nothing failed)
    """A check does not fit this model; the message says why."""


class Probe:
    """One model under check."""

    def __init__(self, name: str, allow_archive_code: bool) -> None:
        self.hub = Hub()
        self.name = name
        self.allowed = allow_archive_code
        self.samples: dict[str, np.ndarray] = {}

    def loads(self) -> Iterator[Fault]:
        plugin = self.hub.model(self.name).plugin
        if plugin is None:
            yield Fault(f"{self.name} is not found once it is installed", "mend its entry point")
            return
        self.plugin = plugin
        self.model: ModelMetadata = plugin.metadata
        plugins.load(plugin)

    def generates(self) -> Iterator[Fault]:
        self.batches = self._batches(self._request())
        yield from ()

    def as_declared(self) -> Iterator[Fault]:
        job, done = self._request(), 0
        remedy = "mend the plugin, or what metadata.json declares"
        for batch in self.batches:
            fault = generation.fault(batch, job, done)
            if fault:
                yield Fault(f"a batch {fault}", remedy)
                return
            done += len(batch)
        if done != COUNT:
            yield Fault(f"{done} samples came, and {COUNT} were asked for", remedy)
            return
        self.samples = _joined(self.batches)

    def not_blank(self) -> Iterator[Fault]:
        for output in self._images():
            blank = [i for i, image in enumerate(self._made(output)) if np.ptp(image) == 0]
            if blank:
                yield Fault(
                    f"{output.name} has one value alone in the samples {blank} of seed 0",
                    "look at them: medigan preview; are the weights those of the network, "
                    "and network_range its values?",
                )

    def samples_differ(self) -> Iterator[Fault]:
        image = self._images()[0]
        different = {sample.tobytes() for sample in self._made(image)}
        if len(different) < COUNT:
            yield Fault(
                f"{COUNT} samples of seed 0 are {len(different)} different ones",
                "draw what is random for each sample: request.latents, request.rng",
            )

    def same_seed(self) -> Iterator[Fault]:
        remedy = "let a sample depend on the seed and its index alone: request.latents, request.rng"
        for size in (1, 3):
            again = _joined(self._checked(self._request(batch_size=size)))
            for name, array in again.items():
                worst = max(
                    share(one, other, span(self.model, name, one))
                    for one, other in zip(array, self._arrays()[name], strict=True)
                )
                if worst > SHARE:
                    yield Fault(
                        f"{name} of the same seed is another in batches of {size} than of {COUNT}: "
                        f"{worst:.1%} of its values differ",
                        remedy,
                    )

    def other_seed(self) -> Iterator[Fault]:
        if generation.prepare(self._request()).inputs:
            raise Skip("the samples start from images, not from random numbers")
        image = self._images()[0]
        other = _joined(self._checked(self._request(seed=1)))
        if np.array_equal(other[image.name], self._made(image)):
            yield Fault(
                "seed 1 makes the same samples as seed 0",
                "draw what is random from request.latents or request.rng",
            )

    def conditions(self) -> Iterator[Fault]:
        if not self.model.conditions:
            raise Skip("the model has none")
        for parameter in self.model.conditions:
            yield from self._condition(parameter)

    def reference(self) -> Iterator[Fault]:
        if not (self.plugin.folder / FOLDER).is_dir():
            if self.model.weights.source == "remote":
                raise Skip("the package ships none")
            yield Fault(
                "the package has no reference samples, by which it can be told that it still "
                "makes what its author saw",
                f"make them once the weights are final: medigan generate {self.name} -n 2 --seed 0 "
                f"-o {self.plugin.folder.name}/{FOLDER}",
            )
            return
        try:
            found = deviations(self.hub, self.name)
        except PluginError as error:
            # The package lies in a passing folder; what is to be mended is in the project's.
            words = str(error).replace(f"{self.plugin.folder.parent}{os.sep}", "")
            yield Fault(words, "run that in the project's folder, once the weights are final")
            return
        for name, part in found.items():
            if part > SHARE:
                yield Fault(
                    f"the reference sample {name} is made otherwise: {part:.1%} of it differs",
                    "if that is right, raise the version and make the samples again: medigan "
                    f"generate {self.name} -n 2 --seed 0 -o REFERENCE --overwrite",
                )

    def _condition(self, parameter: Parameter) -> Iterator[Fault]:
        made: dict[Any, bytes] = {}
        refused: list[str] = []
        image = self._images()[0]
        for value in _values(parameter):
            job = self._request(count=1, conditions={parameter.name: value})
            try:
                arrays = _joined(self._checked(job))
            except RequestError as error:
                # Such as an end of a range that does not go with another condition's default.
                refused.append(f"{parameter.name}={value} is refused: {error}")
                continue
            except HubError as error:
                yield Fault(
                    f"{parameter.name}={value} fails: {error}",
                    "mend the plugin, or what the condition may be in metadata.json",
                )
                continue
            made[value] = arrays[image.name].tobytes()
            label = next((o for o in self.model.outputs if o.name == parameter.name), None)
            if label is not None and label.kind == "label":
                found = arrays[label.name][0]
                wanted = label.classes.index(value) if isinstance(value, str) else value
                if not np.isclose(found, wanted, rtol=1e-6):
                    yield Fault(
                        f"with {parameter.name}={value} the label {label.name} is {found}",
                        "let the label be what was asked for",
                    )
        if refused and (parameter.values or not made):
            yield Fault(refused[0], "let every value work that metadata.json declares")
        if len(made) > 1 and len(set(made.values())) == 1:
            yield Fault(
                f"{parameter.name} changes nothing: sample 0 of seed 0 is the same for "
                + ", ".join(map(str, made)),
                "hand the condition to the network: network_inputs",
            )

    def _request(
        self, count: int = COUNT, batch_size: int = COUNT, **wishes: Any
    ) -> GenerationRequest:
        inputs = self._given() or None
        return generation.request(
            self.model,
            None if inputs and count == COUNT else count,
            batch_size=batch_size,
            device="cpu",
            inputs=inputs,
            allow_archive_code=self.allowed,
            **wishes,
        )

    def _batches(self, job: GenerationRequest) -> list[SampleBatch]:
        hooks = plugins.load(self.plugin)
        return list(hooks.generate(request=generation.prepare(job)))

    def _checked(self, job: GenerationRequest) -> list[SampleBatch]:
        return list(generation.stream(self.plugin, generation.prepare(job)))

    def _given(self) -> dict[str, np.ndarray]:
        """Return inputs to start from, where the model has none of its own."""
        needed = [e for e in self.model.inputs if e.required and not e.files]
        return (
            {e.name: self._input(e, position) for position, e in enumerate(self.model.inputs)}
            if needed
            else {}
        )

    def _input(self, entry: Input, position: int) -> np.ndarray:
        """Return smooth random images of one input; of a mask, what is bright in them."""
        sizes = self._images()[0].shape[-3:-1]
        height, width = (size or SIDE for size in sizes)
        rng = np.random.Generator(np.random.Philox(key=position))
        coarse = rng.integers(0, 256, (COUNT, 8, 8, len(entry.channels)), np.uint8)
        images = np.stack([resized(image, (height, width)) for image in coarse])
        return np.where(images > 127, 255, 0).astype(np.uint8) if entry.kind == "mask" else images

    def _images(self) -> list[Output]:
        return [output for output in self.model.outputs if output.kind == "image"]

    def _arrays(self) -> Arrays:
        if not self.samples:
            raise Skip("the samples are not as declared")
        return self.samples

    def _made(self, output: Output) -> np.ndarray:
        return self._arrays()[output.name]


def _values(parameter: Parameter) -> list[Any]:
    """Return the values of a condition to try."""
    values = list(parameter.values or parameter.turns)
    if values:
        return values if len(values) <= MANY else [values[0], values[-1]]
    ends = [end for end in (parameter.minimum, parameter.maximum) if end is not None]
    default = [] if parameter.default is None else [parameter.default]
    typed = [int(end) if parameter.type == "integer" else end for end in ends]
    return list(dict.fromkeys([*typed, *default]))


def _joined(batches: list[SampleBatch]) -> dict[str, np.ndarray]:
    names = batches[0].arrays if batches else ()
    return {name: np.concatenate([batch.arrays[name] for batch in batches]) for name in names}


CHECKS: tuple[tuple[str, Callable[[Probe], Iterator[Fault]], bool], ...] = (
    ("model loads", Probe.loads, True),
    ("model generates", Probe.generates, True),
    ("samples are as declared", Probe.as_declared, True),
    ("images are not blank", Probe.not_blank, False),
    ("samples differ", Probe.samples_differ, False),
    ("same seed, same sample", Probe.same_seed, False),
    ("another seed, other samples", Probe.other_seed, False),
    ("conditions work", Probe.conditions, False),
    ("reference samples are reproduced", Probe.reference, False),
)
"""Name, check, and whether it is of no use to go on once it has failed."""


def main(text: str) -> None:
    """Run all checks."""
    settings = json.loads(text)
    # What the plugin prints goes elsewhere than the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    guard = fence.build(settings["writable"])
    probe = Probe(settings["model"], settings["allow_archive_code"])
    for name, check, necessary in CHECKS:
        _tell(answers, check=name)
        failed = _run(answers, name, lambda check=check: check(probe))  # type: ignore[misc]
        if failed and necessary:
            break
    for name, faults in ((fence.WRITES, guard.writes), (fence.ASKS, guard.asks)):
        _tell(answers, check=name)
        _run(answers, name, lambda faults=faults: iter(faults))  # type: ignore[misc]


def _run(answers: IO[str], name: str, check: Callable[[], Iterator[Fault]]) -> bool:
    try:
        faults = list(check())
    except Skip as reason:
        _tell(answers, check=name, status=SKIPPED, message=str(reason), remedy="")
        return False
    except HubError as error:
        faults = [Fault(str(error), "mend the plugin")]
    except MemoryError:
        faults = [Fault("the memory is used up", "make smaller batches, or a smaller network")]
    except Exception as error:
        words = " ".join(str(error).split())
        faults = [Fault(f"the plugin raises {type(error).__name__}: {words}", "mend the plugin")]
    for fault in faults:
        _tell(answers, check=name, status=FAILED, message=fault.message, remedy=fault.remedy)
    if not faults:
        _tell(answers, check=name, status=PASSED, message="", remedy="")
    return bool(faults)


def _tell(answers: IO[str], **words: str) -> None:
    with suppress(OSError):
        answers.write(json.dumps(words) + "\n")
        answers.flush()


if __name__ == "__main__":
    main(sys.argv[1])
