"""Data set formats: one file each, all found through the hook ``register_writers``."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from medigan_hub import plugins
from medigan_hub.errors import RequestError
from medigan_hub.hookspecs import hookimpl
from medigan_hub.metadata import ModelMetadata
from medigan_hub.samples import GenerationRequest


@dataclass(frozen=True)
class WrittenFile:
    """A finished file of a data set."""

    path: str
    """Relative to the data set's folder, with forward slashes."""
    sha256: str


class Writer(ABC):
    """Writes the samples of one job, in one format, into one folder."""

    format: ClassVar[str]
    """Name of the format, as a caller asks for it."""

    def __init__(self, folder: Path, job: GenerationRequest) -> None:
        self.folder = folder
        self.job = job

    @classmethod
    @abstractmethod
    def check(cls, model: ModelMetadata) -> None:
        """Raise ``RequestError`` if the format can't hold what the model makes."""

    @abstractmethod
    def write(self, index: int, arrays: Mapping[str, np.ndarray]) -> dict[str, WrittenFile]:
        """Write the images and masks of one sample; return the file of each.

        Each file appears under its name only when it is complete.
        """


@hookimpl
def register_writers() -> Iterable[type[Writer]]:
    from medigan_hub.writers.png import PngWriter

    return [PngWriter]


def find(format_name: str) -> type[Writer]:
    """Return the writer of a format.

    Raises
    ------
    RequestError
        There is none; the message lists those that there are.
    """
    known: dict[str, type[Writer]] = {}
    for _, hooks in plugins.extensions(sys.modules[__name__]):
        for writers in hooks.register_writers():
            known.update({writer.format: writer for writer in writers})
    if format_name not in known:
        raise RequestError(f"there is no format {format_name!r}; use {' or '.join(sorted(known))}")
    return known[format_name]
