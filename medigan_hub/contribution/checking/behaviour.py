"""What a model does when it runs: judged by what it made, and by nothing that it says.

The model runs in a process of its own (``runner``), which hands back arrays. All that
they are held against, metadata and reference samples, was read before the model ran.
What the process reports of itself (``fence``) can make a check fail, and no report does
so, too.
"""

from __future__ import annotations

import math
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from medigan_hub import generation, reference
from medigan_hub.contribution.checking import fence
from medigan_hub.contribution.checking.lending import lend
from medigan_hub.contribution.checking.package import Package
from medigan_hub.contribution.checking.report import FAILED, PASSED, SKIPPED, Fault, Finding
from medigan_hub.contribution.checking.runner import (
    CHATTY_BYTES,
    Ended,
    Failed,
    Refused,
    Runner,
    size,
)
from medigan_hub.errors import HubError, PluginError
from medigan_hub.hashes import sha256_of
from medigan_hub.inputs import resized
from medigan_hub.metadata import Input, ModelMetadata, Output, Parameter
from medigan_hub.reference import MAX_SHARE, Reference, share, span
from medigan_hub.samples import GenerationRequest, SampleBatch

TIMEOUT_SECONDS = 300.0
"""Seconds that a check may take."""
MEMORY_GIB = 8.0
"""GiB."""
NUM_SAMPLES = 4
"""Samples to look at."""
MAX_VALUES = 16
"""Values of a condition that are all tried; of more, the first and the last."""
SIDE_PIXELS = 128
"""Height and width of an input where the metadata fixes none."""
MAX_SIDE_PIXELS = 4096
"""The most of a height, width or depth that the metadata leaves open."""
SLACK_BYTES = 2**26
"""Bytes that an answer may have in any case, so that what is wrong with it can be told."""
MAX_ANSWER_BYTES = 2**30
"""Bytes that it may have where the metadata leaves sizes open."""
QUIET = "model is quiet"
FETCHED = "remote weights can be had"
MEND = "mend the plugin, or what metadata.json declares"

NO_CONDITIONS: Mapping[str, Any] = {}

Arrays = Mapping[str, np.ndarray]


class Skip(Exception):  # noqa: N818 (nothing failed)
    """A check does not fit this model; the message says why."""


def findings(
    package: Package,
    scratch: Path,
    *,
    ready: bool,
    timeout: float,
    memory: float,
    allow_archive_code: bool,
    say: Callable[[str], None],
) -> list[Finding]:
    """Run the model of a package and return what all checks of it find.

    Parameters
    ----------
    scratch
        Where the model may write; removed by the caller.
    ready
        Whether the files were found such that there is something to run.
    """
    found: list[Finding] = []
    model = package.model
    if not ready or model is None or package.folder is None:
        return _skipped(NAMES, "what comes before it must pass first")
    home = scratch / "home"
    home.mkdir()
    say(FETCHED)
    try:
        allowed = lend(model, home / "cache", allow_archive_code=allow_archive_code)
    except HubError as error:
        remedy = "see that url, record and checksums in metadata.json are right"
        fault = Finding(FETCHED, FAILED, str(error), remedy)
        return [fault, *_skipped(NAMES, "what it needs can't be had")]
    if any(file.is_remote for file in model.files):
        found.append(Finding(FETCHED, PASSED))
    samples = _reference(package, model)
    before = _snapshot(package.site)
    with Runner(
        model.name,
        package.site,
        home,
        home / "cache",
        timeout=timeout,
        memory=memory,
        allow_archive_code=allowed,
    ) as runner:
        found += Judge(package, model, samples, runner, allowed).findings(say)
    after = _snapshot(package.site)
    changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    if changed:
        found = [each for each in found if (each.check, each.status) != (fence.WRITES, PASSED)]
        remedy = "write nothing into the package: it may be shared, and read-only"
        found.append(
            Finding(fence.WRITES, FAILED, f"the model changed {', '.join(changed[:5])}", remedy)
        )
    if runner.printed > CHATTY_BYTES:
        words = f"the model prints {size(runner.printed)}, such as: {runner.last_line()}"
        remedy = "print nothing; Python's logging is for what a developer may want to know"
        return [*found, Finding(QUIET, FAILED, words, remedy)]
    return [*found, Finding(QUIET, PASSED)]


