"""What models that medigan published have in common, whatever they run on.

Each can be run by its own network or, with the runtime ``archive``, by the code
that was published with it; ``Published`` translates a request into calls of that.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from medigan_hub import weights
from medigan_hub.errors import RequestError, WeightsError
from medigan_hub.inputs import resized
from medigan_hub.metadata import Archive
from medigan_hub.models.base import ImageToImage, ModelPlugin, NoiseToImage
from medigan_hub.runtimes import archive
from medigan_hub.samples import GenerationRequest, SampleBatch


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

    def file_names(self) -> list[str]:
        """Return the paths of the files in the published archive, relative to its code."""
        return weights.names(self.metadata, self.folder)

    def extracted(self, name: str) -> Path:
        """Return one of these files, extracted into the cache.

        Raises
        ------
        WeightsError
            There is no such file, or the archive is damaged or could do harm.
        """
        return weights.extract(self.metadata, name, self.folder)

    def archive_calls(
        self, request: GenerationRequest, indices: Sequence[int]
    ) -> Iterator[archive.Call]:
        """Yield the calls that make some samples: one for all that take the same arguments.

        Raises
        ------
        RequestError
            There are latent vectors, and the published code draws its own.
        """
        takes_latents = "z" in self.published.arguments
        if request.given_latents is not None and not takes_latents:
            raise RequestError(
                f"the published code of {self.metadata.name} draws its latent vectors itself; "
                "leave the latents out"
            )
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
            if takes_latents and self.metadata.latent is not None:
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


class ArchiveOnly(Published):
    """A model whose network is not public: its published code alone can run it."""

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
