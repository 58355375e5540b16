"""Input images that belong together: read when they are asked for, and brought to one scale."""

from __future__ import annotations

import hashlib
import warnings
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, overload

import numpy as np

from medigan_hub.errors import HubNote, RequestError, listed, named
from medigan_hub.inputs import decoders, levels
from medigan_hub.inputs.decoders import Opened
from medigan_hub.inputs.decoders.base import Picture
from medigan_hub.inputs.decoders.pictures import of_image
from medigan_hub.metadata import Input
from medigan_hub.reading import Reading

if TYPE_CHECKING:
    from PIL.Image import Image

GIVEN = "given by the user"
PUBLISHED = "published with the model"
"""Origin of images that come with the weights."""


@dataclass(frozen=True, eq=False, slots=True)
class Part:
    """Images that come together: of one file, or one object that a caller gave."""

    source: Opened | np.ndarray | Image
    """A file, an array (n, height, width, channels) or one image, or one of Pillow's."""
    count: int
    name: str = ""
    """Of a file, its path below the folder that was given."""
    label: str | None = None
    """The folder that a file lies in, where folders are classes."""
    is_named: bool = False
    """Whether the caller named the file, and not a folder or a pattern that it was found by."""

    @property
    def path(self) -> Path | None:
        """The file; None where there is none."""
        return self.source.path if isinstance(self.source, Opened) else None

    def picture(self, frame: int, name: str, reading: Reading) -> Picture:
        """Read one of the images, which is called ``name`` in what is said of it."""
        if isinstance(self.source, Opened):
            return decoders.picture(self.source, frame, reading)
        if isinstance(self.source, np.ndarray):
            return Picture(self.source[frame] if self.source.ndim == 4 else self.source)
        with decoders.faults_in_words(Path(name)):
            if frame or getattr(self.source, "n_frames", 1) > 1:
                self.source.seek(frame)
            return of_image(self.source, name)


class Seen(NamedTuple):
    """What is known of an image once it was read."""

    dtype: str
    size: tuple[int, int]
    spacing: tuple[float, float] | None
    taken: str
    obeys: frozenset[str]
    is_scaled: bool
    """Whether all images together decided what is black and white."""


class Checked(NamedTuple):
    """What is known of an image once it was checked."""

    sha256: bytes
    grey_range: tuple[float, float]


@dataclass(eq=False)
class _Set:
    """All images that a caller gave together."""

    parts: Sequence[Part]
    reading: Reading
    origin: str
    left_out: tuple[str, ...] = ()
    """What was left out of a folder, in words."""
    channels: int | None = None
    seen: dict[int, Seen] = field(default_factory=dict)
    checked: dict[int, Checked] = field(default_factory=dict)
    told: bool = False
    alike: dict[Seen, Seen] = field(default_factory=dict)
    """What is known of images that differ in nothing of it, once: there may be many."""

    def __post_init__(self) -> None:
        self.ends = list(accumulate(part.count for part in self.parts))

    def __len__(self) -> int:
        return self.ends[-1] if self.ends else 0

    def place(self, position: int) -> tuple[Part, int]:
        which = bisect_right(self.ends, position)
        part = self.parts[which]
        return part, position - (self.ends[which] - part.count)

    def name(self, position: int) -> str:
        part, frame = self.place(position)
        if part.path is None:
            return (
                f"array {position}" if isinstance(part.source, np.ndarray) else f"image {position}"
            )
        # A name may be any bytes.
        name = part.name.encode("utf-8", "backslashreplace").decode()
        return name if part.count == 1 else f"{name} (frame {frame})"

    def picture(self, position: int) -> Picture:
        part, frame = self.place(position)
        return part.picture(frame, self.name(position), self.reading)

    @cached_property
    def scale(self) -> levels.Scale:
        """What is black and white where files don't say: every image is read for it."""

        def pictures() -> Iterator[tuple[str, Picture]]:
            for position in range(len(self)):
                name, picture = self.name(position), self.picture(position)
                if levels.known_levels(picture, name, self.reading) is None:
                    yield name, picture

        return levels.Scale.of(pictures())

    def image(self, position: int) -> np.ndarray:
        name, picture = self.name(position), self.picture(position)
        image = levels.shown(picture, name, self.reading)
        is_scaled = image is None
        if image is None:
            image = levels.shown(picture, name, self.reading, self.scale)
            self.tell(self.scale.words(len(self), advice=True))
        assert image is not None  # noqa: S101 (for the type: with a scale there is one)
        seen = Seen(
            str(image.dtype),
            (image.shape[0], image.shape[1]),
            picture.spacing,
            picture.taken,
            levels.wishes_obeyed(picture, self.reading),
            is_scaled,
        )
        self.seen[position] = self.alike.setdefault(seen, seen)
        return image

    def tell(self, words: Sequence[str]) -> None:
        """Say once what was taken, where the files left it open."""
        if words and not self.told:
            self.told = True
            warnings.warn(f"input images: {'; '.join(words)}", HubNote, stacklevel=4)


