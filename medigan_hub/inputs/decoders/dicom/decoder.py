"""DICOM: images as a viewer would show them, of every kind and age."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn, cast

import numpy as np

from medigan_hub.errors import RequestError, require
from medigan_hub.hashes import State, state_of
from medigan_hub.inputs.decoders.base import Decoder, Frames, NoPixels, Picture, check_safe
from medigan_hub.inputs.decoders.dicom import codecs, display, layout, pixels
from medigan_hub.inputs.decoders.dicom.header import NUMBERS, Body, Fault, Header, begins, header_of
from medigan_hub.reading import Reading, Window

IMAGES = "1.2.840.10008.5.1.4.1.1."
OTHERS = {
    "1.2.840.10008.1.3.10": "a DICOMDIR",
    f"{IMAGES}9.": "a waveform",
    f"{IMAGES}11.": "a presentation state",
    f"{IMAGES}88.": "a structured report",
    f"{IMAGES}104.1": "an encapsulated PDF",
    f"{IMAGES}104.": "an encapsulated document",
    f"{IMAGES}481.": "a radiotherapy object",
}
"""What a file without pixels is, by the beginning of its SOP class."""
WANTED = (
    *("SOPClassUID", "SeriesInstanceUID", "InstanceNumber"),
    *("ImagePositionPatient", "ImageOrientationPatient"),
    *(*layout.WANTED, *pixels.WANTED, *display.WANTED),
)


class DicomDecoder(Decoder):
    """Images in grey or in colours, of one frame or of many, compressed or not."""

    format = "dicom"
    called = "DICOM"
    suffixes = (".dcm", ".dicom")
    often_bare = True

    def knows(self, start: bytes) -> bool:
        return begins(start)

    def frames(self, path: Path, reading: Reading) -> Frames:
        with _faults_in_words(path):
            header, _, form = _known(path)
            series = header.elements.text("SeriesInstanceUID")
            return Frames(form.frames, form.height, form.width, series, _place(header))

    def element(self, path: Path, name: str) -> str | None:
        """Return an element by its keyword, such as ``PatientSex``; of several values, all."""
        require("pydicom", extra="dicom", purpose=f"reading {path.name}")
        from pydicom.datadict import dictionary_VR, tag_for_keyword

        tag = tag_for_keyword(name)
        if tag is None:
            return None
        with _faults_in_words(path):
            elements = header_of(path, (name,)).elements
            if dictionary_VR(tag)[:2] in NUMBERS:
                return ", ".join(f"{number:g}" for number in elements.numbers(name)) or None
            return ", ".join(elements.texts(name)) or None

    def read(self, path: Path, frame: int, reading: Reading) -> Picture:
        with _faults_in_words(path):
            header, body, form = _known(path)
            check_safe(path, form.height, form.width)
            stored = pixels.pixels_of(path, header, body, form, frame)
            if form.samples == 3 or form.kind == "PALETTE COLOR":
                return display.coloured(stored, header.elements, form, frame)
            window = cast("Window | None", reading.window)  # of a text, Reading makes numbers
            return display.grey(stored, header.elements, form, frame, window)


@contextmanager
def _faults_in_words(path: Path) -> Iterator[None]:
    try:
        yield
    except Fault as fault:
        raise RequestError(f"{path} {fault}") from fault


def _known(path: Path) -> tuple[Header, Body, layout.Layout]:
    """Return what the header of an image says, and where and how its pixels lie."""
    require("pydicom", extra="dicom", purpose=f"reading {path.name}")
    header = _header(path, state_of(path))
    body = header.body or _none(header)
    if body.fragments is not None and header.syntax not in codecs.CODECS:
        name = _name(header.syntax) or "nothing that it names"
        raise Fault(f"is compressed as {name}, which is not read; save it uncompressed")
    return header, body, layout.layout_of(header, body)


@functools.lru_cache(maxsize=2)
def _header(path: Path, state: State) -> Header:
    """Return the header of a file in this state: of many frames it is as long as some images."""
    return header_of(path, WANTED)


def _none(header: Header) -> NoReturn:
    """Say what a file is that has no pixels."""
    uid = header.elements.text("SOPClassUID") or header.meta.text("MediaStorageSOPClassUID")
    name = _name(uid)
    kind = next((words for start, words in OTHERS.items() if uid.startswith(start)), "")
    if not uid:
        raise Fault("is damaged: it names neither a size nor what it is")
    if header.elements.raw("Rows") or name.endswith("Image Storage"):
        raise Fault(f"is damaged: it has no pixels, and is of the class {name}")
    kind = kind or "a DICOM object without an image"
    raise NoPixels(kind if kind == "a DICOMDIR" or not name else f"{kind} ({name})")


def _name(uid: str) -> str:
    from pydicom import config
    from pydicom.uid import UID

    return UID(uid, config.IGNORE).name


def _place(header: Header) -> float:
    """Return where a slice lies in its series: in mm along the normal, or else its number."""
    elements = header.elements
    place = display.within(elements, 0, "PlanePositionSequence").numbers("ImagePositionPatient")
    turned = display.within(elements, 0, "PlaneOrientationSequence")
    turns = turned.numbers("ImageOrientationPatient")
    if len(place) == 3 and len(turns) == 6:
        return float(np.cross(turns[:3], turns[3:]) @ np.array(place))
    return elements.number("InstanceNumber", 0)
