"""Models that differ from others in their weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from medigan_hub.metadata import ModelMetadata


def with_file(model: ModelMetadata, **changes: Any) -> ModelMetadata:
    """Return a model whose files of weights all differ so from those of another."""
    weights = (
        replace(entry, files=tuple(replace(file, **changes) for file in entry.files))
        for entry in model.weights
    )
    return replace(model, weights=tuple(weights))
