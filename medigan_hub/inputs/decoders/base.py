"""What reads the images of one file format: the contract, and what several formats share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

import numpy as np

from medigan_hub.errors import RequestError

HEAD_BYTES = 512
"""How much of a file's beginning a decoder is shown, to tell whether it is of its format."""


class NoImage(Exception):  # noqa: N818 (the registry says it in words)
    """A file is not of the format for which its first bytes speak."""


class Decoder(ABC):
    """Reads the images of one format, or of several that one library reads.

    A file is hostile until it was read: a header may claim any size, so
    nothing is decoded, and no memory taken, for what ``size`` has not seen.
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
    def size(self, path: Path) -> tuple[int, ...]:
        """Return the size that a file claims, from its header: (height, width).

        Of a file that holds a stack of images it is (n, height, width).
        """

    @abstractmethod
    def read(self, path: Path) -> np.ndarray:
        """Return the image in a file: (height, width) or (height, width, channels).

        uint8 and bool use their whole range, fractions lie in [0, 1], and whole
        numbers of more bits mean what ``inputs.normalised`` takes them for.
        """

    def stack(self, path: Path) -> np.ndarray | None:
        """Return the images of a file that holds several, not read yet; None where it holds one.

        The first axis counts them.
        """
        return None


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
