"""What models that medigan published have in common, whatever they run on.

Their plugins build on these classes and on a runtime. Each can be run by its
own network or, with the runtime ``archive``, by the code that was published
with it; ``Published`` translates a request into calls of that code.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from medigan_hub.errors import RequestError, WeightsError
from medigan_hub.hookspecs import hookimpl
from medigan_hub.inputs import resized
from medigan_hub.metadata import Archive
from medigan_hub.runtimes import archive
from medigan_hub.runtimes.base import ImageToImage, ModelPlugin, NoiseToImage, Runtime
from medigan_hub.samples import GenerationRequest, SampleBatch

BLOCK = 8
"""Samples that one call of published code makes. Blocks begin at multiples of it, whatever
is asked for, so that a sample stays the same however a job is split."""


class Published(ModelPlugin):
    """A model with published code beside its own."""

    archive_inputs: ClassVar[Mapping[str, str]] = {}
    """Argument of the published function for each input; by default ``input_path``."""
    archive_files = False
    """Whether that argument is a list of files, not the folder that they lie in."""

    @property
    def published(self) -> Archive:
        """How the published code is called."""
        found = self.metadata.archive
        if found is None:
            raise ValueError(f"{self.metadata.name} has no published code")
        return found

    @hookimpl
    def generate(self, request: GenerationRequest) -> Iterator[SampleBatch]:
        if request.runtime != "archive":
            return super().generate(request)
        if request.given_latents is not None and "z" not in self.published.arguments:
            raise RequestError(
                f"the published code of {self.metadata.name} draws its latent vectors itself; "
                "leave the latents out"
            )
        return self.run_archive(request)

    def run_archive(self, request: GenerationRequest) -> Iterator[SampleBatch]:
        """Yield the batches that the published code makes."""
        wanted, size = request.indices, _block_size(request)
        place = 0
        block, made = -1, dict[int, dict[str, np.ndarray]]()
        calls = self._calls(request, size)
        for call, samples in archive.run(self.metadata, request, calls, self.folder):
            if call.indices[0] // size != block:
                block, made = call.indices[0] // size, {}
            for index, items in zip(call.indices, samples, strict=True):
                made[index] = archive.outputs_of(self.metadata, items)
            ready = place
            while ready < len(wanted) and wanted[ready] in made:
                ready += 1
            yield from self._batches(request, wanted[place:ready], made)
            place = ready

    def archive_calls(
        self, request: GenerationRequest, indices: Sequence[int]
    ) -> Iterator[archive.Call]:
        """Yield the calls that make some samples: one for all that take the same arguments."""
        groups: dict[str, list[int]] = {}
        for index in indices:
            arguments = json.dumps(self.archive_arguments(request, index))
            groups.setdefault(arguments, []).append(index)
        for arguments, members in groups.items():
            images = {
                self.archive_inputs.get(name, "input_path"): [given[index] for index in members]
                for name, given in request.inputs.items()
            }
            tensors = {}
            if "z" in self.published.arguments and self.metadata.latent is not None:
                tensors["z"] = request.latents(members)[:, :, np.newaxis, np.newaxis]
            yield archive.Call(
                tuple(members), json.loads(arguments), images, self.archive_files, tensors
            )

    def archive_arguments(self, request: GenerationRequest, index: int) -> dict[str, Any]:
        """Return the arguments of the published function that differ from their defaults.

        Here: conditions and options of the same name, in the type of the
        default. A model with other names overrides this.
        """
        published = {name.casefold(): name for name in self.published.arguments}
        values = {name: request.condition(name, [index])[0] for name in request.conditions}
        found = {}
        for name, value in {**values, **request.options}.items():
            argument = published.get(name.casefold())
            if argument is not None and value is not None:
                is_text = isinstance(self.published.arguments[argument], str)
                found[argument] = str(value) if is_text else value
        return found

    def _calls(self, request: GenerationRequest, size: int) -> Iterator[archive.Call]:
        for block, _ in groupby(request.indices, lambda index: index // size):
            members = range(block * size, (block + 1) * size)
            if request.given_latents is not None:
                members = members[: len(request.given_latents) - members.start]
            yield from self.archive_calls(request, members)

    def _batches(
        self,
        request: GenerationRequest,
        indices: Sequence[int],
        made: Mapping[int, Mapping[str, np.ndarray]],
    ) -> Iterator[SampleBatch]:
        """Yield made samples, each for itself, since they may differ in size."""
        for index in indices:
            arrays = {name: array[np.newaxis] for name, array in made[index].items()}
            arrays |= {name: images[index][np.newaxis] for name, images in request.inputs.items()}
            arrays |= self.labels(request, [index])
            yield SampleBatch(np.array([index], dtype=np.int64), arrays)


class ArchiveOnly(Published):
    """A model whose network is not public: its published code alone can run it."""

    def __init__(self, module_file: str) -> None:
        super().__init__(module_file, _NoRuntime())

    def run(self, request: GenerationRequest) -> Iterator[SampleBatch]:
        raise RequestError(f"{self.metadata.name} runs by its published code alone")


class PublishedNoise(Published, NoiseToImage):
    """A published model that makes images from random numbers."""


class Dcgan(PublishedNoise):
    """A published model of the DCGAN family, whose grey levels are those from -1 to 0."""

    network_range = (-1.0, 0.0)
    truncated = True


class ConditionalDcgan(Dcgan):
    """One that takes a class, ``label``, by its position among the label's classes."""

    def network_inputs(
        self, request: GenerationRequest, indices: Sequence[int]
    ) -> tuple[np.ndarray, ...]:
        return request.latents(indices), self.labels(request, indices)["label"]

    def archive_arguments(self, request: GenerationRequest, index: int) -> dict[str, Any]:
        label = int(self.labels(request, [index])["label"][0])
        return super().archive_arguments(request, index) | {"condition": label}


