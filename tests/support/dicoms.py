"""DICOM files, written with pydicom."""

from __future__ import annotations

import io

import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
)


def dicom(
    pixels: np.ndarray | None,
    syntax: pydicom.uid.UID = ExplicitVRLittleEndian,
    body: bytes | None = None,
    *,
    kind: str = SecondaryCaptureImageStorage,
    **attributes: object,
) -> bytes:
    """Return a file of stored values, (height, width), frames of them, or with three colours.

    ``body`` is what they are compressed to; without either there are no pixels.
    """
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = kind
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    meta.TransferSyntaxUID = syntax
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = kind, "1.2.3"
    if pixels is not None:
        _add_pixels(dataset, pixels, syntax, body, attributes)
    for name, value in attributes.items():
        setattr(dataset, name, value)
    stream = io.BytesIO()
    little, implicit = syntax != ExplicitVRBigEndian, syntax == ImplicitVRLittleEndian
    pydicom.dcmwrite(stream, dataset, little_endian=little, implicit_vr=implicit)
    return stream.getvalue()


def _add_pixels(
    dataset: FileDataset,
    pixels: np.ndarray,
    syntax: pydicom.uid.UID,
    body: bytes | None,
    attributes: dict[str, object],
) -> None:
    is_colour = attributes.get("SamplesPerPixel") == 3
    dataset.Rows, dataset.Columns = pixels.shape[-3:-1] if is_colour else pixels.shape[-2:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    bits = pixels.itemsize * 8
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    content = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    dataset.PixelData = encapsulate([body]) if body else content + b"\0" * (len(content) % 2)
    dataset["PixelData"].VR = "OB" if body or bits == 8 else "OW"