class Judge:
    """What one model makes, held against what it must be."""

    def __init__(
        self,
        package: Package,
        model: ModelMetadata,
        samples: Reference | Fault | Skip,
        runner: Runner,
        allowed: bool,
    ) -> None:
        self.package = package
        self.model = model
        self.shipped = samples
        self.runner = runner
        self.allowed = allowed
        self.samples: dict[str, np.ndarray] = {}

    def findings(self, say: Callable[[str], None]) -> list[Finding]:
        """Return what all checks find; those that the run's end keeps from happening fail."""
        found: list[Finding] = []
        ended = False
        for name, check, necessary in CHECKS:
            say(name)
            self.runner.begin()
            faults, ended = self._faults(found, name, check)
            if faults and (necessary or ended):
                break
        done = {finding.check for finding in found}
        left = [name for name, *_ in CHECKS if name not in done]
        return [*found, *_skipped(left, "the run ended before"), *self._witnessed(ended)]

    def _faults(
        self, found: list[Finding], name: str, check: Callable[[Judge], Iterator[Fault]]
    ) -> tuple[list[Fault], bool]:
        """Add what a check finds; return its faults, and whether the run is over."""
        ended = False
        try:
            faults = list(check(self))
        except Skip as reason:
            found.append(Finding(name, SKIPPED, str(reason)))
            return [], False
        except Ended as error:
            faults, ended = [Fault(*error.args)], True
        except HubError as error:
            faults = [Fault(str(error), error.remedy if isinstance(error, Failed) else MEND)]
        except Exception as error:
            words = " ".join(str(error).split())
            faults = [Fault(f"what it made can't be judged: {type(error).__name__}: {words}", MEND)]
        found += [Finding(name, FAILED, each.message, each.remedy) for each in faults]
        if not faults:
            found.append(Finding(name, PASSED))
        return faults, ended

    def _witnessed(self, ended: bool) -> list[Finding]:
        """Return what the fence in the model's process saw; without its word nobody knows."""
        checks = (fence.WRITES, fence.ASKS)
        try:
            if ended:
                raise Ended("its process was over")
            self.runner.begin()
            seen = _faults_of(self.runner.report())
        except (Ended, HubError) as error:
            words = f"nobody can tell: {error.args[0]}"
            remedy = "let the model's process go on until all checks are done"
            return [Finding(name, FAILED, words, remedy) for name in checks]
        found: list[Finding] = []
        for name, faults in zip(checks, seen, strict=True):
            found += [Finding(name, FAILED, each.message, each.remedy) for each in faults]
            found += [] if faults else [Finding(name, PASSED)]
        return found

    def loads(self) -> Iterator[Fault]:
        """See that the plugin can be loaded."""
        self.runner.load()
        yield from ()

    def generates(self) -> Iterator[Fault]:
        """Have samples made, for the checks that come after."""
        self.batches = self._batches(self._request())
        yield from ()

    def as_declared(self) -> Iterator[Fault]:
        """Hold each batch against the outputs of the metadata."""
        request, done = self._request(), 0
        for batch in self.batches:
            fault = generation.fault(batch, request, done)
            if fault:
                yield Fault(f"a batch {fault}", MEND)
                return
            done += len(batch)
        if done != NUM_SAMPLES:
            yield Fault(f"{done} samples came, and {NUM_SAMPLES} were asked for", MEND)
            return
        self.samples = _joined(self.batches)

    def not_blank(self) -> Iterator[Fault]:
        """Look for images of one value alone."""
        for output in self._images():
            blank = [i for i, image in enumerate(self._made(output)) if np.ptp(image) == 0]
            if blank:
                yield Fault(
                    f"{output.name} has one value alone in the samples {blank} of seed 0",
                    "look at them: medigan preview; are the weights those of the network, "
                    "and network_range its values?",
                )

    def samples_differ(self) -> Iterator[Fault]:
        """Look for samples that are the same."""
        image = self._images()[0]
        different = {sample.tobytes() for sample in self._made(image)}
        if len(different) < NUM_SAMPLES:
            yield Fault(
                f"{NUM_SAMPLES} samples of seed 0 are {len(different)} different ones",
                "draw what is random for each sample: request.latents, request.rng",
            )

    def same_seed(self) -> Iterator[Fault]:
        """Hold samples of one seed in batches of other sizes against each other."""
        remedy = "let a sample depend on the seed and its index alone: request.latents, request.rng"
        for batch_size in (1, 3):
            again = _joined(self._checked(self._request(batch_size=batch_size)))
            for name, array in self._arrays().items():
                if name not in again:
                    yield Fault(f"{name} is not made in batches of {batch_size}", remedy)
                    continue
                worst = max(
                    share(one, other, span(self.model, name, one))
                    for one, other in zip(again[name], array, strict=True)
                )
                if worst > MAX_SHARE:
                    yield Fault(
                        f"{name} of the same seed is another in batches of {batch_size} than of "
                        f"{NUM_SAMPLES}: {worst:.1%} of its values differ",
                        remedy,
                    )

    def other_seed(self) -> Iterator[Fault]:
        """Hold samples of two seeds against each other."""
        if self._given() or any(entry.files for entry in self.model.inputs):
            raise Skip("the samples start from images, not from random numbers")
        image = self._images()[0]
        other = _joined(self._checked(self._request(seed=1)))
        if np.array_equal(other[image.name], self._made(image)):
            yield Fault(
                "seed 1 makes the same samples as seed 0",
                "draw what is random from request.latents or request.rng",
            )

    def conditions(self) -> Iterator[Fault]:
        """Try the values of each condition: each is taken, and changes the image."""
        if not self.model.conditions:
            raise Skip("the model has none")
        for parameter in self.model.conditions:
            yield from self._condition(parameter)

    def reference(self) -> Iterator[Fault]:
        """Hold the reference samples against what is made now."""
        if isinstance(self.shipped, Skip):
            raise self.shipped
        if isinstance(self.shipped, Fault):
            yield self.shipped
            return
        request = self._request(self.shipped.count, 8, seed=self.shipped.seed, with_inputs=False)
        for name, part in self.shipped.deviations(self._checked(request)).items():
            if part > MAX_SHARE:
                yield Fault(
                    f"the reference sample {name} is made otherwise: {part:.1%} of it differs",
                    "if that is right, raise the version and make the samples again: medigan "
                    f"generate {self.model.name} -n 2 --seed 0 -o REFERENCE --overwrite",
                )

    def _condition(self, parameter: Parameter) -> Iterator[Fault]:
        made: dict[Any, bytes] = {}
        refused: list[str] = []
        image = self._images()[0]
        for value in _values(parameter):
            chosen = {parameter.name: value}
            try:
                arrays = _joined(self._checked(self._request(1, conditions=chosen), chosen))
            except Refused as error:
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
        self,
        count: int = NUM_SAMPLES,
        batch_size: int = NUM_SAMPLES,
        *,
        with_inputs: bool = True,
        **wishes: Any,
    ) -> GenerationRequest:
        return generation.request(
            self.model,
            count,
            batch_size=batch_size,
            device="cpu",
            inputs=(self._given() or None) if with_inputs else None,
            allow_archive_code=self.allowed,
            **wishes,
        )

    def _batches(
        self, request: GenerationRequest, conditions: Mapping[str, Any] = NO_CONDITIONS
    ) -> list[SampleBatch]:
        """Have the model make the samples of a job, for which ``conditions`` were chosen."""
        inputs = self._given() if request.inputs else {}
        made = self.runner.generate(
            len(request.indices),
            request.execution.batch_size,
            request.seed,
            conditions,
            inputs,
            self._most(request),
        )
        return [SampleBatch(indices, arrays) for indices, arrays in made]

    def _checked(
        self, request: GenerationRequest, conditions: Mapping[str, Any] = NO_CONDITIONS
    ) -> list[SampleBatch]:
        return list(generation.judged(iter(self._batches(request, conditions)), request))

    def _most(self, request: GenerationRequest) -> int:
        """Return how many bytes the samples of a job may have that are as declared."""
        one = sum(
            math.prod(length or MAX_SIDE_PIXELS for length in output.shape)
            * np.dtype(output.dtype).itemsize
            for output in self.model.outputs
        )
        one += sum(
            MAX_SIDE_PIXELS * MAX_SIDE_PIXELS * 2 * len(entry.channels)
            for entry in self.model.inputs
        )
        most = max(len(request.indices) * one, SLACK_BYTES)
        free = self.model.inputs or any(None in output.shape for output in self.model.outputs)
        return min(most, MAX_ANSWER_BYTES) if free else most

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
        height, width = (size or SIDE_PIXELS for size in sizes)
        rng = np.random.Generator(np.random.Philox(key=position))
        coarse = rng.integers(0, 256, (NUM_SAMPLES, 8, 8, len(entry.channels)), np.uint8)
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


