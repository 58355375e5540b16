"""DICOM: images as Secondary Capture objects, masks as Segmentation objects that refer to them.

All of a data set is one study, each array one series in it. Nothing in a file
tells of a time, a machine or a person. Its identifiers follow from what the job is and from
the pixels, and not from how many samples there are: a data set that grows stays one study.
"""

from __future__ import annotations

import hashlib
import json
import struct
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from medigan_hub import provenance
from medigan_hub._version import __version__
from medigan_hub.errors import require
from medigan_hub.metadata import ModelMetadata, Output
from medigan_hub.samples import GenerationRequest
from medigan_hub.writers.base import EncodedFile, Writer

FITTING = (("uint8", 1), ("uint8", 3), ("uint16", 1), ("int16", 1))
"""Types and numbers of channels of a picture."""
MAX_CLASSES = 255
"""Of a mask that becomes a Segmentation; each of them is described in every file."""
DIRECTIONS = {"S": "H", "I": "F"}
"""DICOM's letters for head and foot; the others are the same."""

NAMESPACE = uuid.UUID("6a3f0c52-9d0b-4f0e-8d53-2f6c1b7e94a8")
CHARACTER_SET = "ISO_IR 192"  # UTF-8
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
SEGMENT_NUMBER = (0x0062, 0x000B)
SEGMENT_IDENTIFICATION = (0x0062, 0x000A)
MAX_SIDE_PIXELS = 65535
"""Along an axis."""
MAX_STRING_CHARACTERS = 64
"""In a value of type LO."""


