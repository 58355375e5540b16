"""The images of a model, made as they are needed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from medigan_hub import generation, provenance
from medigan_hub.catalogue import Catalogue
from medigan_hub.errors import RequestError
from medigan_hub.evaluation.sources.base import ImageSet, Item, shown
from medigan_hub.evaluation.sources.found import unit
from medigan_hub.plugins import Plugin
from medigan_hub.samples import GenerationRequest

MODEL = "model:"
"""What a source begins with that is a model's name."""


class ModelImages(ImageSet):
    """What a job makes of a model's first image output, a batch in memory at a time."""

    is_synthetic = True

    def __init__(self, plugin: Plugin, request: GenerationRequest) -> None:
        self.title = f"{MODEL}{request.metadata.name}"
        self._plugin = plugin
        self._request = request
        self._output = next(each for each in request.metadata.outputs if each.kind == "image")
        told = provenance.header(request)
        self.facts = {key: told[key] for key in ("model", "version", "seed", "weights_sha256")}
        self._told = json.dumps(told, sort_keys=True, default=str)

    @classmethod
    def of(cls, name: str, count: int | None, wishes: Mapping[str, Any]) -> ModelImages:
        """Return the images of a model, of which ``count`` are to be made.

        Raises
        ------
        HubError
            The model is not known or not installed, or can't make what is wished for.
        """
        plugin = Catalogue().plugin(name)
        model = plugin.metadata
        if not any(output.kind == "image" for output in model.outputs):
            raise RequestError(f"{name} makes no images; name another model")
        given = wishes.get("inputs")
        number = None if given and model.inputs else count
        request = generation.request(model, number, **wishes)
        return cls(plugin, generation.chosen(request))

    @cached_property
    def items(self) -> Sequence[Item]:
        """What is known of each image, without reading it."""
        told = hashlib.sha256(self._told.encode()).hexdigest()
        given = self._request.inputs
        found = []
        for index in self._request.indices:
            name = f"sample {index}"
            files = [images.file(index) for images in given.values()]
            facts = {"input": files[0]} if len(files) == 1 else {}
            group = next((unit(images, index) for images in given.values()), name)
            found.append(Item(name, f"{told}:{index}", facts, group))
        return found

    @cached_property
    def key(self) -> str:
        """SHA-256 of all that decides the images."""
        return hashlib.sha256(f"{self._told} {self._output.name}".encode()).hexdigest()

    def images(self, start: int = 0) -> Iterator[np.ndarray]:
        request = generation.ready(self._plugin, self._request.rest(start))
        for batch in generation.stream(self._plugin, request):
            for array in batch.arrays[self._output.name]:
                yield shown(array, self._output.range)
