"""Runs a model for the gate, in a process of its own: does what it is told, and judges nothing.

    python -m medigan_hub.contribution.checking.probe SETTINGS

reads a frame for each task from standard input, and answers with one: the arrays that
the model made, or in words what went wrong. The model may do in this process what it
likes; ``behaviour`` believes nothing but the arrays.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from medigan_hub import generation, plugins, runtimes
from medigan_hub.contribution.checking import fence, frames
from medigan_hub.errors import HubError, PluginError, RequestError
from medigan_hub.hub import Hub
from medigan_hub.samples import SampleBatch
from medigan_hub.weights.download import pin
from medigan_hub.weights.places import place_of

MAX_CHARACTERS = 1000
"""Characters of a message."""

Answer = tuple[Any, list[np.ndarray]]


class Probe:
    """One model under check."""

    def __init__(self, settings: Mapping[str, Any], guard: fence.Fence) -> None:
        self.settings = settings
        self.guard = guard

    def start(self, _: Mapping[str, Any], __: list[np.ndarray]) -> Answer:
        """Say that the process is there."""
        return {}, []

    def load(self, _: Mapping[str, Any], __: list[np.ndarray]) -> Answer:
        """Import the plugin."""
        name = self.settings["model"]
        plugin = Hub().model(name).plugin
        if plugin is None:
            raise PluginError(f"{name} is not found once it is installed")
        for file in plugin.metadata.files:
            if file.is_remote:
                pin(place_of(plugin.metadata, file))  # which the gate has verified, and copied here
        self.plugin, self.model = plugin, plugin.metadata
        runtimes.choose(self.model, "auto").prepare()
        self.hooks = plugins.load(plugin)
        return {}, []

    def generate(self, task: Mapping[str, Any], inputs: list[np.ndarray]) -> Answer:
        """Return batches: by the names of their arrays, the samples' indices before them."""
        request = generation.request(
            self.model,
            task["count"],
            batch_size=task["batch_size"],
            seed=task["seed"],
            conditions=task["conditions"],
            device="cpu",
            inputs=dict(zip(task["inputs"], inputs, strict=True)) or None,
            allow_archive_code=self.settings["allow_archive_code"],
        )
        names: list[list[str]] = []
        arrays: list[np.ndarray] = []
        done = 0
        request = generation.ready(self.plugin, generation.chosen(request))
        for batch in self.hooks.generate(request=request):
            if not isinstance(batch, SampleBatch):
                raise PluginError(f"a batch is a {type(batch).__name__}, not a SampleBatch")
            names.append(list(batch.arrays))
            for name, array in (("its indices", batch.indices), *batch.arrays.items()):
                if not isinstance(array, np.ndarray) or str(array.dtype) not in frames.DTYPES:
                    kind = getattr(array, "dtype", type(array).__name__)
                    raise PluginError(f"a batch has {name} as {kind}, not as an array of numbers")
                arrays.append(array)
            done += len(batch)
            if done > task["count"]:  # perhaps it never ends
                break
        return names, arrays

    def report(self, _: Mapping[str, Any], __: list[np.ndarray]) -> Answer:
        """Return what the fence saw."""
        seen = (self.guard.writes, self.guard.asks)
        return [[[fault.message, fault.remedy] for fault in faults] for faults in seen], []


def main(text: str) -> None:
    """Do one task after the other, until there are no more."""
    settings = json.loads(text)
    # What the plugin prints goes elsewhere than the answers, and it reads no tasks.
    tasks, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    probe = Probe(settings, fence.build(settings["writable"]))
    while True:
        try:
            task, arrays = frames.read(tasks, sys.maxsize)
        except EOFError:
            return
        words, made = _done(probe, task, arrays)
        frames.write(answers, {"number": task["number"], **words}, made)


def _done(
    probe: Probe, task: Mapping[str, Any], arrays: list[np.ndarray]
) -> tuple[dict[str, Any], list[np.ndarray]]:
    remedy = "mend the plugin"
    try:
        answer, made = getattr(probe, task["task"])(task, arrays)
    except HubError as error:
        words, kind = str(error), "refused" if isinstance(error, RequestError) else "failed"
    except MemoryError:
        words, kind = "the memory is used up", "failed"
        remedy = "make smaller batches, or a smaller network"
    except Exception as error:
        words, kind = f"the plugin raises {type(error).__name__}: {error}", "failed"
    else:
        return {"answer": answer}, made
    return {kind: " ".join(words.split())[:MAX_CHARACTERS], "remedy": remedy}, []


if __name__ == "__main__":
    main(sys.argv[1])