def _reference(package: Package, model: ModelMetadata) -> Reference | Fault | Skip:
    """Return the package's reference samples, or what is wrong with them."""
    assert package.folder is not None  # noqa: S101 (for the type checker)
    if not (package.folder / reference.FOLDER).is_dir():
        if model.main_file.is_remote:
            return Skip("the package ships none")
        return Fault(
            "the package has no reference samples, by which it can be told that it still "
            "makes what its author saw",
            f"make them once the weights are final: medigan generate {model.name} -n 2 --seed 0 "
            f"-o {package.folder.name}/{reference.FOLDER}",
        )
    try:
        return reference.read(model, package.folder)
    except PluginError as error:
        # The package lies in a passing folder; what is to be mended is in the project's.
        words = str(error).replace(f"{package.folder.parent}/", "")
        return Fault(words, "run that in the project's folder, once the weights are final")


def _values(parameter: Parameter) -> list[Any]:
    """Return the values of a condition to try."""
    values = list(parameter.values or parameter.turns)
    if values:
        return values if len(values) <= MAX_VALUES else [values[0], values[-1]]
    ends = [end for end in (parameter.minimum, parameter.maximum) if end is not None]
    default = [] if parameter.default is None else [parameter.default]
    typed = [int(end) if parameter.type == "integer" else end for end in ends]
    return list(dict.fromkeys([*typed, *default]))


