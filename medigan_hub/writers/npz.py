"""NPZ: one NumPy file a sample, with its arrays by name."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from medigan_hub import provenance
from medigan_hub.metadata import Output
from medigan_hub.writers.base import EncodedFile, Writer

PROVENANCE = "_provenance"
"""Name of the array with the text that says what the sample is; no output's begins so."""


class NpzWriter(Writer):
    """Arrays as the model made them, labels too; ``_provenance`` is JSON in a string.

    It has the levels of each array, too: what is black and white in it, null in a mask.
    """

    format = "npz"
    holds = "every array"
    unit = "sample"

    @classmethod
    def can_hold(cls, array: Output) -> bool:
        return True

    def encode(
        self, index: int, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]
    ) -> Mapping[str, EncodedFile]:
        words = {name: provenance.sample_text(self.request, index, name) for name in arrays}
        labels = {
            output.name: np.asarray(facts["labels"][output.name], output.dtype)
            for output in self.request.metadata.outputs
            if output.name in facts.get("labels", ())
        }
        levels = {name: self.levels(name, array) for name, array in arrays.items()}
        text = json.dumps({**facts, "arrays": words, "levels": levels}, ensure_ascii=False)
        content = encode({**arrays, **labels, PROVENANCE: np.array(text)})
        return dict.fromkeys(arrays, EncodedFile(f"samples/{index:06d}.npz", content))


def encode(arrays: Mapping[str, np.ndarray], *, compressed: bool = True) -> bytes:
    """Return the file of some arrays by name, as ``numpy.load`` reads it.

    ``numpy.savez`` would take some names, such as ``file``, for its own arguments.
    """
    stream = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, array in arrays.items():
            # Opened by its information, a member has no time of its own.
            info = zipfile.ZipInfo(f"{name}.npy")
            info.compress_type = method
            with archive.open(info, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)
    return stream.getvalue()
