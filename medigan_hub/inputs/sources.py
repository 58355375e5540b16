"""What a caller gives as input images: files, folders, arrays, images of Pillow."""

from __future__ import annotations

import glob
import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from medigan_hub.errors import HubError, RequestError, listed, named
from medigan_hub.inputs import decoders
from medigan_hub.inputs.decoders import Opened
from medigan_hub.inputs.decoders.base import Frames, NoPixels
from medigan_hub.inputs.images import PUBLISHED, Images, Part
from medigan_hub.reading import Reading

if TYPE_CHECKING:
    from PIL.Image import Image

Source: TypeAlias = "str | Path | np.ndarray | Image | Iterable[str | Path | np.ndarray | Image]"

KINDS = "paths, NumPy arrays or images of Pillow"
PATTERN = re.compile(r"[*?\[]")


def find(source: Source, reading: Reading | None = None) -> Images:
    """Return the images of a file, a folder (in the order of their names), arrays or paths.

    A file may hold several images: the frames of DICOM, the pages of TIFF, the slices of a
    volume. An array of four dimensions, also in a .npy file, is a stack of images. In a folder,
    the files of a DICOM series come in the order of their slices; names come in natural order
    (1, 2, 10). Of other files than images in it is told how many were left out.

    Parameters
    ----------
    source
        Paths may begin with ``~``, and hold wildcards where no file has such a name.
    reading
        What files leave open.

    Raises
    ------
    RequestError
        There is nothing there, a file in a folder can't be read, or it is no source of images.
    """
    reading = reading or Reading()
    finder = _Finder(reading)
    parts = finder.parts(source)
    if not any(part.count for part in parts):
        raise RequestError("there are no input images; give at least one")
    return Images.of(parts, reading, left_out=finder.words())


