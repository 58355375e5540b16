"""What a request needs before samples can be made: runtime and device, plugin, weights, inputs.

In that order: whatever can be told without the network is told before it is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from medigan_hub import runtimes, weights
from medigan_hub.errors import RequestError, named
from medigan_hub.generation.engines import local
from medigan_hub.inputs import SUFFIXES, Images, published
from medigan_hub.metadata import Input, combined
from medigan_hub.plugins import Plugin
from medigan_hub.samples import GenerationRequest


def chosen(request: GenerationRequest) -> GenerationRequest:
    """Choose the runtime of a request, and make sure that this machine can do what it asks.

    Neither the plugin nor weights are needed; the framework is imported where a device
    other than the CPU is to be found.

    Raises
    ------
    RequestError
        The device, the precision or the runtime is not to be had.
    MissingDependencyError
        The framework is not installed.
    """
    model, execution = request.metadata, request.execution
    runtime = runtimes.choose(model, execution.runtime)
    runtime.check(execution.device, execution.precision)
    return replace(
        request,
        execution=replace(execution, runtime=runtime.name),
        weights_sha256=model.weights_for(runtime.name).sha256,
    )


def ready(plugin: Plugin, request: GenerationRequest, *, load: bool = True) -> GenerationRequest:
    """Get all that a chosen request needs: the plugin's code, the weights, published inputs.

    Images that were published beside the weights are taken where the caller gave none.
    Without ``load`` the code is left to whoever makes the samples, such as the
    workers of a data loader.

    Raises
    ------
    PluginError
        The plugin can't be loaded.
    NetworkError, WeightsError
        The weights can't be had, or are not those that were published.
    """
    if load:
        local.load(plugin, request)
    model, name = request.metadata, request.execution.runtime
    entry = model.weights_for(name)
    request = replace(request, is_ready=True)
    if not any(file.is_remote for file in entry.files):
        return request
    sums = {
        file.role: weights.fetch(model, file).sha256 if file.is_remote else file.sha256
        for file in entry.files
    }
    request = replace(request, weights_sha256=combined(sums))
    if request.inputs or not any(given.files for given in model.inputs):
        return request
    found = {given.name: _published(request, given) for given in model.inputs}
    images = {name: each for name, each in found.items() if each is not None}
    missing = [name for name in found if name not in images]
    if not missing:
        return replace(request, inputs=images)
    if name == "archive":  # the published code may know better where they are
        return request
    raise RequestError(
        f"the archive of {model.name} holds no {' and no '.join(missing)} to start from; "
        f"give images: {named('inputs', dict.fromkeys(found, 'PATH'))}"
    )


def _published(request: GenerationRequest, entry: Input) -> Images | None:
    """Return an input of each sample from the images published beside the weights, in turns.

    None where there are no such images.
    """
    model = request.metadata
    names = [name for name in weights.names(model) if Path(name).suffix.lower() in SUFFIXES]
    conditions = sorted({name for files in entry.files for name in files.when})
    fitting: dict[tuple[Any, ...], list[Path]] = {}  # by the values of these conditions
    items = []
    for index in range(request.indices[-1] + 1):  # item i is the input of sample i
        values = tuple(request.condition(name, [index])[0] for name in conditions)
        if values not in fitting:
            found = _first_that_fit(entry, dict(zip(conditions, values, strict=True)), names)
            if not found:
                return None
            fitting[values] = [weights.extract(model, name) for name in found]
        items.append(fitting[values][index % len(fitting[values])])
    images = published(items)
    images.check(entry, model.name)
    return images


def _first_that_fit(entry: Input, values: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """Return the published files of the first pattern that fits any, among those for ``values``."""
    for files in entry.files:
        if files.when.items() <= values.items():
            pattern = files.path.casefold()
            found = [name for name in names if fnmatchcase(name.casefold(), pattern)]
            if found:
                return found
    return []
