"""DICOM: an image as a viewer would show it, read by pydicom."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from medigan_hub.errors import RequestError, require
from medigan_hub.inputs.decoders.base import Decoder, Frames, NoPixels, Picture


class DicomDecoder(Decoder):
    """Rescaled, windowed, white on black; files of one frame."""

    format = "dicom"
    called = "DICOM"
    suffixes = (".dcm", ".dicom")
    often_bare = True

    def knows(self, start: bytes) -> bool:
        return start[128:132] == b"DICM"

    def frames(self, path, reading):
        pydicom = _library("pydicom", path)
        d = pydicom.dcmread(path, stop_before_pixels=True, force=True)
        if "Rows" not in d:
            raise NoPixels("a DICOM object without pixels")
        return Frames(int(d.get("NumberOfFrames", 1)), d.Rows, d.Columns)

    def read(self, path, frame, reading):
        pydicom = _library("pydicom", path)
        with _faults_in_words(path):
            d = pydicom.dcmread(path)
            a = d.pixel_array
            if int(d.get("NumberOfFrames", 1)) > 1:
                a = a[frame]
            return Picture(a, is_measured=True)


def _library(name: str, path: Path) -> Any:
    return require(name, extra="dicom", purpose=f"reading {path.name}")


def _size_in_header(dataset: Any, path: Path) -> tuple[int, int]:
    """Return the height and width of the one image in a DICOM file."""
    frames = int(dataset.get("NumberOfFrames", 1) or 1)
    if frames > 1:
        raise RequestError(f"{path} holds {frames} frames; give one file for each")
    if "Rows" not in dataset or "Columns" not in dataset:
        raise RequestError(f"{path} is no DICOM image that can be read: it names no size")
    return int(dataset.Rows), int(dataset.Columns)


def _shown(stored: np.ndarray, dataset: Any, path: Path) -> np.ndarray:
    """Return what a viewer makes of stored grey values: fractions, black 0 and white 1."""
    pixels = _library("pydicom.pixels", path)
    values = pixels.apply_modality_lut(stored, dataset)
    shown = pixels.apply_voi_lut(values, dataset).astype(np.float64)
    if dataset.get("VOILUTSequence"):
        low, high = 0.0, 2.0 ** dataset.VOILUTSequence[0].LUTDescriptor[2] - 1
    elif "WindowCenter" in dataset:
        # What the window makes of values far outside it are its black and white.
        low, high = pixels.apply_windowing(np.array([-1e12, 1e12]), dataset)
    else:
        low, high = shown.min(), shown.max()
    fraction: np.ndarray = np.clip((shown - low) / max(high - low, 1e-9), 0, 1)
    return 1 - fraction if dataset.PhotometricInterpretation == "MONOCHROME1" else fraction


@contextmanager
def _faults_in_words(path: Path) -> Iterator[None]:
    try:
        yield
    except (AttributeError, KeyError, NotImplementedError, RuntimeError, TypeError) as error:
        reason = str(error).strip().split("\n")[0]
        raise RequestError(f"{path} is no DICOM image that can be read: {reason}") from error