class DicomWriter(Writer):
    """What is the same in every file of an array is encoded once.

    A Segmentation has a segment for each class; the segment's number is the
    value in the mask. A mask of more than ``MAX_CLASSES``, or with values
    below 0, is a picture of its values.
    """

    format = "dicom"
    holds = (
        "slices of 8 bits with 1 or 3 channels or of 16 bits with 1, and masks with 1 channel, of "
        f"those types or with values from 0 to {MAX_CLASSES}; of at most {MAX_SIDE_PIXELS} pixels "
        "a side"
    )

    def __init__(self, folder: Path, request: GenerationRequest) -> None:
        super().__init__(folder, request)
        require("pydicom", extra="dicom", purpose="writing DICOM files")
        model = request.metadata
        outputs = [output for output in model.outputs if output.kind != "label"]
        self._image = outputs[0].name
        self._inputs = [entry.name for entry in model.inputs]
        self._segmented = {output.name for output in outputs if _can_be_segmented(output)}
        self._study = uuid.uuid5(NAMESPACE, json.dumps(_content(request), sort_keys=True))
        self._of_study = _encoded(_study(request) | {"StudyInstanceUID": _uid(self._study)})

        arrays = [(number, output) for number, output in enumerate(outputs, 1)]
        for number, entry in enumerate(model.inputs, len(outputs) + 1):
            shape = (None, None, len(entry.channels))
            arrays += [
                (number, Output(entry.name, "image", shape, dtype, (0, np.iinfo(dtype).max)))
                for dtype in ("uint8", "uint16")
            ]
        self._of_array = {
            (array.name, array.dtype): self._constants(array, number) for number, array in arrays
        }

    @classmethod
    def can_hold(cls, array: Output) -> bool:
        fits = (array.dtype, array.shape[-1]) in FITTING
        if array.kind == "mask":
            fits = array.shape[-1] == 1 and (fits or _can_be_segmented(array))
        sizes = [size for size in array.shape if size is not None]
        return len(array.shape) == 3 and fits and max(sizes, default=0) <= MAX_SIDE_PIXELS

    def encode(
        self, index: int, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]
    ) -> Mapping[str, EncodedFile]:
        return {
            name: EncodedFile(f"{name}/{index:06d}.dcm", self._file(index, name, arrays, facts))
            for name in arrays
        }

    def _file(
        self,
        index: int,
        name: str,
        arrays: Mapping[str, np.ndarray],
        facts: Mapping[str, Any],
    ) -> bytes:
        array = arrays[name]
        words = provenance.sample_text(self.request, index, name)
        instance = self._instance(name, index, array)
        values: dict[str, Any] = {
            "MediaStorageSOPInstanceUID": instance,
            "SOPInstanceUID": instance,
            "InstanceNumber": index + 1,
            "ImageComments": "\r\n".join(f"{key}: {value}" for key, value in words.items()),
            "Rows": array.shape[0],
            "Columns": array.shape[1],
        }
        if name not in self._segmented:
            values |= _spacing(self.spacing(name, arrays, facts))
        if name in self._segmented:
            frames, pixels = self._frames(index, array, arrays[self._image])
            values |= frames
        else:
            pixels = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
            sources = [
                self._reference(source, index, arrays[source])
                for source in self._inputs
                if source in arrays
            ]
            if sources and name not in self._inputs:
                values["SourceImageSequence"] = sources
        constants = self._of_array[name, str(array.dtype)]
        return _joined(self._of_study | constants | _encoded(values), pixels)

    def _frames(
        self, index: int, mask: np.ndarray, image: np.ndarray
    ) -> tuple[dict[str, Any], bytes]:
        """Return the frames of a Segmentation, one a class that is there, and their pixels.

        There must be one frame at least: of an empty mask it is that of class 1.
        """
        classes = np.flatnonzero(np.bincount(mask.ravel()))
        numbers = [int(number) for number in classes if number > 0] or [1]
        planes = mask[:, :, 0] == np.array(numbers)[:, np.newaxis, np.newaxis]
        source = self._reference(self._image, index, image) | {
            "SpatialLocationsPreserved": "YES" if mask.shape[:2] == image.shape[:2] else "NO"
        }
        derivation = {
            "SourceImageSequence": [source],
            "DerivationCodeSequence": [_code("113076", "DCM", "Segmentation")],
        }
        instance = {
            key: source[key] for key in ("ReferencedSOPClassUID", "ReferencedSOPInstanceUID")
        }
        values = {
            "ReferencedSeriesSequence": [
                {
                    "SeriesInstanceUID": self._series(self._image),
                    "ReferencedInstanceSequence": [instance],
                }
            ],
            "NumberOfFrames": len(numbers),
            "PerFrameFunctionalGroupsSequence": [
                {
                    "FrameContentSequence": [{"DimensionIndexValues": number}],
                    "SegmentIdentificationSequence": [{"ReferencedSegmentNumber": number}],
                    "DerivationImageSequence": [derivation],
                }
                for number in numbers
            ],
        }
        return values, np.packbits(planes, bitorder="little").tobytes()

    def _constants(self, array: Output, number: int) -> dict[int, bytes]:
        """Return the elements that all files of an array share; ``number`` is its place."""
        model = self.request.metadata
        given = array.name in self.request.inputs
        what = f"{'Given' if given else 'Synthetic'} {array.name}"
        values: dict[str, Any] = {
            "SeriesInstanceUID": self._series(array.name),
            "SeriesNumber": number,
            "SeriesDescription": f"{what}, {model.name} {model.version}"[:MAX_STRING_CHARACTERS],
            "PatientOrientation": [
                DIRECTIONS.get(way, way) for way in reversed(array.orientation or ())
            ],
        }
        if not given:
            # Of a given image nobody knows: then the attribute is left out.
            simulated = array.name in self._inputs
            values |= {
                "SyntheticData": "YES",
                "DerivationDescription": provenance.SIMULATED_INPUT
                if simulated
                else provenance.NOTICE,
                "ContributingEquipmentSequence": [
                    _equipment(model, self.request.weights_sha256, simulated=simulated)
                ],
            }
        if array.name in self._segmented:
            values |= _segmentation(array, model, _uid(self._identity(array.name, "dimensions")))
        else:
            values |= _picture(array) | {"ConversionType": "WSD" if given else "SYN"}
        return _encoded(values)

    def _reference(self, name: str, index: int, array: np.ndarray) -> dict[str, Any]:
        """Return a reference to a picture that another object was made from."""
        purpose = _code("121322", "DCM", "Source image for image processing operation")
        return {
            "ReferencedSOPClassUID": SECONDARY_CAPTURE,
            "ReferencedSOPInstanceUID": self._instance(name, index, array),
            "PurposeOfReferenceCodeSequence": [purpose],
        }

    def _series(self, name: str) -> str:
        return _uid(self._identity(name))

    def _instance(self, name: str, index: int, array: np.ndarray) -> str:
        return _uid(self._identity(name, index, _hash(array)))

    def _identity(self, *parts: Any) -> uuid.UUID:
        return uuid.uuid5(self._study, "/".join(map(str, parts)))


