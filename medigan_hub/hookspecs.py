"""The hooks through which a package adds a model, or extends the hub."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from medigan_hub.inputs import Decoder
    from medigan_hub.runtimes.base import Runtime
    from medigan_hub.samples import GenerationRequest, SampleBatch
    from medigan_hub.writers import Writer

PROJECT = "medigan_hub"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


# A model: an object named by an entry point in the group medigan_hub.models.


@hookspec(firstresult=True)
def model_metadata() -> Mapping[str, Any]:  # type: ignore[empty-body]
    """Return the metadata document, the same as in the package's metadata.json."""


@hookspec(firstresult=True)
def generate(request: GenerationRequest) -> Iterator[SampleBatch]:  # type: ignore[empty-body]
    """Yield batches that cover the sample indices of ``request``, in order.

    A batch's arrays are its reader's to keep: each batch has arrays of its own.
    """


# The hub itself: an object named by an entry point in the group medigan_hub.extensions.


@hookspec
def register_runtimes() -> Iterable[type[Runtime]]:  # type: ignore[empty-body]
    """Return classes that execute models, each with the name that metadata gives weights for."""


@hookspec
def register_writers() -> Iterable[type[Writer]]:  # type: ignore[empty-body]
    """Return classes that write data sets, one a file format."""


@hookspec
def register_decoders() -> Iterable[Decoder]:  # type: ignore[empty-body]
    """Return what reads input images, one a file format."""