def _joined(batches: list[SampleBatch]) -> dict[str, np.ndarray]:
    names = batches[0].arrays if batches else ()
    return {name: np.concatenate([batch.arrays[name] for batch in batches]) for name in names}


def _faults_of(report: Any) -> list[list[Fault]]:
    """Return what the fence reports: of writes, and of the network."""
    try:
        seen = [[Fault(str(words), str(remedy)) for words, remedy in each] for each in report]
    except (TypeError, ValueError):
        seen = []
    if len(seen) != 2 or any(len(faults) > fence.MAX_FAULTS for faults in seen):
        raise Ended("what it reports is no report")
    return seen


def _skipped(names: Iterable[str], why: str) -> list[Finding]:
    return [Finding(name, SKIPPED, why) for name in names]


def _snapshot(folder: Path) -> Mapping[str, tuple[Any, ...]]:
    """Return of everything in a folder what changes when somebody changes it."""
    return {path.relative_to(folder).as_posix(): _state(path) for path in folder.rglob("*")}


def _state(path: Path) -> tuple[Any, ...]:
    about = path.lstat()
    if stat.S_ISDIR(about.st_mode):
        return (about.st_mode,)
    if not stat.S_ISREG(about.st_mode):  # a pipe would be waited for
        return about.st_mode, about.st_ino
    return about.st_mode, about.st_size, about.st_mtime_ns, _digest(path)


def _digest(path: Path) -> str | None:
    try:
        return sha256_of(path)
    except OSError:
        return None


CHECKS: tuple[tuple[str, Callable[[Judge], Iterator[Fault]], bool], ...] = (
    ("model loads", Judge.loads, True),
    ("model generates", Judge.generates, True),
    ("samples are as declared", Judge.as_declared, True),
    ("images are not blank", Judge.not_blank, False),
    ("samples differ", Judge.samples_differ, False),
    ("same seed, same sample", Judge.same_seed, False),
    ("another seed, other samples", Judge.other_seed, False),
    ("conditions work", Judge.conditions, False),
    ("reference samples are reproduced", Judge.reference, False),
)
"""Name, check, and whether it is of no use to go on once it has failed."""
NAMES = (*(name for name, *_ in CHECKS), fence.WRITES, fence.ASKS)
