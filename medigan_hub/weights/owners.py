"""Whose weights are kept: a model's, or an extractor's of features.

Functions of this room call either ``model``, as nearly all are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from medigan_hub.metadata import WeightsFile


class Owner(Protocol):
    """What must be known of whatever has weights; ``ModelMetadata`` says it of models."""

    @property
    def name(self) -> str:
        """What commands and messages call it."""
        ...

    @property
    def plugin(self) -> str:
        """Distribution that it comes with, as do its weights where they are bundled."""
        ...

    @property
    def files(self) -> tuple[WeightsFile, ...]:
        """Every file of its weights once."""
        ...

    @property
    def main_file(self) -> WeightsFile:
        """The file that is meant where none is named."""
        ...


@dataclass(frozen=True)
class OwnerOfOne:
    """One that is no model, and has one file of weights."""

    name: str
    main_file: WeightsFile
    plugin: str = "medigan-hub"

    @property
    def files(self) -> tuple[WeightsFile, ...]:
        """The file."""
        return (self.main_file,)