def natural(name: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts names as people do: numbers in them by their value.

    >>> sorted(["b10", "b9", "B1"], key=natural)
    ['B1', 'b9', 'b10']
    """
    pieces = re.split(r"([0-9]+)", name)
    keys = [
        (0, int(piece), "") if number % 2 else (1, 0, piece.casefold())
        for number, piece in enumerate(pieces)
        if piece
    ]
    return [*keys, (2, 0, name)]


class _Finder:
    """Finds images, and counts what it leaves out."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._without_pixels: Counter[str] = Counter()
        self._others: list[str] = []
        self._unreadable: list[str] = []

    def words(self) -> list[str]:
        """Say what was left out."""
        found = [f"{count} x {what}" for what, count in self._without_pixels.items()]
        if self._others:
            found.append(f"{len(self._others)} x no image ({listed(self._others, most=3)})")
        if self._unreadable:
            found.append(f"{len(self._unreadable)} x unreadable: {listed(self._unreadable)}")
        return [f"left out: {', '.join(found)}"] if found else []

    def parts(self, source: Any) -> Sequence[Part]:
        """Return the images of a source."""
        if isinstance(source, (str, Path)):
            return self._of_path(source)
        one = _of_object(source)
        if one is not None:
            return [one]
        if isinstance(source, (bytes, bytearray, memoryview)) or not isinstance(source, Iterable):
            raise RequestError(f"an input is a {type(source).__name__}; give {KINDS}")
        if hasattr(source, "__array__"):
            raise RequestError(
                f"an input is a {type(source).__name__}; give NumPy arrays, channels last"
            )
        found: list[Part] = []
        for item in source:
            if isinstance(item, (str, Path)):
                found += self._of_path(item)
                continue
            part = _of_object(item)
            if part is None:
                raise RequestError(f"an input is a {type(item).__name__}; give {KINDS}")
            found.append(part)
        return found

    def _of_path(self, given: str | Path) -> Sequence[Part]:
        path = Path(given)
        with decoders.faults_in_words(path):
            try:
                path = path.expanduser()
                is_there = path.exists()
            except (OSError, ValueError, RuntimeError) as error:  # such as a null character
                raise RequestError(f"{path} can't be read: {error}") from error
            if not is_there:
                matching = _matching(path)
                if matching:
                    return [
                        replace(part, is_named=False)
                        for each in sorted(matching, key=natural)
                        for part in self._of_path(Path(each))
                    ]
                raise RequestError(
                    f"{path} does not exist; name an image file or a folder of images"
                )
            if path.is_dir():
                with decoders.formats_kept():
                    return self._of_folder(path)
            try:
                part = _part(decoders.opened(path, self._reading), path.name)
                return [replace(part, is_named=True)]
            except NoPixels as error:
                raise RequestError(f"{path} is {error}, which holds no image") from error

    def _of_folder(self, folder: Path) -> Sequence[Part]:
        faults: list[str] = []
        files: list[tuple[str, Opened]] = []
        for path in _files(folder, recursive=self._reading.recursive):
            name = path.relative_to(folder).as_posix()
            try:
                with decoders.faults_in_words(path):
                    looks_like_image = decoders.looks_like_image(path)
                if not looks_like_image:
                    self._others.append(name)
                    continue
                files.append((name, decoders.opened(path, self._reading)))
            except NoPixels as error:
                self._without_pixels[str(error)] += 1
            except HubError as error:
                dangling = path.is_symlink() and not path.exists()
                faults.append(f"{path} is a link to what is not there" if dangling else str(error))
        if faults and not self._reading.skip_unreadable:
            more = f" (and {len(faults) - 1} more files)" if len(faults) > 1 else ""
            raise RequestError(
                f"{faults[0]}{more}; mend or remove it, or leave it out with "
                f"{named('skip_unreadable', True)}"
            )
        self._unreadable += faults
        if not files:
            raise self._nothing(folder)
        labelled = {name: _label(name) for name, _ in files}
        are_classes = None not in labelled.values()
        return [
            _part(opened, name, labelled[name] if are_classes else None)
            for name, opened in _in_series(files)
        ]

    def _nothing(self, folder: Path) -> RequestError:
        """Say that a folder holds no images, and what it holds instead."""
        without = "; ".join(self.words())
        inside = f" ({without})" if without else f" ({' '.join(decoders.suffixes())})"
        below = 0
        if not self._reading.recursive:
            deep = _files(folder, recursive=True)
            below = sum(_looks(path) for path in islice(deep, 10_000) if path.parent != folder)
        if below:
            some = "1 image" if below == 1 else f"{below} images"
            return RequestError(
                f"the folder {folder} holds no images itself, and {some} in subfolders; "
                f"take those with {named('recursive', True)}"
            )
        return RequestError(f"the folder {folder} holds no images{inside}")


def _of_object(given: Any) -> Part | None:
    """Return an array, or an image of Pillow, as it was given; None of anything else."""
    if isinstance(given, np.ndarray):
        return Part(given, len(given) if given.ndim == 4 else 1)
    if hasattr(given, "getbands") and hasattr(given, "getexif"):
        return Part(given, int(getattr(given, "n_frames", 1)))
    return None


def _matching(path: Path) -> list[str]:
    """Return the paths that fit one with wildcards."""
    return glob.glob(str(path)) if PATTERN.search(str(path)) else []  # noqa: PTH207 (of any path)


def _part(file: Opened, name: str, label: str | None = None) -> Part:
    return Part(file, file.frames.count, name, label)


def _files(folder: Path, *, recursive: bool) -> Iterator[Path]:
    """Yield the files in a folder that are not hidden, and those in its subfolders if asked for."""
    seen = set[tuple[int, int]]()
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        state = here.stat()
        if (state.st_dev, state.st_ino) in seen:  # a link that leads back
            continue
        seen.add((state.st_dev, state.st_ino))
        entries = sorted(os.scandir(here), key=lambda entry: natural(entry.name))
        below = []
        for entry in entries:
            if entry.name.startswith("."):
                continue
            # A link in a circle is no folder, and no reason to stop.
            if Path(entry.path).is_dir() if entry.is_symlink() else entry.is_dir():
                below.append(Path(entry.path))
            else:
                yield Path(entry.path)
        if recursive:
            waiting += reversed(below)


def _looks(path: Path) -> bool:
    try:
        return decoders.looks_like_image(path)
    except OSError:
        return False


def _label(name: str) -> str | None:
    """Return the class of a file by its path below the folder given: the one folder it lies in."""
    folder, slash, _ = name.partition("/")
    return folder if slash and name.count("/") == 1 else None


def _in_series(files: Sequence[tuple[str, Opened]]) -> list[tuple[str, Opened]]:
    """Bring the files of each series together, in the order of their slices.

    A series begins where its first file stands; other files stay where they are.
    """
    first: dict[str, int] = {}

    def key(item: tuple[int, tuple[str, Opened]]) -> tuple[int, float, int]:
        number, (_, opened) = item
        frames: Frames = opened.frames
        if not frames.series:
            return number, 0.0, number
        return first.setdefault(frames.series, number), frames.place, number

    return [item for _, item in sorted(enumerate(files), key=key)]


def read(path: str | Path, reading: Reading | None = None) -> np.ndarray:
    """Return the image in a file that holds one: uint8 or uint16, (height, width, channels).

    Raises
    ------
    RequestError
        The file is no image, is damaged, or holds several images.
    """
    images = find(path, reading)
    if len(images) > 1:
        raise RequestError(f"{path} holds {len(images)} images; take them with inputs.find")
    return images[0]


def published(files: Sequence[Path]) -> Images:
    """Return images that were published with a model, in turns: one may come several times.

    Raises
    ------
    RequestError
        One can't be read.
    """
    reading = Reading()
    once = {path: number for number, path in enumerate(dict.fromkeys(files))}
    parts = [_part(decoders.opened(path, reading), path.name) for path in once]
    several = next((part for part in parts if part.count > 1), None)
    if several is not None:
        raise RequestError(f"{several.path} holds {several.count} images; one was to be published")
    images = Images.of(parts, reading, PUBLISHED)
    return images.in_order([once[path] for path in files])


def check_size(path: Path, most_pixels: int) -> None:
    """Make sure that an image file claims no more pixels than can be taken, before it is decoded.

    Its header alone is read: a small file may claim any number. Several images count as a whole.

    Raises
    ------
    RequestError
        It claims more than ``most_pixels``, or can't be read.
    """
    try:
        frames = decoders.opened(path, Reading(), is_safe=False).frames
    except NoPixels as error:
        raise RequestError(f"{path} is {error}, which holds no image") from error
    size = (frames.count, frames.height, frames.width)[frames.count == 1 :]
    if math.prod(size) > most_pixels:
        most = f"{most_pixels / 1e6:.3g} million" if most_pixels >= 1e6 else most_pixels
        raise RequestError(
            f"{path.name} has {' x '.join(map(str, size))} pixels; at most {most} are taken "
            "here: crop or scale it"
        )
