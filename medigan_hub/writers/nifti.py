"""NIfTI: one folder for each image, mask and input, one compressed file a sample in it."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medigan_hub import provenance
from medigan_hub.errors import require
from medigan_hub.metadata import Output
from medigan_hub.samples import GenerationRequest
from medigan_hub.writers.base import EncodedFile, Writer

RGB = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
"""The pixels of RGB24."""
RGB_NAMES = (("red", "green", "blue"), ("r", "g", "b"))
TOWARDS = {
    "R": (1, 0, 0),
    "L": (-1, 0, 0),
    "A": (0, 1, 0),
    "P": (0, -1, 0),
    "S": (0, 0, 1),
    "I": (0, 0, -1),
}
"""Directions in NIfTI's coordinates, which grow towards right, front and head."""
ALIGNED = 2
"""The code of coordinates along the axes of the body that no scanner measured (that would be 1)."""
MAX_DESCRIPTION_BYTES = 79
COMPRESSION = 6
MAX_SIDE_PIXELS = 32767
"""Along an axis."""


class NiftiWriter(Writer):
    """The axes of the data are (width, height, depth), a slice being 1 deep.

    A colour is a pixel of type RGB24; other channels are the fifth axis, as
    NIfTI has it for vectors. Values are stored as they are, without scaling;
    the header says which of them are black and white.
    """

    format = "nifti"
    holds = f"slices and volumes of at most {MAX_SIDE_PIXELS} pixels a side"

    def __init__(self, folder: Path, request: GenerationRequest) -> None:
        super().__init__(folder, request)
        self._nifti1 = require("nibabel.nifti1", extra="nifti", purpose="writing NIfTI files")
        self._outputs = {output.name: output for output in request.metadata.outputs}
        self._channels = {output.name: output.channels for output in request.metadata.outputs}
        self._channels |= {entry.name: entry.channels for entry in request.metadata.inputs}

    @classmethod
    def can_hold(cls, array: Output) -> bool:
        sizes = [size for size in array.shape if size is not None]
        return len(array.shape) in (3, 4) and max(sizes, default=0) <= MAX_SIDE_PIXELS

    def encode(
        self, index: int, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]
    ) -> Mapping[str, EncodedFile]:
        return {
            name: EncodedFile(
                f"{name}/{index:06d}.nii.gz",
                self._file(index, name, array, self.spacing(name, arrays, facts)),
            )
            for name, array in arrays.items()
        }

    def _file(
        self, index: int, name: str, array: np.ndarray, given: Sequence[float] | None
    ) -> bytes:
        model = self.request.metadata
        words = provenance.sample_text(self.request, index, name)
        what = "Synthetic:" if words["Synthetic"] == "yes" else "Given input of"
        sentence = f"{what} {model.name} {model.version}, seed {self.request.seed}, sample {index}"

        data = _data(array, self._channels[name])
        image = self._nifti1.Nifti1Image(data, None, dtype=data.dtype)
        header = image.header
        header.set_slope_inter(1, 0)
        if data.ndim == 5:
            header.set_intent("vector")
        levels = self.levels(name, array)
        if levels is not None:
            header["cal_min"], header["cal_max"] = levels
        if name in self._outputs:
            output = self._outputs[name]
            _place(header, data.shape, given or output.spacing, output.orientation)
        elif given is not None:
            _place(header, data.shape, given, None)
        header["descrip"] = sentence[:MAX_DESCRIPTION_BYTES]
        comment = self._nifti1.Nifti1Extension("comment", json.dumps(words).encode())
        header.extensions.append(comment)
        return _compressed(image.to_bytes())


def _data(array: np.ndarray, channels: Sequence[str]) -> np.ndarray:
    """Return an image in the axes of NIfTI: (width, height, depth), or with (1, channels) added."""
    *spatial, last = range(array.ndim)
    data = array.transpose(*reversed(spatial), last)
    if array.ndim == 3:
        data = data[:, :, np.newaxis]
    if data.shape[-1] == 1:
        return data[..., 0]
    if data.dtype == np.uint8 and tuple(name.lower() for name in channels) in RGB_NAMES:
        return np.ascontiguousarray(data).view(RGB)[..., 0]
    return data[:, :, :, np.newaxis]


def array(content: bytes, most: int = 2**30) -> np.ndarray:
    """Return the image or the volume in a file that ``NiftiWriter`` wrote, as the model made it.

    (height, width, channels) or (depth, height, width, channels): a volume of one slice, which no
    file tells from a slice, is one. No more than ``most`` bytes of it are unpacked.
    """
    nifti1 = require("nibabel.nifti1", extra="nifti", purpose="reading NIfTI files")
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
        image = nifti1.Nifti1Image.from_bytes(file.read(most))
    data: np.ndarray = np.asanyarray(image.dataobj)
    if data.dtype == RGB:
        data = np.ascontiguousarray(data)[..., np.newaxis].view(np.uint8)
    elif data.ndim == 5:
        data = data[:, :, :, 0]
    else:
        data = data[..., np.newaxis]
    found: np.ndarray = data.transpose(2, 1, 0, 3)
    return found[0] if len(found) == 1 else found


def _place(
    header: Any,
    shape: Sequence[int],
    spacing: Sequence[float] | None,
    orientation: Sequence[str] | None,
) -> None:
    """Say how large the voxels are and where the axes run to, as far as it is known.

    ``shape`` is in the order of NIfTI, ``spacing`` and ``orientation`` are in
    that of the metadata. A slice is 1 mm thick, and its third axis completes
    the other two right-handedly. The middle of the image is the origin.
    """
    sizes = np.ones(3)
    if spacing is not None:
        sizes[: len(spacing)] = spacing[::-1]
        header.set_xyzt_units("mm")
    header.set_zooms([*sizes, *(1 for _ in shape[3:])])
    if orientation is None:
        return
    axes = np.array([TOWARDS[way] for way in reversed(orientation)])
    if len(axes) == 2:
        axes = np.vstack([axes, np.cross(axes[0], axes[1])])
    affine = np.eye(4)
    affine[:3, :3] = axes.T * sizes
    affine[:3, 3] = affine[:3, :3] @ (1 - np.array(shape[:3])) / 2
    header.set_sform(affine, code=ALIGNED)
    header.set_qform(affine, code=ALIGNED)


def _compressed(content: bytes) -> bytes:
    """Return what gzip makes of the content, without a time or a file name in it."""
    stream = io.BytesIO()
    with gzip.GzipFile("", "wb", COMPRESSION, stream, mtime=0) as file:
        file.write(content)
    return stream.getvalue()
