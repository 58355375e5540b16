"""What reads the images of one file format: the contract, and what several formats share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from medigan_hub.errors import RequestError
from medigan_hub.reading import Reading

HEAD_BYTES = 512
"""How much of a file's beginning a decoder is shown, to tell whether it is of its format."""


class NoImage(Exception):  # noqa: N818 (the registry says it in words)
    """A file is not of the format for which its first bytes speak."""


class NoPixels(Exception):  # noqa: N818 (as above)
    """A file is of the format, whole, and of a kind that holds no image, which the text names.

    Beside images, in a folder, it is left out: a DICOMDIR, a structured report.
    """


@dataclass(frozen=True)
class Frames:
    """What the header of a file says of the images in it, all of one size."""

    count: int
    height: int
    width: int
    series: str = ""
    """What the file belongs to: files of one series lie in the order of their ``place``."""
    place: float = 0.0


@dataclass(frozen=True, eq=False)
class Picture:
    """An image as its file has it, and what the file says of black and white."""

    pixels: np.ndarray
    """(height, width) or (height, width, channels), upright: bool, whole numbers or fractions."""
    levels: tuple[float, float] | None = None
    """What is shown black and white; None where the file does not say. Then bool and uint8 use
    their whole range; for other types see ``levels.Scale``."""
    is_measured: bool = False
    """Whether the pixels are values in a unit of their own, such as Hounsfield's: without
    ``levels`` they reach from the lowest to the highest of all images that belong together."""
    is_inverse: bool = False
    """Whether low values are white."""
    padding: np.ndarray | None = None
    """(height, width) bool, where pixels are none of the image; they are shown black."""
    spacing: tuple[float, float] | None = None
    """Between rows, and between columns, in mm."""
    taken: str = ""
    """What was taken of several possibilities in the file, such as ``window 40/400``."""
    obeys: frozenset[str] = frozenset()
    """Wishes of ``Reading`` that the image depends on: one that no image obeys is an error."""


class Decoder(ABC):
    """Reads the images of one format, or of several that one library reads.

    A file is hostile until it was read: a header may claim any size, so
    nothing is decoded, and no memory taken, for what ``frames`` has not seen.
    Whatever else is wrong with a file may be raised as it comes; the hub names
    the file in what it says of that.
    """

    format: ClassVar[str]
    """Name of the decoder, as ``dicom``."""
    called: ClassVar[str]
    """What its files are called in a message: "PNG, TIFF, JPEG, BMP"."""
    suffixes: ClassVar[tuple[str, ...]]
    """What names of its files end with, in lower case and with the dot."""
    often_bare: ClassVar[bool] = False
    """Whether its files often have no suffix, so that a folder is searched for their content."""

    @abstractmethod
    def knows(self, start: bytes) -> bool:
        """Tell by the first bytes of a file, up to ``HEAD_BYTES``, whether it is of the format."""

    @abstractmethod
    def frames(self, path: Path, reading: Reading) -> Frames:
        """Return how many images a file claims to hold, and their size, from its header alone.

        Raises
        ------
        NoImage
            It is of another format.
        NoPixels
            It holds no image, as it should.
        """

    def element(self, path: Path, name: str) -> str | None:
        """Return what a file says under a name beside its images; None where nothing."""
        return None

    @abstractmethod
    def read(self, path: Path, frame: int, reading: Reading) -> Picture:
        """Return one of the images in a file, which ``frame`` counts from 0."""


def check_safe(path: Path, height: int, width: int) -> None:
    """Refuse what Pillow calls a decompression bomb; its own check warns of some, and reads them.

    Whether a warning is an error is a setting of the whole program, which no thread may change.
    """
    import PIL.Image

    most = PIL.Image.MAX_IMAGE_PIXELS
    if most is not None and height * width > most:
        raise RequestError(
            f"{path} is too large to open safely: it has {height} x {width} pixels, and at most "
            f"{most} are read; crop or scale it"
        )