class Images(Sequence[np.ndarray]):
    """Images that are read when they are asked for, so that a folder of any size fits.

    Each is uint8 or uint16, (height, width, channels), and uses the whole range of its type.
    Where files don't say what is black and white, all images that were given decide it
    together, and a part of them looks as it does among all.
    """

    def __init__(self, together: _Set, positions: Sequence[int]) -> None:
        self._set = together
        self._positions = positions

    @property
    def together(self) -> _Set:
        """All images that were given together."""
        return self._set

    @property
    def places(self) -> Sequence[int]:
        """Which of those these are."""
        return self._positions

    @classmethod
    def of(
        cls,
        parts: Sequence[Part],
        reading: Reading | None = None,
        origin: str = GIVEN,
        left_out: Sequence[str] = (),
    ) -> Images:
        """Return all images of some parts."""
        together = _Set(parts, reading or Reading(), origin, tuple(left_out))
        return cls(together, range(len(together)))

    def __len__(self) -> int:
        return len(self._positions)

    @overload
    def __getitem__(self, position: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, position: slice) -> Images: ...
    def __getitem__(self, position: int | slice) -> np.ndarray | Images:
        if isinstance(position, slice):
            return Images(self._set, self._positions[position])
        image = self._set.image(self._positions[position])
        return image if self.channels is None else levels.with_channels(image, self.channels)

    @property
    def origin(self) -> str:
        """Where the images come from."""
        return self._set.origin

    @property
    def channels(self) -> int | None:
        """How many channels each image is brought to; None before ``check``."""
        return self._set.channels

    @property
    def reading(self) -> Reading:
        """How the images are read."""
        return self._set.reading

    def name(self, position: int) -> str:
        """Return how an image is called in a message: its file, or its place among the arrays."""
        return self._set.name(self._positions[position])

    def file(self, position: int) -> str:
        """Return the file of an image, below the folder given; or its place, as ``name``."""
        part, _ = self._set.place(self._positions[position])
        name = self.name(position)
        return name.rpartition(" (frame ")[0] if part.path is not None and part.count > 1 else name

    def path(self, position: int) -> Path | None:
        """Return the file that an image is in; None where there is none."""
        part, _ = self._set.place(self._positions[position])
        return part.path

    def frame(self, position: int) -> int | None:
        """Return which of several images in its file an image is, from 0; None of one alone."""
        part, frame = self._set.place(self._positions[position])
        return frame if part.path is not None and part.count > 1 else None

    def label(self, position: int) -> str | None:
        """Return the folder that an image lies in, where the folders are classes."""
        part, _ = self._set.place(self._positions[position])
        return part.label

    def group(self, position: int) -> str:
        """Return what an image belongs to: images of one file, or one DICOM series, are alike."""
        part, _ = self._set.place(self._positions[position])
        if not isinstance(part.source, Opened):
            return self.name(position)
        return part.source.frames.series or str(part.source.path)

    def element(self, position: int, name: str) -> str | None:
        """Return what an image's file says under a name, such as DICOM's ``PatientSex``."""
        part, _ = self._set.place(self._positions[position])
        if not isinstance(part.source, Opened):
            return None
        with decoders.faults_in_words(part.source.path):
            return part.source.decoder.element(part.source.path, name)

    def spacing(self, position: int) -> tuple[float, float] | None:
        """Return the distance of rows and of columns in mm; None where it is not known (yet)."""
        seen = self._set.seen.get(self._positions[position])
        return None if seen is None else seen.spacing

    @property
    def are_files(self) -> bool:
        """Whether every image is in a file."""
        return all(part.path is not None for part in self._set.parts)

    @property
    def is_one_file(self) -> bool:
        """Whether all images are in one file, which the caller named."""
        return len(self._set.parts) == 1 and self._set.parts[0].is_named

    def in_order(self, positions: Sequence[int]) -> Images:
        """Return the images at these places, in this order; one may come several times."""
        return Images(self._set, [self._positions[place] for place in positions])

    def size(self, position: int) -> tuple[int, int]:
        """Return the height and width of an image, once it was read."""
        return self._set.seen[self._positions[position]].size

    def grey_range(self, position: int) -> tuple[float, float]:
        """Return the 1st and 99th percentile of an image, from 0 to 1, once it was checked."""
        return self._set.checked[self._positions[position]].grey_range

    def lie_in(self, folder: Path) -> bool:
        """Tell whether any of the images is a file below ``folder``."""
        below = folder.resolve()
        paths = (part.path for part in self._set.parts)
        return any(path is not None and path.resolve().is_relative_to(below) for path in paths)

    @property
    def sha256(self) -> str:
        """One hash of all the images that were checked, in order; empty before ``check``."""
        checked = self._set.checked
        sums = [checked[place].sha256 for place in self._positions if place in checked]
        return hashlib.sha256(b"".join(sums)).hexdigest() if sums else ""

    @property
    def dtypes(self) -> frozenset[str]:
        """The types that the images have, as far as they were read."""
        return frozenset(seen.dtype for seen in self._seen)

    @property
    def _seen(self) -> list[Seen]:
        found = self._set.seen
        return [found[place] for place in self._positions if place in found]

    def check(self, declared: Input, model: str) -> None:
        """Read every image once, so that a bad one is known before the first is used.

        A grey image in three channels fits a model that takes one, and the
        other way round; images that come with the model are brought to grey or
        colour whatever they are.

        Afterwards ``sha256`` and ``dtypes`` are known.

        Raises
        ------
        RequestError
            An image can't be read, the model takes another number of channels, or
            a wish says something about the images that none of them depends on.
        """
        wanted = len(declared.channels)
        self._set.channels = None
        told, self._set.told = self._set.told, True
        for number, place in enumerate(self._positions):
            if place in self._set.checked:
                continue
            image = self._set.image(place)
            channels = image.shape[-1]
            if channels != wanted and (self.origin == PUBLISHED or levels.is_grey(image)):
                image = levels.with_channels(image, wanted)
            if image.shape[-1] != wanted:
                advice = "convert it to greyscale first" if wanted == 1 else "choose another image"
                raise RequestError(
                    f"{self.name(number)} has {channels} channel{'s' * (channels > 1)}, but "
                    f"{model} takes {wanted} ({', '.join(declared.channels)}); {advice}"
                )
            digest = hashlib.sha256(f"{image.dtype} {image.shape}".encode())
            digest.update(image.tobytes())
            self._set.checked[place] = Checked(digest.digest(), levels.grey_range(image))
        self._set.channels, self._set.told = wanted, told
        check_wishes(self.reading, self.obeyed, "input images")
        self._set.tell(self._words(advice=True))

    @property
    def obeyed(self) -> frozenset[str]:
        """The wishes about levels and slices that the images depend on, as far as they were
        read."""
        return frozenset[str]().union(*(seen.obeys for seen in self._seen))

    @property
    def notes(self) -> list[str]:
        """What was taken where files left it open, as far as they were read, and left out."""
        return self._words()

    def _words(self, *, advice: bool = False) -> list[str]:
        words = []
        taken = Counter(seen.taken for seen in self._seen if seen.taken)
        for what, count in taken.most_common(3):
            words.append(what if count == len(self) else f"{what} ({count} of {len(self)})")
        if len(taken) > 3:
            words.append(f"and {len(taken) - 3} more ways")
        if any(seen.is_scaled for seen in self._seen):
            words += self._set.scale.words(len(self._set), advice=advice)
        return [*words, *self._set.left_out]

    @property
    def summary(self) -> str:
        """What was taken: how many images, of which size and depth, and the ``notes``."""
        sizes = sorted({seen.size for seen in self._seen})
        depths = sorted({np.dtype(dtype).itemsize * 8 for dtype in self.dtypes})
        count = "1 image" if len(self) == 1 else f"{len(self)} images"
        size = listed((f"{height} x {width}" for height, width in sizes), " and ", 2)
        bits = " and ".join(map(str, depths))
        return "; ".join([f"{count} of {size} pixels, {bits} bits", *self.notes])


def check_wishes(reading: Reading, obeyed: Collection[str], images: str) -> None:
    """Make sure that each wish about levels and slices says something of the images.

    Parameters
    ----------
    obeyed
        The wishes that they depend on, as ``Images.obeyed``.
    images
        What they are called.

    Raises
    ------
    RequestError
        One does not.
    """
    for name, value in reading.asked.items():
        if name in ("bits", "window", "slice_axis") and name not in obeyed:
            if isinstance(value, list):
                value = ",".join(f"{each:g}" for each in value)
            what = named(name, value)
            raise RequestError(f"{what} says nothing of these {images}; leave it out")