class Translator(Published, ImageToImage):
    """A published model that brings an image to the size of its options, and translates it.

    ``reverse`` names the condition that is false for the way back, and the file of the
    network for that.
    """

    multiple = 4
    minimum = 8
    truncated = True
    reverse: tuple[str, str] | None = None

    def size(self, request: GenerationRequest) -> tuple[int, int]:
        """Return the height and width that the network sees."""
        return request.options["height"], request.options["width"]

    def prepared(self, request: GenerationRequest, image: np.ndarray) -> np.ndarray:
        return resized(image, self.size(request))

    def weights_file(self, request: GenerationRequest, index: int) -> str | None:
        if self.reverse is None:
            return None
        condition, file = self.reverse
        return None if request.condition(condition, [index])[0] else file

    def archive_arguments(self, request: GenerationRequest, index: int) -> dict[str, Any]:
        height, width = self.size(request)
        # Where the published size is a text, it is the side of a square.
        is_text = isinstance(self.published.arguments["image_size"], str)
        size = str(height) if is_text else [height, width]
        return super().archive_arguments(request, index) | {"image_size": size}


def _block_size(request: GenerationRequest) -> int:
    # Of several images in a folder, the code may take any for any sample.
    return 1 if request.inputs else BLOCK


def entry(checkpoint: Any, name: str, prefix: str = "") -> Mapping[str, Any]:
    """Return the tensors that a checkpoint holds under ``name``, without ``prefix`` in their keys.

    Raises
    ------
    WeightsError
        The checkpoint has no such entry.
    """
    if not isinstance(checkpoint, Mapping) or not isinstance(checkpoint.get(name), Mapping):
        found = ", ".join(map(str, list(checkpoint)[:3])) if isinstance(checkpoint, Mapping) else ""
        raise WeightsError(
            f"the checkpoint has no entry {name!r}; it holds {found or type(checkpoint).__name__}"
        )
    return {str(key).removeprefix(prefix): value for key, value in checkpoint[name].items()}


class _NoRuntime(Runtime):
    def open(self, weights: Path, device: str, precision: str) -> Any:
        raise RequestError("this model runs by its published code alone")
