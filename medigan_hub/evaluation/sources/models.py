"""The images of a model, made as they are needed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np

from medigan_hub import generation, provenance
from medigan_hub.catalogue import Catalogue
from medigan_hub.evaluation.sources.base import Item, declared, told
from medigan_hub.evaluation.sources.found import unit
from medigan_hub.evaluation.sources.samples import Samples
from medigan_hub.plugins import Plugin
from medigan_hub.reading import READING
from medigan_hub.samples import GenerationRequest

MODEL = "model:"
"""What a source begins with that is a model's name."""


class ModelImages(Samples):
    """What a job makes of one output of a model, a batch in memory at a time."""

    def __init__(
        self, plugin: Plugin, request: GenerationRequest, output: Mapping[str, Any] | None = None
    ) -> None:
        """Take one output, as metadata declares it; by default the first of images."""
        model = request.metadata
        first = next(each for each in model.document["outputs"] if each["kind"] == "image")
        super().__init__(f"{MODEL}{model.name}", provenance.header(request), output or first)
        self._plugin = plugin
        self._request = request
        # The weights with their addresses: the hash of what is fetched is not known before.
        decided = {**(self.header or {}), "weights": model.document["weights"]}
        self._told = json.dumps(decided, sort_keys=True, default=str)

    @classmethod
    def of(
        cls, name: str, count: int | None, default: int, wishes: Mapping[str, Any]
    ) -> ModelImages:
        """Return the images of a model.

        Parameters
        ----------
        count, default
            How many samples are to be made, and how many where nothing else says so.

        Raises
        ------
        HubError
            The model is not known or not installed, or can't make what is wished for.
        """
        plugin = Catalogue().plugin(name)
        if not wishes.get("inputs"):  # then these are about the other set alone
            wishes = {key: value for key, value in wishes.items() if key not in READING}
        request = generation.request(plugin.metadata, count, default_count=default, **wishes)
        return cls(plugin, generation.chosen(request))

    def other(self, output: str) -> ModelImages:
        found = declared(self.header or {}, output, self.title)
        return ModelImages(self._plugin, self._request, found)

    @cached_property
    def samples(self) -> Sequence[Item]:
        """What is known of each sample."""
        decided = hashlib.sha256(self._told.encode()).hexdigest()
        given = self._request.inputs
        found = []
        for index in self._request.indices:
            name = f"sample {index}"
            facts = told(provenance.facts(self._request, index, {}))
            group = next((unit(images, index) for images in given.values()), name)
            found.append(Item(name, f"{decided}:{index}", facts, group))
        return found

    @cached_property
    def key(self) -> str:
        """SHA-256 of all that decides the images."""
        return hashlib.sha256(f"{self._told} {self._output['name']}".encode()).hexdigest()

    def arrays(self, start: int) -> Iterator[np.ndarray]:
        # From the beginning of a batch on, as pixels may be rounded with others beside them.
        begun = start - start % self._request.execution.batch_size
        request = generation.ready(self._plugin, self._request.rest(begun))
        with closing(generation.stream(self._plugin, request)) as batches:  # type: ignore[type-var]
            every = (array for batch in batches for array in batch.arrays[self._output["name"]])
            yield from islice(every, start - begun, None)
