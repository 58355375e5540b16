"""Batches made in this process, by the plugin's own hook."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from medigan_hub import plugins, runtimes
from medigan_hub.errors import HubError, PluginError
from medigan_hub.plugins import Plugin
from medigan_hub.runtimes.base import out_of_memory
from medigan_hub.samples import GenerationRequest, SampleBatch

if TYPE_CHECKING:
    from pluggy import HookRelay


def batches(plugin: Plugin, request: GenerationRequest) -> Iterator[SampleBatch]:
    """Load the plugin now, and return the batches that it makes, one when the next is asked for.

    Raises
    ------
    PluginError
        The plugin can't be loaded; while iterating: it raised.
    """
    hooks = load(plugin, request)
    with _failures_in_words(request):
        made = iter(hooks.generate(request=request))
    return _one_by_one(made, request)


def load(plugin: Plugin, request: GenerationRequest) -> HookRelay:
    """Import what runs the model, then the plugin's code; return its hooks."""
    runtimes.find(request.execution.runtime).prepare()
    return plugins.load(plugin)


def _one_by_one(made: Iterator[SampleBatch], request: GenerationRequest) -> Iterator[SampleBatch]:
    while True:
        with _failures_in_words(request):
            batch = next(made, None)
        if batch is None:
            return
        yield batch


@contextmanager
def _failures_in_words(request: GenerationRequest) -> Iterator[None]:
    """Name the plugin in whatever it raises; what the consumer raises is none of its business."""
    try:
        yield
    except HubError:
        raise
    except MemoryError as error:
        raise out_of_memory(request.execution.batch_size) from error
    except Exception as error:
        reason = str(error).strip().split("\n")[0]
        raise PluginError(
            f"plugin {request.metadata.name} failed: {type(error).__name__}: {reason}"
        ) from error