def _content(request: GenerationRequest) -> dict[str, Any]:
    """Return what tells a job from others, however many samples it has.

    Of what there is one of for each sample, that is the first.
    """
    latents, first = request.given_latents, request.indices[0]
    changes = {
        "count": None,
        "indices": None,
        "conditions": {
            name: value[0] if isinstance(value, tuple) else value
            for name, value in request.conditions.items()
        },
        "latents_sha256": None if latents is None else _hash(latents[0]),
        "inputs": {
            name: images[first : first + 1].sha256 for name, images in request.inputs.items()
        },
    }
    return provenance.header(request) | changes


def _hash(array: np.ndarray) -> str:
    digest = hashlib.sha256(f"{array.dtype} {array.shape}".encode())
    digest.update(array.tobytes())
    return digest.hexdigest()


def _uid(identity: uuid.UUID) -> str:
    return f"2.25.{identity.int}"


def _can_be_segmented(array: Output) -> bool:
    low, high = array.range
    whole = array.dtype != "float32"
    return array.kind == "mask" and whole and low >= 0 and high <= MAX_CLASSES


def _study(request: GenerationRequest) -> dict[str, Any]:
    """Return what is the same in all files of a data set."""
    model = request.metadata
    given = bool(request.inputs)
    return {
        "FileMetaInformationVersion": b"\0\1",
        "TransferSyntaxUID": EXPLICIT_LITTLE_ENDIAN,
        "ImplementationClassUID": _uid(NAMESPACE),
        "ImplementationVersionName": "MEDIGAN_HUB",
        "SpecificCharacterSet": CHARACTER_SET,
        "StudyDate": "",
        "StudyTime": "",
        "AccessionNumber": "",
        "ReferringPhysicianName": "",
        "StudyID": "MEDIGAN-HUB" if given else "SYNTHETIC",
        "StudyDescription": f"{'Given and synthetic' if given else 'Synthetic'}: "
        f"{model.name} {model.version}"[:MAX_STRING_CHARACTERS],
        "PatientName": "Given images^And synthetic ones" if given else "Synthetic^No patient",
        "PatientID": "MEDIGAN-HUB" if given else "SYNTHETIC",
        "PatientBirthDate": "",
        "PatientSex": "",
        "Manufacturer": "medigan-hub",
        "ManufacturerModelName": "medigan-hub",
        "SoftwareVersions": __version__,
    }


def _equipment(
    model: ModelMetadata, weights_sha256: str | None, *, simulated: bool
) -> dict[str, Any]:
    """Return the item that names the model as what made the pixels, or simulated its input."""
    return {
        "Manufacturer": model.plugin[:MAX_STRING_CHARACTERS],
        "ManufacturerModelName": model.name,
        "DeviceSerialNumber": weights_sha256 or "",
        "SoftwareVersions": [model.version, f"medigan-hub {__version__}"],
        "ContributionDescription": "Simulation that made the input of a generative model"
        if simulated
        else "Generative model that made the pixels",
        "PurposeOfReferenceCodeSequence": [_code("109102", "DCM", "Processing Equipment")],
    }


def _picture(array: Output) -> dict[str, Any]:
    """Return what a Secondary Capture says of all pictures of an array."""
    from pydicom.valuerep import format_number_as_ds

    bits = np.dtype(array.dtype).itemsize * 8
    values: dict[str, Any] = {
        "MediaStorageSOPClassUID": SECONDARY_CAPTURE,
        "SOPClassUID": SECONDARY_CAPTURE,
        "Modality": "OT",
        "Laterality": "",
        "ImageType": ["DERIVED", "SECONDARY"],
        **_pixels(bits, signed=array.dtype == "int16", samples=array.shape[-1] or 1),
        **_spacing(array.spacing),
    }
    if bits == 16:
        low, high = array.range  # the window from the lowest value as black to the highest as white
        values["WindowCenter"] = format_number_as_ds((low + high + 1) / 2)
        values["WindowWidth"] = format_number_as_ds(float(high - low + 1))
    return values


