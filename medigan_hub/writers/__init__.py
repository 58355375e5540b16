"""Data set formats: one file each, all found through the hook ``register_writers``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from medigan_hub import plugins
from medigan_hub.errors import PluginError, RequestError
from medigan_hub.hookspecs import hookimpl
from medigan_hub.metadata import Input, Output
from medigan_hub.samples import GenerationRequest, SampleBatch
from medigan_hub.writers.arrangement import Arrangement, arrange, wishes
from medigan_hub.writers.base import EncodedFile, Writer

__all__ = [
    "Arrangement",
    "EncodedFile",
    "Writer",
    "able",
    "arrange",
    "check_inputs",
    "find",
    "names",
    "wishes",
]


@hookimpl
def register_writers() -> Iterable[type[Writer]]:
    """Register the formats that the hub itself brings."""
    from medigan_hub.writers.dicom import DicomWriter
    from medigan_hub.writers.nifti import NiftiWriter
    from medigan_hub.writers.npz import NpzWriter
    from medigan_hub.writers.png import PngWriter
    from medigan_hub.writers.webdataset import WebdatasetWriter

    return [PngWriter, NpzWriter, NiftiWriter, DicomWriter, WebdatasetWriter]


def names() -> list[str]:
    """Return the names of all formats: the hub's own, then those of extensions.

    >>> names()[:2]
    ['png', 'npz']
    """
    return list(_known())


def able(request: GenerationRequest) -> list[str]:
    """Return the names of the formats that can hold the samples of a job, ordered as ``names``.

    Inputs count as far as they are known: those that the caller gave, or that
    came with the weights. What a plugin makes itself is checked when it is written.
    """
    return _able(_arrays(request))


def find(format_name: str, request: GenerationRequest) -> type[Writer]:
    """Return the writer of a format that can hold the samples of a job.

    Raises
    ------
    RequestError
        There is no such format, or it can't hold them; the message lists
        those that can.
    """
    known = _known()
    if format_name not in known:
        raise RequestError(f"there is no format {format_name!r}; use {_either(known)}")
    _check(known[format_name], _arrays(request), request)
    return known[format_name]


def check_inputs(writer: type[Writer], request: GenerationRequest, batch: SampleBatch) -> None:
    """Make sure that a format can hold the inputs that a plugin made itself, as they came.

    Raises
    ------
    RequestError
        It can't; the message lists the formats that can.
    """
    arrays = [
        _as_output(entry, str(batch.arrays[entry.name].dtype))
        for entry in request.metadata.inputs
        if entry.name in batch.arrays
    ]
    _check(writer, arrays, request)


def _known() -> Mapping[str, type[Writer]]:
    return plugins.registered(sys.modules[__name__], "register_writers", "format", _format)


def _format(writer: Any) -> str:
    """Return the name of a writer's format; a ``PluginError`` says why it is no writer."""
    if not (isinstance(writer, type) and issubclass(writer, Writer)):
        raise PluginError("it is no subclass of Writer")
    if not isinstance(getattr(writer, "holds", None), str):
        raise PluginError("it does not say what it holds")
    return plugins.format_of(writer)


def _arrays(request: GenerationRequest) -> list[Output]:
    """Return the images, masks and known inputs that a sample of a job has."""
    arrays = [output for output in request.metadata.outputs if output.kind != "label"]
    for entry in request.metadata.inputs:
        if entry.name in request.inputs:
            arrays += [
                _as_output(entry, each) for each in sorted(request.inputs[entry.name].dtypes)
            ]
    return arrays


def _able(arrays: Sequence[Output]) -> list[str]:
    return [name for name, writer in _known().items() if all(map(writer.can_hold, arrays))]


def _check(writer: type[Writer], arrays: Sequence[Output], request: GenerationRequest) -> None:
    for array in arrays:
        if not writer.can_hold(array):
            others = _able(arrays)
            shape = " x ".join("any" if size is None else str(size) for size in array.shape)
            raise RequestError(
                f"{writer.format} can't hold the {array.name} of {request.metadata.name}, "
                f"{array.dtype} of {shape}: it holds {writer.holds}; "
                + (f"use {_either(others)}" if others else "no other format does either")
            )


def _as_output(entry: Input, dtype: str) -> Output:
    """Return an input as if it was an output, as it is written like one."""
    shape = (None, None, len(entry.channels))
    return Output(entry.name, entry.kind, shape, dtype, (0, np.iinfo(dtype).max))


def _either(names: Iterable[str]) -> str:
    *rest, last = sorted(names)
    return f"{', '.join(rest)} or {last}" if rest else last
