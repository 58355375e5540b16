"""NPZ: one NumPy file a sample, with its arrays by name."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from medigan_hub import provenance
from medigan_hub.metadata import Output
from medigan_hub.writers import EncodedFile, Writer

PROVENANCE = "_provenance"
"""Name of the array with the text that says what the sample is; no output's begins so."""


class NpzWriter(Writer):
    """Arrays as the model made them, labels too; ``_provenance`` is JSON in a string."""

    format = "npz"
    holds = "every array"

    @classmethod
    def can_hold(cls, array: Output) -> bool:
        return True

    def encode(
        self, index: int, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]
    ) -> Mapping[str, EncodedFile]:
        words = {name: provenance.sample_text(self.job, index, name) for name in arrays}
        labels = {
            output.name: np.asarray(facts["labels"][output.name], output.dtype)
            for output in self.job.metadata.outputs
            if output.name in facts.get("labels", ())
        }
        text = json.dumps({**facts, "arrays": words}, ensure_ascii=False)
        stream = io.BytesIO()
        content: dict[str, Any] = {**arrays, **labels, PROVENANCE: np.array(text)}
        np.savez_compressed(stream, **content)
        file = EncodedFile(f"samples/{index:06d}.npz", stream.getvalue())
        return dict.fromkeys(arrays, file)