def _segmentation(mask: Output, model: ModelMetadata, dimensions: str) -> dict[str, Any]:
    """Return what a Segmentation says of all masks of an array."""
    return {
        "MediaStorageSOPClassUID": SEGMENTATION,
        "SOPClassUID": SEGMENTATION,
        "Modality": "SEG",
        "ImageType": ["DERIVED", "PRIMARY"],
        "DeviceSerialNumber": "none",  # software has none, yet there must be one
        # A date and a time there must be, too: the same ones in every data set.
        "ContentDate": "19700101",
        "ContentTime": "000000",
        "ContentLabel": mask.name.upper()[:16],
        "ContentDescription": mask.name[:MAX_STRING_CHARACTERS],
        "ContentCreatorName": "",
        "LossyImageCompression": "00",
        "SegmentationType": "BINARY",
        "SegmentsOverlap": "NO",
        "SegmentSequence": [
            {
                "SegmentNumber": number,
                "SegmentLabel": label,
                # That it is tissue of some kind; the label says of which.
                "SegmentedPropertyCategoryCodeSequence": [_code("85756007", "SCT", "Tissue")],
                "SegmentedPropertyTypeCodeSequence": [_code("85756007", "SCT", "Tissue")],
                "SegmentAlgorithmType": "AUTOMATIC",
                "SegmentAlgorithmName": model.name,
            }
            for number, label in enumerate(_labels(mask), 1)
        ],
        "DimensionOrganizationSequence": [{"DimensionOrganizationUID": dimensions}],
        "DimensionIndexSequence": [
            {
                "DimensionOrganizationUID": dimensions,
                "DimensionIndexPointer": SEGMENT_NUMBER,
                "FunctionalGroupPointer": SEGMENT_IDENTIFICATION,
                "DimensionDescriptionLabel": "Segment",
            }
        ],
        # Size and place of the pixels are those of the image that each frame refers to.
        "SharedFunctionalGroupsSequence": [{}],
        **_pixels(1, signed=False, samples=1),
    }


def _labels(mask: Output) -> Iterable[str]:
    """Return the names of the segments: of the classes 1, 2, ... of a mask."""
    count = max(len(mask.classes) - 1, int(mask.range[1]), 1)
    for value in range(1, count + 1):
        label = mask.name if count == 1 else f"{mask.name} {value}"
        if value < len(mask.classes):
            label = mask.classes[value]
        yield label.replace("\\", "/")[
            :MAX_STRING_CHARACTERS
        ]  # a backslash would make two values of it


def _pixels(bits: int, *, signed: bool, samples: int) -> dict[str, Any]:
    values: dict[str, Any] = {
        "SamplesPerPixel": samples,
        "PhotometricInterpretation": "RGB" if samples == 3 else "MONOCHROME2",
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(signed),
    }
    return values | {"PlanarConfiguration": 0} if samples == 3 else values


def _spacing(spacing: Iterable[float] | None) -> dict[str, Any]:
    from pydicom.valuerep import format_number_as_ds

    if spacing is None:
        return {}
    return {"PixelSpacing": [format_number_as_ds(float(size)) for size in spacing]}


def _code(value: str, scheme: str, meaning: str) -> dict[str, str]:
    return {"CodeValue": value, "CodingSchemeDesignator": scheme, "CodeMeaning": meaning}


def _encoded(values: Mapping[str, Any]) -> dict[int, bytes]:
    """Return elements, given by their keywords, as they stand in a file, by their tags."""
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_data_element

    elements = {}
    for element in _dataset(values):
        stream = DicomBytesIO()
        stream.is_implicit_VR, stream.is_little_endian = False, True
        write_data_element(stream, element, CHARACTER_SET)
        elements[int(element.tag)] = stream.getvalue()
    return elements


def _dataset(values: Mapping[str, Any]) -> Any:
    """Return elements, given by their keywords, as a data set of pydicom; mappings are items."""
    from pydicom import Dataset

    dataset = Dataset()
    for keyword, value in values.items():
        items = keyword.endswith("Sequence")
        setattr(dataset, keyword, [_dataset(item) for item in value] if items else value)
    return dataset


def _joined(elements: Mapping[int, bytes], pixels: bytes) -> bytes:
    """Return a file with the elements (those of group 2 are its head) and the pixels."""
    tags = sorted(elements)
    head = b"".join(elements[tag] for tag in tags if tag < 0x00030000)
    body = b"".join(elements[tag] for tag in tags if tag >= 0x00030000)
    pixels += b"\0" * (len(pixels) % 2)
    return b"".join(
        (
            bytes(128) + b"DICM",
            struct.pack("<HH2sHL", 0x0002, 0x0000, b"UL", 4, len(head)),
            head,
            body,
            struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OW", 0, len(pixels)),
            pixels,
        )
    )
