"""What a caller gives as input images: a file, a folder, a stack, arrays or paths."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias, overload

import numpy as np

from medigan_hub.errors import RequestError
from medigan_hub.inputs import decoders
from medigan_hub.inputs.levels import is_grey, normalised, with_channels
from medigan_hub.metadata import Input

Source: TypeAlias = "str | Path | np.ndarray | Iterable[str | Path | np.ndarray]"

PUBLISHED = "published with the model"
"""Origin of images that come with the weights."""


class Images(Sequence[np.ndarray]):
    """Images that are read when they are asked for, so that a folder of any size fits."""

    def __init__(
        self, items: Sequence[Path | np.ndarray] | np.ndarray, origin: str = "given by the user"
    ) -> None:
        self._items = items
        self.origin = origin
        self.channels: int | None = None
        self.sha256 = ""
        self.dtypes: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, position: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, position: slice) -> Images: ...
    def __getitem__(self, position: int | slice) -> np.ndarray | Images:
        if isinstance(position, slice):
            return Images(self._items[position], self.origin)
        item = self._items[position]
        name = self.name(position)
        image = decoders.read(item) if isinstance(item, Path) else normalised(item, name)
        return image if self.channels is None else with_channels(image, self.channels)

    def name(self, position: int) -> str:
        """Return the file name of an image, or its place among the arrays given."""
        item = self._items[position]
        if not isinstance(item, Path):
            return f"array {position}"
        return item.name.encode("utf-8", "backslashreplace").decode()  # a name may be any bytes

    def lie_in(self, folder: Path) -> bool:
        """Tell whether any of the images is a file below ``folder``."""
        return any(
            isinstance(item, Path) and item.resolve().is_relative_to(folder.resolve())
            for item in self._items
        )

    @classmethod
    def checked(cls, files: Sequence[Path], origin: str, declared: Input, model: str) -> Images:
        """Return files, each checked once however often it stands there; see ``check``."""
        once = cls(list(dict.fromkeys(files)), origin)
        once.check(declared, model)
        images = cls(files, origin)
        images.channels, images.sha256, images.dtypes = once.channels, once.sha256, once.dtypes
        return images

    def check(self, declared: Input, model: str) -> None:
        """Read every image once, so that a bad one is known before the first is used.

        A grey image in three channels fits a model that takes one, and the
        other way round; images that come with the model are brought to grey or
        colour whatever they are.

        Afterwards ``sha256`` is one hash of all the images, in order, and
        ``dtypes`` the types that they have.

        Raises
        ------
        RequestError
            An image can't be read, or the model takes another number of channels.
        """
        wanted = len(declared.channels)
        digest = hashlib.sha256()
        dtypes = set()
        for position, image in enumerate(self):
            channels = image.shape[-1]
            if channels != wanted and (self.origin == PUBLISHED or is_grey(image)):
                image = with_channels(image, wanted)
            if image.shape[-1] != wanted:
                advice = "convert it to greyscale first" if wanted == 1 else "choose another image"
                raise RequestError(
                    f"{self.name(position)} has {channels} channel{'s' * (channels > 1)}, but "
                    f"{model} takes {wanted} ({', '.join(declared.channels)}); {advice}"
                )
            digest.update(f"{image.dtype} {image.shape}".encode())
            digest.update(image.tobytes())
            dtypes.add(str(image.dtype))
        self.channels = wanted
        self.sha256 = digest.hexdigest()
        self.dtypes = frozenset(dtypes)


def find(source: Source) -> Images:
    """Return the images of a file, a folder (in the order of their names), arrays or paths.

    An array of four dimensions, also in a .npy file, is a stack of images.

    Raises
    ------
    RequestError
        There is nothing there.
    """
    items: Any
    if isinstance(source, (str, Path)):
        with decoders.faults_in_words(Path(source)):
            items = _of_path(Path(source))
    elif isinstance(source, np.ndarray):
        items = _of_array(source)
    else:
        items = [Path(item) if isinstance(item, str) else item for item in source]
        for item in items:
            if isinstance(item, Path):
                _must_exist(item)
            elif not isinstance(item, np.ndarray):
                raise RequestError(
                    f"an input is a {type(item).__name__}; give paths or NumPy arrays"
                )
    if len(items) == 0:
        raise RequestError("there are no input images; give at least one")
    return Images(items)


def _of_path(path: Path) -> Any:
    _must_exist(path)
    if path.is_dir():
        found = sorted(
            entry
            for entry in path.iterdir()
            if entry.is_file() and decoders.looks_like_image(entry)
        )
        if not found:
            known = " ".join(decoders.suffixes())
            raise RequestError(f"the folder {path} holds no images ({known})")
        return found
    stack = decoders.stack(path)
    return [path] if stack is None else stack


def _of_array(array: np.ndarray) -> Any:
    return array if array.ndim == 4 else [array]


def _must_exist(path: Path) -> None:
    try:
        there = path.exists()
    except (OSError, ValueError) as error:  # the latter of a name with a null character
        raise RequestError(f"{path} can't be read: {error}") from error
    if not there:
        raise RequestError(f"{path} does not exist; name an image file or a folder of images")
