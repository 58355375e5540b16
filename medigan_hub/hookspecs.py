"""The hooks through which a package adds a model, or extends the hub.

What goes through them are classes of ``medigan_hub.plugin``. They are named in words here:
the rooms that they stand in are built on the loading of plugins, which is built on this.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pluggy

PROJECT = "medigan_hub"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


# A model: an object named by an entry point in the group medigan_hub.models.


@hookspec(firstresult=True)
def model_metadata() -> Mapping[str, Any]:  # type: ignore[empty-body]
    """Return the metadata document, the same as in the package's metadata.json."""


@hookspec(firstresult=True)
def generate(request: Any) -> Iterator[Any]:  # type: ignore[empty-body]
    """Yield each ``SampleBatch`` of a ``GenerationRequest``, in the order of its indices.

    A batch's arrays are its reader's to keep: each batch has arrays of its own.
    """


# The hub itself: an object named by an entry point in the group medigan_hub.extensions.


@hookspec
def register_runtimes() -> Iterable[type[Any]]:  # type: ignore[empty-body]
    """Return each ``Runtime``, a class that executes models: metadata has weights for its name."""


@hookspec
def register_writers() -> Iterable[type[Any]]:  # type: ignore[empty-body]
    """Return each ``Writer``, a class that writes data sets of one file format."""


@hookspec
def register_decoders() -> Iterable[Any]:  # type: ignore[empty-body]
    """Return each ``Decoder``, which reads input images of one file format."""


@hookspec
def register_metrics() -> Iterable[Any]:  # type: ignore[empty-body]
    """Return each ``Metric``, which compares sets of images, and ``PairMetric``, pairs of them."""


@hookspec
def register_extractors() -> Iterable[type[Any]]:  # type: ignore[empty-body]
    """Return each ``Extractor``, a class that describes images by numbers."""
